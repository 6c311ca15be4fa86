package sources

import (
	"context"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// spreadOver is the time over which the polls are spread that are due after a gap.
	spreadOver = 5 * time.Second
	// longestWait is how long such a poll is waited for before a source is judged.
	longestWait = 30 * time.Second
)

// clockKey is the key of the task that looks at the clocks.
type clockKey struct{}

// lookAtClock is the hook that looks at the clocks, again and again.
func (svc *Service) lookAtClock(_ context.Context, internal *smartpoll.Internal) error {
	svc.followClock(internal)
	internal.Schedule(clockKey{}, clock.Interval)
	return nil
}

// followClock has the sources follow what happened to the clocks. Hooks that judge call it
// before they do, since after a gap all of them are due, in any order.
func (svc *Service) followClock(internal *smartpoll.Internal) {
	ahead, gap, set := svc.Clock.Look()
	if !set {
		return
	}
	svc.Log.Info("the clock was set, or the process stood still", "wall_clock_ahead", ahead.Round(time.Millisecond))
	now, sources := svc.Clock.Now(), svc.all()
	if gap {
		var judgeFrom time.Time
		for _, s := range sources {
			if s.from == nil {
				s.wake(internal, now, max(ahead, 0))
				judgeFrom = latest(judgeFrom, s.judgeFrom)
			}
		}
		for _, s := range sources {
			if s.from != nil {
				s.age(max(ahead, 0))
				s.judgeFrom = judgeFrom
			}
			if s.StaleAfter > 0 && s.published.State == wire.SourceOK {
				internal.Schedule(staleKey(s.key), s.tooOldIn(now))
			}
		}
	}
	for _, s := range sources {
		s.retime(internal)
	}
	svc.ClockSet()
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// wake has s polled at once, spread, if a poll was due in a gap of which the monotonic clock
// did not notice ahead. Its value is that much older. Whether it is too old is judged when
// the poll has had its time.
func (s *poller) wake(internal *smartpoll.Internal, now time.Time, ahead time.Duration) {
	s.age(ahead)
	patience := spreadOver + min(s.Timeout, longestWait)
	if next := internal.Next(s.key); !next.IsZero() && !internal.Running(s.key) {
		if delay := internal.Delay(s.key); delay > 0 && !next.After(now) {
			s.judgeFrom = now.Add(patience + delay) // it is due already, and keeps its place in the line of the limit
			return
		}
		left := next.Sub(now)
		if s.waiting != wire.WaitingRateLimit { // which the upstream's clock ends, not ours
			left -= ahead
			s.notBefore = s.notBefore.Add(-ahead)
		}
		if left <= 0 {
			left = s.soon(now)
		}
		internal.Schedule(s.key, left)
		if s.limit != nil {
			patience += s.limit.Delay(now.Add(left))
		}
	}
	s.judgeFrom = now.Add(patience)
}

// age makes the value of s so much older.
func (s *poller) age(by time.Duration) {
	if !s.renewed.IsZero() {
		s.renewed = s.renewed.Add(-by)
	}
}

// soon is the part of spreadOver after which s is polled when many sources are.
func (s *poller) soon(now time.Time) time.Duration {
	return smartpoll.Every(spreadOver).Spread(s.Name).Next(now).Sub(now)
}

// tooOldIn is the time until the value of s is too old, and may be judged so.
func (s *poller) tooOldIn(now time.Time) time.Duration {
	return max(0, s.StaleAfter-now.Sub(s.renewed), s.judgeFrom.Sub(now))
}
