package sources

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// Refresh has a source polled at once, or joins the poll in progress, and returns 0, or how long
// the limit of its upstream forbids that, be it configured or the upstream's own wish. It fails
// when the scheduler has ended, and with ctx; with [kind.ErrNotAsked] for a source that is told its
// values and cannot be asked, that another process polls, or that is computed from such sources alone.
// A source that is not configured is not an error.
func (svc *Service) Refresh(ctx context.Context, name string) (wait time.Duration, err error) {
	s := svc.find(name)
	if s == nil {
		return 0, nil
	}
	asked := true
	err = svc.deps.Scheduler.Do(ctx, func(_ context.Context, internal *smartpoll.Internal) error {
		wait, asked = svc.refresh(internal, s, svc.deps.Clock.Now())
		return nil
	})
	if err == nil && !asked {
		err = kind.ErrNotAsked
	}
	return wait, err
}

// refresh is the hook of that; asked is false for what cannot be asked. What is computed from
// others is refreshed by refreshing these, of which it is enough that one may be.
func (svc *Service) refresh(internal *smartpoll.Internal, s *poller, now time.Time) (wait time.Duration, asked bool) {
	switch {
	case svc.find(s.Name) != s:
		return 0, true // another definition has come meanwhile, which is polled at once
	case s.claim == nil:
		return 0, false // it is up to its owner
	case s.from != nil:
		for _, name := range s.from {
			if w, ok := svc.refresh(internal, svc.find(name), now); ok && (!asked || w < wait) {
				wait, asked = w, true
			}
		}
		return wait, asked
	case s.subscription != nil:
		return 0, s.ask(internal)
	}
	return svc.refreshPolled(internal, s, now), true
}

// refreshPolled is refresh of a source that is polled.
func (svc *Service) refreshPolled(internal *smartpoll.Internal, s *poller, now time.Time) (wait time.Duration) {
	switch {
	case internal.Running(s.key):
		return 0
	case s.waiting == wire.WaitingRateLimit && now.Before(s.notBefore):
		return s.notBefore.Sub(now)
	case s.limit != nil:
		if next := internal.Next(s.key); !next.IsZero() && !next.After(now) {
			return internal.Delay(s.key) // it is due already, and waits for the limit
		}
		if wait := s.limit.Delay(now); wait > 0 {
			return wait
		}
	}
	internal.Schedule(s.key, 0)
	return 0
}
