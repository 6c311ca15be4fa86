package gateway

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/sse"
)

// jobs are the definitions of jobs at work.
type jobs struct {
	g    *gateway
	list atomic.Pointer[[]*job] // replaced as a whole and never changed
}

// all returns the jobs in the order of the configuration.
func (s *jobs) all() []*job {
	if list := s.list.Load(); list != nil {
		return *list
	}
	return nil
}

// find returns the job of that name, nil if there is none.
func (s *jobs) find(name string) *job {
	all := s.all()
	if i := slices.IndexFunc(all, func(j *job) bool { return j.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// topics returns the topics of all jobs.
func (s *jobs) topics() []*sse.Topic {
	var topics []*sse.Topic
	for _, j := range s.all() {
		topics = append(topics, j.topic)
	}
	return topics
}

// A jobChange leads from the jobs at work to those of another configuration.
type jobChange struct {
	of *jobs
	reconcile.Diff[*job]
}

// Prepare works out what a configuration changes.
func (s *jobs) Prepare(_ context.Context, cfg *config.Config) (reconcile.Change, error) {
	key := func(c *config.Job) string { return jobTopic(c.Name) }
	same := func(j *job, c *config.Job) bool { return config.Same(j.Job, c) }
	return &jobChange{s, reconcile.Of(s.all(), cfg.Jobs, key, same, func(c *config.Job) *job { return newJob(s.g, c) })}, nil
}

// Difference implements [reconcile.Change].
func (c *jobChange) Difference() reconcile.Difference { return c.Diff.Difference }

// Apply implements [reconcile.Change]. A run in progress ends under the definition by which
// it began.
func (c *jobChange) Apply() {
	for _, j := range c.Gone {
		j.unschedule()
	}
	for _, j := range c.Fresh {
		if before, changed := c.Replaced(j); changed {
			before.unschedule()
		}
	}
	for _, j := range c.Fresh {
		j.schedule()
	}
	c.of.list.Store(&c.Next)
	c.of.g.runs.forget(func(name string) bool { return c.of.find(name) != nil })
}

// Finish implements [reconcile.Change].
func (c *jobChange) Finish(context.Context) {
	for _, j := range c.Gone {
		j.topic.Remove("") // if it has never run; else the topic leaves with the last run
	}
}

// Withdraw implements [reconcile.Change].
func (c *jobChange) Withdraw(context.Context) {}
