package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A job that is on one replica by its configuration has a unit of that. While that one is away, another one stands in: it
// holds the unit, refuses starts, and tells what the timetable has missed, once nobody makes up for it any more.

// awayAgain is when it is worth asking again for a start.
const awayAgain = 10 * time.Second

// standsIn reports whether only another replica can run the job, whatever this one holds.
func (j *Job) standsIn() bool {
	return j.On != "" && j.s.units != nil && j.On != j.s.units.replicas.Name()
}

// standsIn reports whether this process holds a unit for another one, which is away.
func (u *units) standsIn(own *unit) bool {
	return slices.ContainsFunc(u.s.List(), func(j *Job) bool { return UnitOf(j.Job) == own.name && j.standsIn() })
}

// away returns why a start is refused by a replica that stands in, nil if this one does not.
func (j *Job) away() *Refusal {
	if !j.standsIn() {
		return nil
	}
	if err := j.s.units.replicas.Away(j.On); err != nil {
		return &Refusal{Code: Away, Detail: err.Error(), After: awayAgain}
	}
	return errElsewhere // it takes the job in a moment
}

// scheduleMissed tells what the timetable of a job misses while this replica stands in, until unschedule is called.
func (j *Job) scheduleMissed() {
	err := j.s.deps.Scheduler.Add(j.key, func(ctx context.Context) (smartpoll.TaskHook, error) {
		j.missDue(ctx)
		return nil, nil
	}, smartpoll.On(lateTable{timeTable{j.At}, j.At.CatchUp}))
	if err != nil {
		panic(fmt.Sprintf("jobs: schedule %s: %v", j.key, err)) // its key is free, and the schedule is not nil
	}
}

// missDue tells that the start was missed that is too late from now on, unless it was dealt with before.
func (j *Job) missDue(ctx context.Context) {
	now := j.s.deps.Clock.Wall().Add(-j.At.CatchUp)
	due := dueAt(j.At, now.Add(-late), now)
	if !due.IsZero() && !due.After(j.s.units.dealtWith(j)) {
		return
	}
	refusal := j.away()
	if refusal == nil || refusal.Code != Away {
		return // the one that is back begins with it
	}
	j.s.units.keepDue(j.Job, due)
	j.notStarted(ctx, refusal)
}

// dealtWith returns until when what a job was to start is done, zero if that is not known.
func (u *units) dealtWith(j *Job) time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	own := u.heldLocked(UnitOf(j.Job))
	if own == nil {
		return time.Time{}
	}
	return own.state.Due[j.Name]
}

// A lateTable has the times of a timetable that much later.
type lateTable struct {
	timeTable
	by time.Duration
}

func (t lateTable) Next(after time.Time) time.Time {
	next := t.timeTable.Next(after.Add(-t.by))
	if next.IsZero() {
		return next
	}
	return next.Add(t.by)
}
