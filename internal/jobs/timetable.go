package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// late is how long after its instant a start by the timetable may begin and still be known as that of the instant: the clock
// may have been set, or the process suspended.
const late = 5 * time.Minute

// most bounds how many instants are looked through for the newest one.
const most = 1000

// dueAt returns the newest instant of a timetable after since and not after now, zero if there is none. An interval has no
// instants: it counts from the run before.
func dueAt(at *config.At, since, now time.Time) (due time.Time) {
	if strings.HasPrefix(at.Cron, "@every") {
		return due
	}
	t := timeTable{at}
	for range most {
		if since = t.Next(since); since.IsZero() || since.After(now) {
			return due
		}
		due = since
	}
	return due
}

// runOf is the id of the run of a job that an instant of its timetable starts, whichever process does that.
func runOf(job string, due time.Time) string {
	return idOf(job, strconv.FormatInt(due.UnixMilli(), 10))
}

// idOf is the id of the run of a job that has a cause, whichever process starts it.
func idOf(job, cause string) string {
	sum := sha256.Sum256([]byte(job + "\x00" + cause))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])[:26]
}

// startDue starts a run by the timetable, unless that was done for this instant, which is zero for an interval.
func (j *Job) startDue(ctx context.Context, due time.Time) {
	opts := StartOptions{Trigger: wire.TriggerSchedule, Audit: j.s.deps.Audit}
	if j.s.units != nil && !due.IsZero() {
		opts.ID = runOf(j.Name, due)
		if _, err := j.s.Lookup(ctx, opts.ID); err == nil || j.s.queue.find(opts.ID) != nil {
			return
		}
	}
	args, wrong := j.Bind(nil)
	if wrong != nil { // a default that was right when the configuration was read, such as the path of a file
		j.s.units.keepDue(j.Job, due)
		j.notStarted(ctx, wrong[0])
		return
	}
	opts.Args = args
	_, _, err := j.s.Start(ctx, j, opts)
	refusal, isRefused := errors.AsType[*Refusal](err)
	switch {
	case isRefused && refusal.Code == Elsewhere:
		return // whoever takes the unit starts it, or finds it too late
	case err == nil, isRefused && refusal.Code != Stopping:
		j.s.units.keepDue(j.Job, due)
	}
	if err != nil && j.s.units.holds(j.Job) { // otherwise the next holder makes up for it
		j.notStarted(ctx, err)
	}
}

// watchFrom has the next holder of the unit of a job, which this process holds, make up for no start that was due before now,
// unless it is known already from when on: anew says that this does not count, since the timetable is another one.
func (u *units) watchFrom(j *config.Job, anew bool) {
	if u == nil || j.At == nil || j.At.CatchUp == 0 {
		return
	}
	u.mu.Lock()
	own := u.heldLocked(UnitOf(j))
	isKnown := own != nil && !own.state.Due[j.Name].IsZero()
	u.mu.Unlock()
	if own == nil || isKnown && !anew {
		return
	}
	now := u.s.deps.Clock.Wall()
	u.put(own, func(state *unitState) { state.due(j.Name, now) })
}

// makeUp starts the run that was due last, if that is not too long ago and nobody has started it.
func (j *Job) makeUp(ctx context.Context) {
	if j.At == nil || j.At.CatchUp == 0 || j.standsIn() {
		return
	}
	now := j.s.deps.Clock.Wall()
	since := now
	j.s.units.mu.Lock()
	if own := j.s.units.heldLocked(UnitOf(j.Job)); own != nil && !own.state.Due[j.Name].IsZero() {
		since = later(own.state.Due[j.Name], now.Add(-j.At.CatchUp))
	}
	j.s.units.mu.Unlock()
	if due := dueAt(j.At, since, now); !due.IsZero() {
		j.startDue(ctx, due)
	}
}
