package gateway

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// refresh has s polled at once and returns 0, or how long the limit of its upstream
// forbids that. It fails when the gateway stops, and with ctx.
func (g *gateway) refresh(ctx context.Context, s *poller) (wait time.Duration, err error) {
	err = g.scheduler.Do(ctx, func(_ context.Context, internal *smartpoll.Internal) error {
		wait = g.sources.refresh(internal, s, g.clock.Now())
		return nil
	})
	return wait, err
}

// refresh is the hook of that. What is computed from others is refreshed by refreshing
// these, of which it is enough that one may be.
func (p *sources) refresh(internal *smartpoll.Internal, s *poller, now time.Time) (wait time.Duration) {
	switch {
	case p.find(s.Name) != s:
		return 0 // another definition has come meanwhile, which is polled at once
	case s.from != nil:
		for i, name := range s.from {
			if w := p.refresh(internal, p.find(name), now); i == 0 || w < wait {
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
