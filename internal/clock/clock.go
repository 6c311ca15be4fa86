// Package clock measures time by the monotonic clock and shows it by the wall clock.
//
// Durations, dues and ages are calculated with readings of [Clock.Now], which nobody can set. What people and JSON are
// shown is a time of the wall clock, which may be set at any moment and which nothing is calculated with.
//
// The monotonic clock stands still while a machine sleeps, and no clock stops for a process that is suspended.
// [Clock.Look], called every [Interval], notices both, and notices when the wall clock is set.
package clock

import (
	"sync/atomic"
	"time"
)

const (
	// Interval is the time between two calls of [Clock.Look].
	Interval = time.Second
	// Tolerance is how much longer than [Interval] the process may have stood still, or how far the wall clock may
	// have been set, before [Clock.Look] reports it.
	Tolerance = 3 * time.Second
)

// A Clock reads two clocks. [New] makes one. Its methods may be called concurrently, except Look and Woke.
type Clock struct {
	base time.Time    // when it was made, with a reading of the monotonic clock
	step atomic.Int64 // how far Step has set the wall clock, in ns

	// The fields below belong to the caller of Look.

	last, lastWall time.Time // both clocks at the last look
	woke           time.Time // the end of the last gap; zero: there was none
}

// New returns a clock.
func New() *Clock { return &Clock{base: time.Now()} }

// Now is a reading of the monotonic clock. Unlike one of [time.Now], it has such a reading
// even if the wall clock is beyond 2157.
func (c *Clock) Now() time.Time { return c.base.Add(time.Since(c.base)) }

// read reads both clocks at one time.
func (c *Clock) read() (now, wall time.Time) {
	t := time.Now()
	since := t.Sub(c.base)
	if t == t.Round(0) { // beyond 2157, see Now
		since = time.Since(c.base)
	}
	return c.base.Add(since), t.Round(0).Add(time.Duration(c.step.Load()))
}

// Wall is the time of the wall clock, without a reading of the monotonic one.
func (c *Clock) Wall() time.Time {
	_, wall := c.read()
	return wall
}

// People is t, a past or future reading of [Clock.Now], as people and JSON have it: by the wall
// clock as it is set now, in UTC, to the millisecond. It is nil if t is zero.
func (c *Clock) People(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	now, wall := c.read()
	t = wall.Add(t.Sub(now)).UTC().Truncate(time.Millisecond)
	return &t
}

// Look compares both clocks with their readings at the last call, and must not be called concurrently. Ahead is how far
// the wall clock has gained on the monotonic one; it is negative if the wall clock was set back. Gap reports that the
// process stood still or that the machine slept, as far as clocks can tell. Set reports a gap, or that the wall clock
// was set by more than [Tolerance].
func (c *Clock) Look() (ahead time.Duration, gap, set bool) {
	now, wall := c.read()
	if !c.last.IsZero() {
		ran := now.Sub(c.last)
		ahead = wall.Sub(c.lastWall) - ran
		if gap = ran > Interval+Tolerance || ahead > Tolerance; gap {
			c.woke = now
		}
	}
	c.last, c.lastWall = now, wall
	return ahead, gap, gap || ahead <= -Tolerance
}

// Woke is the end of the last gap that Look has reported, by the monotonic clock; zero if there was none. What began
// before then may have failed because of the gap. It must not be called during Look.
func (c *Clock) Woke() time.Time { return c.woke }

// Step sets the wall clock ahead, or back if d is negative, for this Clock alone. It is for tests.
func (c *Clock) Step(d time.Duration) { c.step.Add(int64(d)) }
