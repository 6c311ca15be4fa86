package jobs

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/wire"
)

// A change leads from the jobs that are configured now to those of another configuration.
type change struct {
	s *Service
	reconcile.Diff[*Job]

	makeUp, missed map[string]time.Time // of the first configuration, see missedBefore
}

// Prepare works out what a configuration changes. The change has to be applied or withdrawn, and only one may be
// prepared at a time.
func (s *Service) Prepare(ctx context.Context, cfg *config.Config) (reconcile.Change, error) {
	key := func(c *config.Job) string { return wire.JobKey(c.Name) }
	same := func(j *Job, c *config.Job) bool { return config.Same(j.Job, c) }
	c := &change{
		s: s, Diff: reconcile.Of(s.List(), cfg.Jobs, key, same, func(c *config.Job) *Job { return newJob(s, c) }),
	}
	if !s.isStarted() {
		c.makeUp, c.missed = s.missedBefore(ctx, cfg.Jobs)
	}
	return c, nil
}

// Difference implements [reconcile.Change].
func (c *change) Difference() reconcile.Difference { return c.Diff.Difference }

// Apply implements [reconcile.Change], within a hook of the scheduler or before that runs. A run in progress ends under
// the definition by which it began.
func (c *change) Apply() {
	for _, j := range c.Gone {
		j.unschedule()
	}
	for _, j := range c.Fresh {
		if before, changed := c.Replaced(j); changed {
			before.unschedule()
			if !config.Same(before.At, j.At) {
				c.s.units.watchFrom(j.Job, true)
			}
		}
	}
	for _, j := range c.Fresh {
		j.schedule()
	}
	c.applyAlerts()
	c.s.Moved() // there may be other units
	c.s.queue.forget(func(name string) bool { return c.s.Job(name) != nil })
}

// applyAlerts has the jobs be those of the change, and the alerts of new definitions go on where those before them were.
func (c *change) applyAlerts() {
	s := c.s
	s.alerting.Lock()
	for _, j := range c.Gone {
		j.unwatchSlow()
		j.alert.End()
	}
	for _, j := range c.Fresh {
		if before, changed := c.Replaced(j); changed {
			before.unwatchSlow()
			j.alert.TakeOver(before.alert)
		} else if s.units.holds(j.Job) {
			j.alert.Resume()
		}
		j.watchSlow()
	}
	s.configured.Store(&c.Next)
	first := !s.started
	s.started = true
	s.noteStartsLocked(first, c)
	s.alerting.Unlock()
	if !first {
		return
	}
	s.past.tellFrom()
	if !s.deps.Before.IsZero() {
		s.spawn(func() {
			for _, j := range c.Next {
				s.followSince(s.work, j.Job, s.deps.Before.Add(-nextLook))
			}
		})
	}
	for _, j := range c.Next {
		if j.At.OnStart() && s.units == nil {
			s.deps.Scheduler.Schedule(j.key, 0)
		}
		if due, missed := c.missed[j.Name]; missed {
			j.alert.Missed(due, whyAway)
		}
		if due, late := c.makeUp[j.Name]; late {
			s.deps.Log.Info("a scheduled run is started late: "+whyAway, "job", j.Name, "due", due)
			s.deps.Scheduler.Schedule(j.key, 0)
		}
	}
}

// isStarted reports whether a configuration is at work.
func (s *Service) isStarted() bool {
	s.alerting.Lock()
	defer s.alerting.Unlock()
	return s.started
}

// Finish implements [reconcile.Change].
func (c *change) Finish(context.Context) {
	for _, j := range c.Gone {
		j.Topic.Remove("") // if it has never run; else the topic leaves with the last run
	}
}

// Withdraw implements [reconcile.Change].
func (c *change) Withdraw(context.Context) {
	for _, j := range c.Fresh {
		if _, changed := c.Replaced(j); !changed {
			j.Topic.Remove("") // of a job that never was; else the topic is that of its other definition too
		}
	}
}
