package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// refreshSource polls a source at once, or joins the poll in flight, and answers with its
// snapshot of now: the new value comes as every value does. The limit of the upstream
// holds, whether it is configured or was asked for by the upstream itself.
func (g *gateway) refreshSource(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	s := g.sources.find(name)
	if s == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is no source %q", name))
		return
	}
	wait, err := g.refresh(r.Context(), s)
	switch {
	case err != nil:
		failStopping(w, r)
	case wait > 0:
		again := time.Duration(seconds(wait)) * time.Second
		failForNow(w, r, http.StatusTooManyRequests, fmt.Sprintf("the limit of the upstream lets %q be polled again in %v", name, again), wait)
	default:
		g.audit(r, "refresh", slog.String("source", name))
		answerJSON(w, http.StatusAccepted, g.newestOf(s.topic).body...)
	}
}

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
