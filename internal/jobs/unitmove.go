package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

// settle brings what is held to what should be.
func (u *units) settle(ctx context.Context) (err error) {
	select {
	case u.settling <- struct{}{}:
		defer func() { <-u.settling }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	wanted := map[string]bool{}
	for _, j := range u.s.List() {
		wanted[UnitOf(j.Job)] = u.replicas.Mine(UnitOf(j.Job))
		u.watchFrom(j.Job, false) // it may be new
		u.keepLiving(j)
	}
	u.mu.Lock()
	held := make([]*unit, 0, len(u.held))
	for _, own := range u.held {
		held = append(held, own)
	}
	closed := u.closed
	u.mu.Unlock()
	for _, own := range held {
		lost := own.isLost()
		if lost || closed || !wanted[own.name] {
			err = errors.Join(err, u.giveUp(ctx, own, lost))
		}
	}
	for name, mine := range wanted {
		u.mu.Lock()
		take := mine && u.held[name] == nil && u.holders[name] == "" && !u.closed
		u.mu.Unlock()
		if take {
			err = errors.Join(err, u.take(ctx, name))
		}
	}
	return errors.Join(err, u.forget(ctx, wanted))
}

// take takes a unit that nobody holds.
func (u *units) take(ctx context.Context, name string) error {
	store := u.s.deps.Store
	claim, entry, err := store.Claim(ctx, unitPrefix+name, snapshot.ClaimOptions{})
	isFresh := claim != nil
	state, unread := readUnit(entry.Data, u.replicas.Reads)
	if err == nil && claim == nil && unread == nil && entry.State == snapshot.Orphan {
		claim, entry, err = store.Claim(ctx, unitPrefix+name, snapshot.ClaimOptions{Adopt: entry.Run})
		state, unread = readUnit(entry.Data, u.replicas.Reads) // another process may have had it meanwhile
	}
	if err == nil && unread != nil {
		u.refuse(name, unread)
		if claim != nil {
			err = claim.Release(ctx)
		}
		return err
	}
	if err != nil || claim == nil {
		return err
	}
	own := &unit{name: name, claim: claim, heard: make(chan struct{}), state: state}
	own.state.Holder = u.replicas.ID()
	if err := store.Sync(ctx); err != nil { // what the holder before has started is known then
		return errors.Join(err, claim.Release(context.WithoutCancel(ctx)))
	}
	u.s.restoreUnit(&own.state)
	err = u.s.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.closed {
			return errStopping
		}
		u.held[name] = own
		u.holders[name] = u.replicas.ID()
		delete(u.refused, name)
		return nil
	})
	if err != nil {
		return errors.Join(err, claim.Release(context.WithoutCancel(ctx)))
	}
	u.put(own, func(*unitState) {})
	if !u.standsIn(own) {
		u.s.deps.Log.Info("the runs of jobs are started here", "unit", name)
	}
	u.alerts(ctx, own)
	u.timetables(ctx, own, !isFresh)
	return nil
}

// alerts has the alerts of the jobs of a unit go on where they were, and tells them of runs that were lost meanwhile.
func (u *units) alerts(ctx context.Context, own *unit) {
	for _, j := range u.s.List() {
		if UnitOf(j.Job) != own.name || j.alert == nil {
			continue
		}
		u.s.alerting.Lock()
		if u.s.Job(j.Name) == j {
			j.alert.Resume()
		}
		u.s.alerting.Unlock()
		lost, _, err := u.s.Runs(ctx, archive.RunFilter{Job: j.Name, Statuses: []string{string(progress.StatusLost)}})
		if err != nil {
			continue
		}
		_, seen := j.alert.Seen()
		for _, run := range slices.Backward(lost) {
			var end wire.Run
			if json.Unmarshal(run.Data, &end) == nil && end.FinishedAt != nil && end.FinishedAt.After(seen) {
				u.s.alertFound(end)
			}
		}
	}
}

// timetables begins those of the jobs of a unit. What was due while nobody held it, and not long ago, is started once.
func (u *units) timetables(ctx context.Context, own *unit, makeUp bool) {
	_ = u.s.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		for _, j := range u.s.List() {
			if UnitOf(j.Job) == own.name && u.holds(j.Job) {
				j.unschedule()
				j.schedule()
			}
		}
		return nil
	})
	for _, j := range u.s.List() {
		if UnitOf(j.Job) == own.name {
			if u.startsNow(j, own) {
				u.keepLiving(j)
				u.s.deps.Scheduler.Schedule(j.key, 0)
			}
			if makeUp {
				j.makeUp(ctx)
				u.s.followSince(ctx, j.Job, u.s.deps.Clock.Wall().Add(-nextLook))
				u.s.deps.Observer.adopted(j.Name)
			}
			u.watchFrom(j.Job, false)
		}
	}
}

// giveUp gives up a unit without runs, so that another process can take it; one with runs is kept until they are over. If
// the store has taken it away, its runs end.
func (u *units) giveUp(ctx context.Context, own *unit, lost bool) error {
	isFree := false
	err := u.s.deps.Scheduler.Do(ctx, func(context.Context, *smartpoll.Internal) error {
		u.s.queue.mu.Lock() // no start is being decided
		defer u.s.queue.mu.Unlock()
		if lost {
			u.s.queue.loseLocked(own)
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		if isFree = lost || own.runs == 0; !isFree {
			return nil
		}
		delete(u.held, own.name)
		delete(u.holders, own.name)
		for _, j := range u.s.List() {
			if UnitOf(j.Job) == own.name {
				j.unschedule()
				delete(u.s.queue.starts, j.Name)
				u.s.queue.keys.Drop(j.Name) // the next holder may forget them, and lead them elsewhere
			}
		}
		return nil
	})
	if err != nil || !isFree {
		return err
	}
	for _, j := range u.s.List() {
		if UnitOf(j.Job) == own.name || !u.holds(j.Job) { // it was in this unit before a reload
			j.alert.Leave(ctx)
		}
	}
	if lost {
		u.s.deps.Log.Warn("the store has taken jobs away: their runs are not started here any more", "unit", own.name)
		return nil
	}
	u.s.deps.Log.Info("the runs of jobs are left to other replicas: they are not started here any more", "unit", own.name)
	if err := own.claim.Release(ctx); err != nil && !errors.Is(err, snapshot.ErrLost) {
		return err
	}
	return nil
}
