package smartpoll_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// wallClock gives s a wall clock that can be set.
func wallClock(s *smartpoll.Scheduler) (set func(by time.Duration)) {
	var ahead atomic.Int64
	smartpoll.SetWallClock(s, func(now time.Time) time.Time { return now.Add(time.Duration(ahead.Load())) })
	return func(by time.Duration) { ahead.Add(int64(by)) }
}

// Times of the wall clock follow it, others do not; Next stays as it was given.
func TestClockJumps(t *testing.T) {
	for _, test := range []struct {
		by         time.Duration
		wall, mono time.Duration // when the two tasks run
	}{
		{0, 10 * time.Minute, 10 * time.Minute},
		{40 * time.Millisecond, 10 * time.Minute, 10 * time.Minute}, // too little to matter
		{3 * time.Minute, 7 * time.Minute, 10 * time.Minute},
		{-3 * time.Minute, 13 * time.Minute, 10 * time.Minute},
		{time.Hour, 90 * time.Second, 10 * time.Minute}, // as soon as it is noticed
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var wall, mono []time.Duration
			note := func(ran *[]time.Duration) smartpoll.Task {
				return func(context.Context) (hook, error) { *ran = append(*ran, since(begin)); return nil, nil }
			}
			s := mustNew(t, smartpoll.WithTask("wall", note(&wall)), smartpoll.WithTask("mono", note(&mono)))
			set := wallClock(s)
			r := run(s)
			at := begin.Add(10 * time.Minute).Round(0)
			s.ScheduleAt("wall", at)
			s.Schedule("mono", 10*time.Minute)
			time.Sleep(time.Minute + 1)
			set(test.by)
			time.Sleep(29 * time.Second)
			if got := s.Next("wall"); got != at {
				t.Errorf("Next() = %v, want %v as given", got, at)
			}
			if wrong := smartpoll.Check(s); wrong != "" {
				t.Error(wrong)
			}
			time.Sleep(time.Hour)
			r.stop()
			wantRan(t, "wall", wall, test.wall)
			wantRan(t, "mono", mono, test.mono)
		})
	}
}

// A suspend stops the monotonic clock, and the other one goes on: what was due is
// missed, and the schedule goes on from there.
func TestSuspend(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		policy smartpoll.MissedPolicy
		want   []time.Duration // on the monotonic clock
	}{
		// The suspend ends at 9:58, which is noticed at 90 s; 10:00 is at 181 s.
		{smartpoll.MissedOnce, []time.Duration{90 * s, 181 * s, 481 * s}},
		{smartpoll.MissedSkip, []time.Duration{181 * s, 481 * s}},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var ran []time.Duration
			sched := mustNew(t, takes(&ran, begin, nil, smartpoll.On(smartpoll.Every(5*time.Minute).Offset(0)), smartpoll.Missed(test.policy)))
			set := wallClock(sched)
			r := run(sched)
			time.Sleep(61 * s)
			set(9*time.Hour + 58*time.Minute - 61*s)
			time.Sleep(10 * time.Minute)
			r.stop()
			if len(ran) > len(test.want) {
				ran = ran[:len(test.want)]
			}
			wantRan(t, "suspended", ran, test.want...)
		})
	}
}

// A clock that was years ahead does not cost years, whether the task waits or runs
// when it is set.
func TestClockFarBack(t *testing.T) {
	for _, took := range []time.Duration{0, 2 * time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var ran []time.Duration
			s := mustNew(t, takes(&ran, begin, []time.Duration{took}, smartpoll.On(smartpoll.Every(5*time.Minute).Offset(0))))
			set := wallClock(s)
			set(4 * 365 * 24 * time.Hour)
			r := run(s)
			time.Sleep(6 * time.Minute)
			set(-4 * 365 * 24 * time.Hour)
			time.Sleep(15 * time.Minute)
			r.stop()
			wantRan(t, "set back by years", ran, 5*time.Minute, 10*time.Minute, 15*time.Minute, 20*time.Minute)
		})
	}
}

// The clock is set back a little: no time is lived through twice.
func TestClockALittleBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		s := mustNew(t, takes(&ran, begin, nil, smartpoll.On(smartpoll.Every(5*time.Minute).Offset(0))))
		set := wallClock(s)
		r := run(s)
		time.Sleep(5*time.Minute + time.Second)
		set(-2 * time.Second) // it is 5 minutes less a second again
		time.Sleep(10*time.Minute + 2*time.Second)
		r.stop()
		wantRan(t, "set back", ran, 5*time.Minute, 10*time.Minute+2*time.Second, 15*time.Minute+2*time.Second)
	})
}

// The timer wakes for the wall clock only while anything depends on that.
func TestTimerIsCappedForTheWallClockOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("a", nothing), smartpoll.WithTask("b", nothing))
		r := run(s)
		synctest.Wait()
		for _, step := range []struct {
			name string
			do   func()
			want bool
		}{
			{"a monotonic time", func() { s.Schedule("a", time.Hour) }, false},
			{"a wall time as well", func() { s.ScheduleAt("b", time.Now().Add(2*time.Hour).Round(0)) }, true},
			{"a minute later", func() { time.Sleep(time.Minute) }, true},
			{"the wall time is cleared", func() { s.StopTimer("b"); time.Sleep(time.Minute) }, false},
		} {
			step.do()
			synctest.Wait()
			if got := smartpoll.TimerIsCapped(s); got != step.want {
				t.Errorf("%s: timer is capped = %v, want %v", step.name, got, step.want)
			}
		}
		r.stop()
	})
}

// In a bubble, times have no reading of the monotonic clock.
func TestTimerIsNotCappedForMonotonicTimes(t *testing.T) {
	s := mustNew(t, smartpoll.WithTask("a", nothing), smartpoll.WithTask("b", nothing, smartpoll.On(smartpoll.Every(time.Hour))))
	r := run(s)
	for s.Next("b").IsZero() {
		time.Sleep(time.Millisecond)
	}
	for _, step := range []struct {
		at   time.Time
		want bool
	}{{time.Now().Add(time.Hour), false}, {time.Now().Add(time.Hour).Round(0), true}} {
		s.ScheduleAt("a", step.at)
		if got := smartpoll.TimerIsCapped(s); got != step.want {
			t.Errorf("timer is capped for %v = %v, want %v", step.at, got, step.want)
		}
	}
	r.stop()
}

// The clock was set between two Runs.
func TestClockJumpsBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		s := mustNew(t, takes(&ran, begin, nil))
		set := wallClock(s)
		s.ScheduleAt("k", begin.Add(time.Hour).Round(0))
		set(2 * time.Hour)
		time.Sleep(time.Second)
		r := run(s)
		synctest.Wait()
		r.stop()
		wantRan(t, "set between Runs", ran, time.Second)
	})
}

// While the wall clock is wrong by a century, readings have no monotonic part; what is scheduled then must not wait for
// that time to come.
func TestAClockBeyond2157(t *testing.T) {
	s := mustNew(t, smartpoll.WithTask("a", func(context.Context) (hook, error) { return nil, nil }))
	for _, now := range []time.Time{time.Now(), time.Now().Round(0).AddDate(200, 0, 0)} {
		if got := smartpoll.Since(s, now); got < 0 || got > time.Hour {
			t.Errorf("%v is %v after the start, want a moment", now, got)
		}
	}
}

// A time that is derived from an earlier reading is the same as that of time.Now, on both clocks.
func TestDerivedReading(t *testing.T) {
	s := mustNew(t, smartpoll.WithTask("k", nothing))
	between := func(name string) {
		t.Helper()
		before := time.Now()
		got := smartpoll.Reading(s)
		after := time.Now()
		if got.Before(before) || got.After(after) {
			t.Errorf("%s: a reading between %v and %v is %v", name, before, after, got)
		}
		if got == got.Round(0) {
			t.Errorf("%s: %v has no reading of the monotonic clock", name, got)
		}
		if early, late := before.Add(-time.Millisecond).Round(0), after.Add(time.Millisecond).Round(0); got.Round(0).Before(early) || got.Round(0).After(late) {
			t.Errorf("%s: by the wall clock, a reading between %v and %v is %v", name, early, late, got)
		}
	}
	for range 1000 {
		between("at once")
	}
	time.Sleep(150 * time.Millisecond)
	between("after a while")
	synctest.Test(t, func(t *testing.T) {
		for _, pause := range []time.Duration{0, 1, time.Millisecond, time.Minute, 1000 * time.Hour} {
			time.Sleep(pause)
			if got, want := smartpoll.Reading(s), time.Now(); got != want {
				t.Errorf("a reading in a bubble, %v later, is %v, want %v", pause, got, want)
			}
		}
	})
	between("after a bubble")
}
