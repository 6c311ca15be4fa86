package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
)

func TestPeopleFollowsTheWallClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		if got := c.People(time.Time{}); got != nil {
			t.Errorf("People of no time = %v, want nil", got)
		}
		due := c.Now().Add(time.Minute)
		start := time.Now().UTC()
		for _, step := range []time.Duration{0, time.Hour, -25 * time.Hour, 200 * 365 * 24 * time.Hour} {
			c.Step(step)
			start = start.Add(step)
			got, want := *c.People(due), start.Add(time.Minute).Truncate(time.Millisecond)
			if !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("People after a step of %v = %v, want %v", step, got, want)
			}
			if got := c.Wall(); !got.Equal(start) {
				t.Errorf("Wall after a step of %v = %v, want %v", step, got, start)
			}
			if got := due.Sub(c.Now()); got != time.Minute {
				t.Errorf("after a step of %v, due in %v by Now, want 1m", step, got)
			}
		}
	})
}

func TestLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clock.New()
		look := func(sleep, step time.Duration, wantAhead time.Duration, wantGap, wantSet bool) {
			t.Helper()
			woke := c.Woke()
			time.Sleep(sleep)
			c.Step(step)
			ahead, gap, set := c.Look()
			if ahead != wantAhead || gap != wantGap || set != wantSet {
				t.Errorf("Look after %v and a step of %v = %v, %v, %v, want %v, %v, %v",
					sleep, step, ahead, gap, set, wantAhead, wantGap, wantSet)
			}
			if wantGap {
				woke = c.Now()
			}
			if got := c.Woke(); !got.Equal(woke) {
				t.Errorf("Woke after %v and a step of %v = %v, want %v", sleep, step, got, woke)
			}
		}
		look(time.Hour, time.Hour, 0, false, false) // the first one has nothing to compare with
		look(clock.Interval, 0, 0, false, false)
		look(clock.Interval+clock.Tolerance, 0, 0, false, false)
		look(clock.Interval+clock.Tolerance+1, 0, 0, true, true) // the process stood still
		look(clock.Interval, clock.Tolerance, clock.Tolerance, false, false)
		look(clock.Interval, clock.Tolerance+1, clock.Tolerance+1, true, true) // the machine slept
		look(clock.Interval, 1-clock.Tolerance, 1-clock.Tolerance, false, false)
		look(clock.Interval, -clock.Tolerance, -clock.Tolerance, false, true) // the clock was set back
	})
}
