package sources

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// Refresh has a source polled at once, or joins the poll in progress, and returns 0, or how long
// the limit of its upstream forbids that, be it configured or the upstream's own wish. It fails
// when the scheduler has ended, and with ctx. A source that is not configured is not an error.
func (svc *Service) Refresh(ctx context.Context, name string) (wait time.Duration, err error) {
	s := svc.find(name)
	if s == nil {
		return 0, nil
	}
	err = svc.Scheduler.Do(ctx, func(_ context.Context, internal *smartpoll.Internal) error {
		wait = svc.refresh(internal, s, svc.Clock.Now())
		return nil
	})
	return wait, err
}

// refresh is the hook of that. What is computed from others is refreshed by refreshing
// these, of which it is enough that one may be.
func (svc *Service) refresh(internal *smartpoll.Internal, s *poller, now time.Time) (wait time.Duration) {
	switch {
	case svc.find(s.Name) != s:
		return 0 // another definition has come meanwhile, which is polled at once
	case s.from != nil:
		for i, name := range s.from {
			if w := svc.refresh(internal, svc.find(name), now); i == 0 || w < wait {
				wait = w
			}
		}
		return wait
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
