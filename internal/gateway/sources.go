package gateway

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/reconcile"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// sources are the sources at work.
type sources struct {
	g    *gateway
	list atomic.Pointer[[]*poller] // replaced as a whole and never changed

	mu      sync.Mutex           // guards the field below
	changed map[*poller]struct{} // some of their inputs have changed
}

// all returns the sources in the order of the configuration.
func (s *sources) all() []*poller {
	if list := s.list.Load(); list != nil {
		return *list
	}
	return nil
}

// find returns the source of that name, nil if there is none.
func (s *sources) find(name string) *poller {
	all := s.all()
	if i := slices.IndexFunc(all, func(p *poller) bool { return p.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// topics returns the topics of all sources.
func (s *sources) topics() []*sse.Topic {
	var topics []*sse.Topic
	for _, p := range s.all() {
		topics = append(topics, p.topic)
	}
	return topics
}

// A sourceChange leads from the sources at work to those of another configuration.
type sourceChange struct {
	of *sources
	reconcile.Diff[*poller]
}

// Prepare works out what a configuration changes. It claims the topics of new sources.
func (s *sources) Prepare(ctx context.Context, cfg *config.Config) (reconcile.Change, error) {
	key := func(c *config.Source) string { return wire.SourceKey(c.Name) }
	same := func(p *poller, c *config.Source) bool { return config.Same(p.Source, c) }
	c := &sourceChange{s, reconcile.Of(s.all(), cfg.Sources, key, same, s.g.newPoller)}
	for _, p := range c.Fresh {
		if _, changed := c.Replaced(p); changed {
			continue
		}
		claim, other, err := s.g.store.Claim(ctx, p.key, snapshot.ClaimOptions{})
		if err == nil && claim == nil {
			err = fmt.Errorf("another process polls it, as run %s: stop that one, or wait until the store has noticed that it is gone", other.Run)
		}
		if err != nil {
			c.Withdraw(context.WithoutCancel(ctx))
			return nil, fmt.Errorf("claim %s: %w", p.key, err)
		}
		p.claim = claim
	}
	return c, nil
}

// Difference implements [reconcile.Change].
func (c *sourceChange) Difference() reconcile.Difference { return c.Diff.Difference }

// Apply implements [reconcile.Change]: as a hook of the scheduler, or before that runs.
// What is unchanged keeps its tasks, whose times nobody touches.
func (c *sourceChange) Apply() {
	g := c.of.g
	for _, s := range c.Gone {
		g.removeTasks(s)
	}
	for _, s := range c.Fresh {
		if before, changed := c.Replaced(s); changed {
			g.removeTasks(before)
			s.takeOver(before)
		}
	}
	inputs := make(map[string]*poller, len(c.Next))
	for _, s := range c.Next {
		inputs[s.Name], s.uses = s, nil
	}
	for _, s := range c.Next {
		for _, name := range s.from {
			s.uses = append(s.uses, inputs[name])
		}
	}
	for _, s := range c.Fresh {
		g.addTasks(s)
	}
	c.of.list.Store(&c.Next)
	for _, s := range c.Fresh {
		before, _ := c.Replaced(s)
		s.begin(g.scheduler, before)
	}
	for _, s := range c.Next {
		if s.published.Waiting == wire.WaitingRateLimit && !g.scheduler.Running(s.key) {
			s.retime(g.scheduler) // removed sources no longer wait before it
		}
	}
	g.scheduler.Schedule(watchersKey{}, 0) // other sources may count as watched now
}

// Finish implements [reconcile.Change]: it tells those who look at a removed source, and
// gives up its topic.
func (c *sourceChange) Finish(ctx context.Context) {
	for _, s := range c.Gone {
		if err := s.claim.Finish(ctx, s.encode(wire.Source{State: wire.SourceRemoved}), 0); err != nil {
			c.of.g.log.Error("a source that was removed is still in the store", "source", s.Name, "err", err)
		}
	}
}

// Withdraw implements [reconcile.Change].
func (c *sourceChange) Withdraw(ctx context.Context) {
	for _, s := range c.Fresh {
		if _, changed := c.Replaced(s); !changed && s.claim != nil {
			_ = s.claim.Finish(ctx, nil, 0) // nobody has seen it
		}
	}
}
