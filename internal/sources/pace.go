package sources

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// pause returns the current time between two polls of s: [config.Never] if it is not polled at
// all, 0 if it is computed.
func (s *poller) pause() time.Duration {
	switch {
	case !s.wanted && s.Unwatched != s.Every:
		return s.Unwatched
	case s.valuePause > 0:
		return s.valuePause
	}
	return s.Every
}

// pace returns the current time between two polls of s as snapshots have it, and why that is not the usual one.
func (s *poller) pace() (wire.Span, string) {
	switch pause := s.pause(); {
	case pause == config.Never:
		return 0, wire.PaceUnwatched
	case pause == s.Every || pause == 0:
		return wire.Span(pause), ""
	case s.wanted || s.Unwatched == s.Every:
		return wire.Span(pause), s.valueReason
	default:
		return wire.Span(pause), wire.PaceUnwatched
	}
}

// schedule sets the time of the next poll of s by its pause. The times of a source are multiples of
// its pause, shifted by a fraction of it that depends on the name, and delayed by the jitter. So
// sources that start at the same time are polled spread out, and a long poll does not delay the
// polls after it.
func (s *poller) schedule(internal *smartpoll.Internal, now time.Time) {
	switch pause := s.pause(); pause {
	case 0:
	case config.Never:
		internal.Schedule(s.key, -1)
	default:
		internal.Schedule(s.key, s.usual(pause, now).Sub(now))
	}
}

// usual returns the next of the times that a pause sets.
func (s *poller) usual(pause time.Duration, now time.Time) time.Time {
	times := smartpoll.Every(pause).Spread(s.Name)
	if s.Jitter > 0 {
		times = times.Jitter(s.Jitter, s.Name)
	}
	return times.Next(now)
}

// upstreamIsBack has the other sources of an upstream, of which one has recovered, be polled at the usual times again
// instead of when their backoff ends, which may be minutes later. If one of them fails all the same, its backoff goes on.
func (svc *Service) upstreamIsBack(internal *smartpoll.Internal, upstream string, now time.Time) {
	for _, s := range *svc.list.Load() {
		pause := s.pause()
		backsOff := s.upstream == upstream && s.waiting == wire.WaitingBackoff && s.claim != nil
		if !backsOff || pause == 0 || pause == config.Never || internal.Running(s.key) {
			continue
		}
		if usual := s.usual(pause, now); usual.Before(internal.Next(s.key)) {
			s.notBefore = usual
			internal.Schedule(s.key, usual.Sub(now))
			s.publishNext(internal)
		}
	}
}

// adjustPace sets the time of the next poll after wanted has changed. A source that has become
// watched is polled at once if its value is older than its pause; a pause after a failure remains.
func (s *poller) adjustPace(internal *smartpoll.Internal, now time.Time) {
	if s.claim == nil || s.from != nil || s.Unwatched == s.Every || internal.Running(s.key) {
		return // the end of a poll in progress sets the next time by wanted
	}
	switch {
	case s.wanted && now.Before(s.notBefore):
		internal.Schedule(s.key, s.notBefore.Sub(now))
	case s.wanted && (s.renewed.IsZero() || now.Sub(s.renewed) >= s.pause()):
		internal.Schedule(s.key, 0)
	case s.wanted || !now.Before(s.notBefore) || s.Unwatched == config.Never:
		s.schedule(internal, now)
	}
	s.publishNext(internal)
}

// times is the part of a scheduler that knows when tasks are due.
type times interface {
	Next(key any) time.Time
	Delay(key any) time.Duration
}

// publishNext publishes the time of the next poll of s, if it differs from the published one.
func (s *poller) publishNext(scheduler times) {
	if s.claim == nil {
		return
	}
	snap := s.published
	every, pace := s.pace()
	isSame := every == snap.Every && pace == snap.Pace
	if next, waiting := s.next(scheduler); !isSame || waiting != snap.Waiting || !equalTimes(next, snap.NextAt) {
		snap.NextAt, snap.Waiting = next, waiting
		s.publish(snap)
	}
}

// next returns the time of the next poll of s, nil if there will be none, and the reason if that is
// not the time that its pause sets. The task of a source without a pause also runs for a message or
// for an input; that is no poll to come, since there may be nothing to take when it runs.
func (s *poller) next(scheduler times) (at *time.Time, waiting string) {
	next := scheduler.Next(s.key)
	if next.IsZero() || s.pause() == 0 && s.waiting == "" {
		return nil, ""
	}
	if delay := scheduler.Delay(s.key); delay > 0 {
		if now := s.svc.deps.Clock.Now(); next.Before(now) {
			next = now
		}
		return s.svc.deps.Clock.People(next.Add(delay)), wire.WaitingRateLimit
	}
	return s.svc.deps.Clock.People(next), s.waiting
}

// waitingAfter returns what a source waits for after a poll that failed with err.
func waitingAfter(err error) string {
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) && asked.RetryAfter() > 0 {
		return wire.WaitingRateLimit
	}
	if kind.Limited(err) {
		return wire.WaitingRateLimit
	}
	return wire.WaitingBackoff
}

// pauseByValue returns the pause of the first `when` whose condition holds for v, 0 if none does, and the condition.
func pauseByValue(ctx context.Context, when []config.When, v any) (time.Duration, string, error) {
	for i, w := range when {
		holds, err := w.If.Run(ctx, v)
		if err != nil {
			return 0, "", fmt.Errorf("every.when %d: %w", i+1, err)
		}
		if holds == true {
			return w.Every, w.If.String(), nil
		}
	}
	return 0, "", nil
}

// equalTimes reports whether two times of a snapshot are the same.
func equalTimes(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
