package sources

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// spreadOver is the time over which polls that are due after a gap are spread.
	spreadOver = 5 * time.Second
	// longestWait bounds the time that such a poll has before the age of its source counts.
	longestWait = 30 * time.Second
)

// clockKey is the key of the task that checks the clocks.
type clockKey struct{}

// checkClock is the hook that checks the clocks and the claims regularly.
func (svc *Service) checkClock(_ context.Context, internal *smartpoll.Internal) error {
	svc.followClock(internal)
	svc.lived = svc.deps.Clock.Wall()
	svc.deps.Spans.Lived(svc.lived)
	svc.checkClaims(internal)
	internal.Schedule(clockKey{}, clock.Interval)
	return nil
}

// followClock adjusts the sources if a clock was set or the process stood still. Hooks that depend on
// the age of a value call it first: after a gap all of them are due, in any order.
func (svc *Service) followClock(internal *smartpoll.Internal) {
	ahead, gap, set := svc.deps.Clock.Look()
	if !set {
		return
	}
	svc.deps.Log.Info("the clock was set, or the process stood still", "wall_clock_ahead", ahead.Round(time.Millisecond))
	if wall := svc.deps.Clock.Wall(); !svc.lived.IsZero() {
		svc.deps.Spans.Slept(svc.lived, wall)
		svc.lived = wall
	}
	now, sources := svc.deps.Clock.Now(), svc.all()
	if gap {
		var evaluateFrom time.Time
		for _, s := range sources {
			if s.from == nil && s.parent == nil {
				s.wake(internal, now, max(ahead, 0))
				evaluateFrom = latest(evaluateFrom, s.evaluateFrom)
			}
		}
		for _, s := range sources {
			if s.from != nil {
				s.ageBy(max(ahead, 0))
				s.evaluateFrom = evaluateFrom
			}
			if s.parent != nil {
				s.ageBy(max(ahead, 0))
				s.evaluateFrom = s.parent.evaluateFrom
			}
			if s.StaleAfter > 0 && s.published.State == wire.SourceOK && s.claim != nil {
				internal.Schedule(staleKey(s.key), s.staleIn(now))
			}
		}
	}
	for _, s := range sources {
		s.publishNext(internal)
	}
	svc.deps.ClockSet()
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// wake starts a poll of s, spread over a few seconds, if one was due in a gap that the monotonic
// clock did not count, whose length is ahead. The value is older by that time; whether it is stale
// is decided when the poll has had its time.
func (s *poller) wake(internal *smartpoll.Internal, now time.Time, ahead time.Duration) {
	s.ageBy(ahead)
	patience := spreadOver + min(s.Timeout, longestWait)
	if s.Pushed() {
		patience = max(patience, s.StaleAfter) // nothing could come meanwhile
	}
	if next := internal.Next(s.key); !next.IsZero() && !internal.Running(s.key) {
		if delay := internal.Delay(s.key); delay > 0 && !next.After(now) {
			s.evaluateFrom = now.Add(
				patience + delay,
			) // it is due already, and keeps its place in the queue of the limit
			return
		}
		left := next.Sub(now)
		if s.waiting != wire.WaitingRateLimit { // that ends by the upstream's clock
			left -= ahead
			s.notBefore = s.notBefore.Add(-ahead)
		}
		if left <= 0 {
			left = s.spreadDelay(now)
		}
		internal.Schedule(s.key, left)
		if s.limit != nil {
			patience += s.limit.Delay(now.Add(left))
		}
	}
	s.evaluateFrom = now.Add(patience)
}

// ageBy makes the value of s older.
func (s *poller) ageBy(by time.Duration) {
	if !s.renewed.IsZero() {
		s.renewed = s.renewed.Add(-by)
	}
}

// spreadDelay returns the delay of the poll of s, within spreadOver, when many sources are due.
func (s *poller) spreadDelay(now time.Time) time.Duration {
	return smartpoll.Every(spreadOver).Spread(s.Name).Next(now).Sub(now)
}

// staleIn returns the time until the value of s is stale because of its age.
func (s *poller) staleIn(now time.Time) time.Duration {
	return max(0, s.StaleAfter-now.Sub(s.renewed), s.evaluateFrom.Sub(now))
}
