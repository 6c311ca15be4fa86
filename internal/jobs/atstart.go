package jobs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A job with the timetable @start starts once when the gateway does, and when it is one of several replicas, once when the
// first of them does: whoever holds the unit of the job keeps in it which replicas live. The holder after it starts the job
// only if none of those lives any more: then all have been away.

// scheduleStart adds the task that starts the job, until unschedule is called. It is not due by itself.
func (j *Job) scheduleStart() {
	err := j.s.deps.Scheduler.Add(j.key, func(ctx context.Context) (smartpoll.TaskHook, error) {
		j.startDue(ctx, time.Time{})
		return nil, nil
	})
	if err != nil {
		panic(fmt.Sprintf("jobs: schedule %s: %v", j.key, err)) // its key is free
	}
}

// noteStartsLocked takes note of which jobs start with the gateway: those of the first configuration, until they are changed.
// The caller holds Service.alerting.
func (s *Service) noteStartsLocked(first bool, c *change) {
	if first {
		s.atStart = map[string]bool{}
		for _, j := range c.Next {
			if j.At.OnStart() {
				s.atStart[j.Name] = true
			}
		}
		return
	}
	for _, list := range [][]*Job{c.Fresh, c.Gone} {
		for _, j := range list {
			delete(s.atStart, j.Name)
		}
	}
}

// startsNow reports whether the start of all replicas is what the job waits for, now that this process holds its unit, and
// takes note that it does not any more.
func (u *units) startsNow(j *Job, own *unit) bool {
	if !j.At.OnStart() || j.standsIn() {
		return false
	}
	u.s.alerting.Lock()
	isFirst := u.s.atStart[j.Name]
	delete(u.s.atStart, j.Name)
	u.s.alerting.Unlock()
	living := u.living(j)
	u.mu.Lock()
	known := own.state.Living[j.Name]
	u.mu.Unlock()
	return isFirst && !slices.ContainsFunc(known, func(id string) bool { return slices.Contains(living, id) })
}

// living returns the IDs of the replicas that could run a job, in order.
func (u *units) living(j *Job) []string {
	ids := u.replicas.Living()
	if j.On != "" {
		ids = slices.DeleteFunc(ids, func(id string) bool { return u.replicas.NameOf(id) != j.On })
	}
	slices.Sort(ids)
	return ids
}

// keepLiving has the next holder of the unit of a job, which this process holds, know which replicas live.
func (u *units) keepLiving(j *Job) {
	if !j.At.OnStart() {
		return
	}
	own, ok := u.of(j.Job)
	if !ok || j.standsIn() {
		return
	}
	living := u.living(j)
	u.mu.Lock()
	same := slices.Equal(own.state.Living[j.Name], living)
	u.mu.Unlock()
	if same || len(living) == 0 {
		return
	}
	u.put(own, func(state *unitState) {
		if state.Living == nil {
			state.Living = map[string][]string{}
		}
		state.Living[j.Name] = living
	})
}
