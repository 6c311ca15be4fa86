package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// unitKeptFor is how long the entry of a unit is kept whose jobs are not configured any more. If they come back by then,
// what was started before counts for their limits, and Idempotency-Keys lead where they led.
const unitKeptFor = 7 * 24 * time.Hour

// An orphan is a unit that nobody holds.
type orphan struct {
	run string
	at  time.Time // since when, by the wall clock
}

// hearOrphanLocked takes note of whether anybody holds a unit whose entry was changed last at a time, zero if it does not say.
func (u *units) hearOrphanLocked(name string, e snapshot.Entry, at time.Time) {
	switch before, was := u.orphans[name]; {
	case e.State != snapshot.Orphan:
		delete(u.orphans, name)
	case !at.IsZero():
		u.orphans[name] = orphan{e.Run, at}
	case !was || before.run != e.Run:
		u.orphans[name] = orphan{e.Run, u.s.deps.Clock.Wall()}
	}
}

// forget ends the entries of units that have no job any more, for so long that nothing in them counts. One replica does so,
// when all of them have the configuration that has no such job.
func (u *units) forget(ctx context.Context, wanted map[string]bool) (err error) {
	now := u.s.deps.Clock.Wall()
	over := map[string]orphan{}
	u.mu.Lock()
	for name, o := range u.orphans {
		if _, isConfigured := wanted[name]; !isConfigured && now.Sub(o.at) > unitKeptFor {
			over[name] = o
		}
	}
	u.mu.Unlock()
	if len(over) == 0 || !u.replicas.Agree() {
		return nil
	}
	for name, o := range over {
		if !u.replicas.Mine(name) {
			continue
		}
		claim, _, failed := u.s.deps.Store.Claim(ctx, unitPrefix+name, snapshot.ClaimOptions{Adopt: o.run})
		if failed == nil && claim != nil {
			if failed = claim.Finish(ctx, nil, 0); errors.Is(failed, snapshot.ErrLost) {
				failed = nil
			}
		}
		if failed == nil && claim != nil {
			u.s.deps.Log.Info("what is known of jobs that are not configured any more is forgotten", "unit", name)
		}
		err = errors.Join(err, failed)
	}
	return err
}
