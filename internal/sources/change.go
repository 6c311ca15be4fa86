package sources

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
)

// A change leads from the sources at work to those of another configuration.
type change struct {
	svc *Service
	reconcile.Diff[*poller]

	unlock func() // lets others exchange sources again
	isMove bool   // the fresh ones are followers of sources that this process gives up
}

// Prepare works out what a configuration changes. It claims the topics of new sources, which may
// wait until ctx ends: what the process before has left goes on, and what another process polls is
// followed. The change has to be applied, within a hook of the scheduler or before that runs, or
// withdrawn; and only one may be prepared at a time.
func (svc *Service) Prepare(ctx context.Context, cfg *config.Config) (reconcile.Change, error) {
	unlock, err := svc.lockChanges(ctx)
	if err != nil {
		return nil, err
	}
	key := func(c *config.Source) string { return wire.SourceKey(c.Name) }
	same := func(p *poller, c *config.Source) bool { return config.Same(p.Source, c) }
	c := &change{svc: svc, Diff: reconcile.Of(svc.all(), cfg.Sources, key, same, svc.newPoller), unlock: unlock}
	var failed atomic.Pointer[error]
	atOnce(c.Fresh, func(p *poller) {
		if _, changed := c.Replaced(p); changed || !svc.isMine(p.Source) || failed.Load() != nil {
			return
		}
		var err error
		p.claim, p.left, err = snapshot.ClaimOrAdopt(ctx, svc.deps.Store, p.key, snapshot.ClaimOptions{})
		switch {
		case err != nil:
			failed.Store(new(fmt.Errorf("claim %s: %w", p.key, err)))
		case p.claim == nil:
			p.log.Info("another process polls the source, so it is not polled here")
		}
	})
	if err := failed.Load(); err != nil {
		c.Withdraw(context.WithoutCancel(ctx))
		return nil, *err
	}
	return c, nil
}

// maxAtOnce is how many topics are taken, released or ended at once: a store can write several together.
const maxAtOnce = 32

// atOnce calls do with all of a list, some of them at once, and returns when that is done.
func atOnce[T any](list []T, do func(T)) {
	var doing sync.WaitGroup
	slots := make(chan struct{}, maxAtOnce)
	for _, one := range list {
		slots <- struct{}{}
		doing.Go(func() {
			defer func() { <-slots }()
			do(one)
		})
	}
	doing.Wait()
}

// Difference implements [reconcile.Change].
func (c *change) Difference() reconcile.Difference { return c.Diff.Difference }

// Apply implements [reconcile.Change], as a hook of the scheduler or before that runs. Unchanged
// sources keep their tasks and the times of these.
func (c *change) Apply() {
	svc := c.svc
	defer c.unlock()
	for _, s := range c.Gone {
		s.removeTasks()
		if s.claim != nil { // otherwise it is up to the owner
			s.alert.End(s.leftBecause())
		}
		svc.forgetMeaning(s.Name)
		svc.deps.Samples.Leave(s.Name)
		svc.deps.Spans.Leave(s.Name, svc.deps.Clock.Wall())
		svc.rowLeft(s.SplitFrom, s.Name)
	}
	for _, s := range c.Fresh {
		if before, changed := c.Replaced(s); changed {
			before.removeTasks()
			s.takeOver(before)
			if c.isMove {
				s.claim, s.published = nil, before.published
			}
		}
		if svc.deps.LeftRows != nil {
			svc.deps.LeftRows.Return(s.Name)
		}
		svc.deps.Samples.Keep(s.Name, s.Show.History)
	}
	inputs := make(map[string]*poller, len(c.Next))
	for _, s := range c.Next {
		inputs[s.Name], s.uses, s.splits = s, nil, nil
	}
	for _, s := range c.Next {
		s.join(inputs)
		for _, name := range s.from {
			s.use(inputs[name])
		}
	}
	told := make(map[*poller]bool, len(c.Next))
	for _, s := range c.Next {
		s.findTold(told)
	}
	for _, s := range c.Fresh {
		s.addTasks()
	}
	svc.list.Store(&c.Next)
	for _, s := range c.Fresh {
		before, _ := c.Replaced(s)
		s.begin(before)
	}
	for _, s := range c.Next {
		s.settle()
		if s.published.Waiting == wire.WaitingRateLimit && !svc.deps.Scheduler.Running(s.key) {
			s.publishNext(svc.deps.Scheduler) // removed sources are no longer ahead of it
		}
	}
	svc.deps.Scheduler.Schedule(watchersKey{}, 0) // other sources may count as watched now
}

// Finish implements [reconcile.Change]: it waits until what was removed or replaced has ended,
// tells those who look at a removed source, and gives up its topic.
func (c *change) Finish(ctx context.Context) {
	left := slices.Clone(c.Gone)
	for _, s := range c.Fresh {
		if before, changed := c.Replaced(s); changed {
			left = append(left, before)
		}
	}
	releaseAll(ctx, left)
	if c.isMove {
		c.svc.giveUp(ctx, left)
	}
	atOnce(c.Gone, func(s *poller) {
		c.svc.deps.Observer.removed(s.Name)
		if s.claim == nil {
			return // it is up to the owner
		}
		if err := s.claim.Finish(ctx, s.encode(wire.Source{State: wire.SourceRemoved}), 0); err != nil {
			c.svc.deps.Log.Error("a source that was removed is still in the store", "source", s.Name, "err", err)
		}
	})
}

// Withdraw implements [reconcile.Change].
func (c *change) Withdraw(ctx context.Context) {
	defer c.unlock()
	releaseAll(ctx, c.Fresh)
	for _, s := range c.Fresh {
		_, changed := c.Replaced(s)
		switch {
		case changed || s.claim == nil:
		case s.left.Data != nil:
			_ = s.claim.Release(ctx)
		default:
			_ = s.claim.Finish(ctx, nil, 0) // nobody has seen it
		}
	}
}
