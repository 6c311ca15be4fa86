package sources

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// ErrElsewhere is why a source is not refreshed that another process polls.
var ErrElsewhere = errors.New("another replica polls it")

// Refresh has a source polled at once, or joins the poll in progress, and returns 0, or how long
// the limit of its upstream forbids that, be it configured or the upstream's own wish. It fails
// when the scheduler has ended, and with ctx; with [kind.ErrNotAsked] for a source that is told its
// values and cannot be asked, or that is computed from such sources alone; with [ErrElsewhere] for
// one that another process polls. A source that is not configured is not an error.
func (svc *Service) Refresh(ctx context.Context, name string) (wait time.Duration, err error) {
	s := svc.find(name)
	if s == nil {
		return 0, nil
	}
	var refused error
	err = svc.deps.Scheduler.Do(ctx, func(_ context.Context, internal *smartpoll.Internal) error {
		wait, refused = svc.refresh(internal, s, svc.deps.Clock.Now())
		return nil
	})
	return wait, cmp.Or(err, refused)
}

// refresh is the hook of that. What is computed from others is refreshed by refreshing these, of which it is enough that
// one may be, and a child by its parent.
func (svc *Service) refresh(internal *smartpoll.Internal, s *poller, now time.Time) (wait time.Duration, err error) {
	switch {
	case svc.find(s.Name) != s:
		return 0, nil // another definition has come meanwhile, which is polled at once
	case s.from != nil:
		err = kind.ErrNotAsked
		origins := map[*poller]bool{} // many rows have one
		for _, input := range s.uses {
			origin := input.origin()
			if origins[origin] {
				continue
			}
			origins[origin] = true
			w, refused := svc.refresh(internal, origin, now)
			switch {
			case refused == nil && (err != nil || w < wait):
				wait, err = w, nil
			case errors.Is(refused, ErrElsewhere) && err != nil:
				err = refused
			}
		}
		return wait, err
	case s.parent != nil:
		return svc.refresh(internal, s.parent, now)
	case s.claim == nil:
		return 0, ErrElsewhere
	case s.subscription != nil:
		if !s.ask(internal) {
			return 0, kind.ErrNotAsked
		}
		return 0, nil
	}
	return svc.refreshPolled(internal, s, now), nil
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
