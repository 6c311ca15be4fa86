package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

const (
	// clockEvery is how often the clocks are looked at.
	clockEvery = time.Second
	// maxGap is how much longer the process may have stood still, or the wall clock have moved,
	// before that counts as a gap in which nothing was polled.
	maxGap = 3 * time.Second
	// spreadOver is the time over which the polls are spread that are due after a gap.
	spreadOver = 5 * time.Second
	// longestWait is how long such a poll is waited for before a source is judged.
	longestWait = 30 * time.Second
)

// clockKey is the key of the task that looks at the clocks.
type clockKey struct{}

// A clock reads two clocks. Durations are measured with the monotonic one, whose readings
// the process keeps. What people are shown is a time of the wall clock, which may be set at
// any moment, and is never calculated with.
type clock struct {
	base time.Time    // when it was made, with a reading of the monotonic clock
	step atomic.Int64 // how far a test has set the wall clock, in ns

	// The fields below are used by hooks alone.

	last, lastWall time.Time // both clocks when they were looked at last
	woke           time.Time // the end of the last gap; zero: there was none
}

func newClock() *clock { return &clock{base: time.Now()} }

// now is a reading of the monotonic clock. Those of [time.Now] have none if the wall clock
// is beyond 2157.
func (c *clock) now() time.Time { return c.base.Add(time.Since(c.base)) }

// read reads both clocks at one time.
func (c *clock) read() (now, wall time.Time) {
	t := time.Now()
	since := t.Sub(c.base)
	if t == t.Round(0) { // beyond 2157, see now
		since = time.Since(c.base)
	}
	return c.base.Add(since), t.Round(0).Add(time.Duration(c.step.Load()))
}

// wall is what the wall clock says now.
func (c *clock) wall() time.Time {
	_, wall := c.read()
	return wall
}

// people is t, a reading of [clock.now] or one to come, as people and JSON have it: by the wall
// clock as it is set now, in UTC, to the millisecond, null where there is none.
func (c *clock) people(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	now, wall := c.read()
	t = wall.Add(t.Sub(now)).UTC().Truncate(time.Millisecond)
	return &t
}

// look compares both clocks with how they were at the last look. Ahead is how far the wall
// clock has gone ahead of the other one, which stands still while a machine sleeps, or has
// fallen behind. A gap is a time in which nothing was polled, or may have been.
func (c *clock) look() (ahead time.Duration, gap bool) {
	now, wall := c.read()
	if !c.last.IsZero() {
		ran := now.Sub(c.last)
		ahead = wall.Sub(c.lastWall) - ran
		if gap = ran > clockEvery+maxGap || ahead > maxGap; gap {
			c.woke = now
		}
	}
	c.last, c.lastWall = now, wall
	return ahead, gap
}

// lookAtClock is the hook that looks at the clocks, again and again.
func (g *gateway) lookAtClock(_ context.Context, internal *smartpoll.Internal) error {
	g.followClock(internal)
	internal.Schedule(clockKey{}, clockEvery)
	return nil
}

// followClock has the sources follow what happened to the clocks. Hooks that judge call it
// before they do, since after a gap all of them are due, in any order.
func (g *gateway) followClock(internal *smartpoll.Internal) {
	ahead, gap := g.clock.look()
	if !gap && ahead > -maxGap {
		return
	}
	g.log.Info("the clock was set, or the process stood still", "wall_clock_ahead", ahead.Round(time.Millisecond))
	now, sources := g.clock.now(), g.plan.Load().sources
	if gap {
		var judgeFrom time.Time
		for _, s := range sources {
			if s.From == nil {
				s.wake(internal, now, max(ahead, 0))
				judgeFrom = latest(judgeFrom, s.judgeFrom)
			}
		}
		for _, s := range sources {
			if s.From != nil {
				s.age(max(ahead, 0))
				s.judgeFrom = judgeFrom
			}
			if s.StaleAfter > 0 && s.published.State == stateOK {
				internal.Schedule(staleKey(s.key), s.tooOldIn(now))
			}
		}
	}
	for _, s := range sources {
		s.retime(internal)
	}
	g.runs.clockSet()
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
		if s.waiting != waitingLimit { // which the upstream's clock ends, not ours
			left -= ahead
			s.notBefore = s.notBefore.Add(-ahead)
		}
		if left <= 0 {
			left = s.soon(now)
		}
		internal.Schedule(s.key, left)
		if s.limit != nil {
			patience += s.limit.group.Delay(now.Add(left))
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
