package smartpoll_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// inHook runs f as a hook of a scheduler with the tasks "k", which tells ran how
// long after the start of f it ran, and "busy", which is running for an hour.
func inHook(t *testing.T, f func(i *internal, ran *[]time.Duration)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var begin time.Time
		var ran []time.Duration
		s := mustNew(t,
			smartpoll.WithTask("k", then(func(*internal) error { ran = append(ran, since(begin)); return nil })),
			smartpoll.WithTask("busy", func(ctx context.Context) (hook, error) { time.Sleep(time.Hour); return nil, nil }),
			smartpoll.WithTask("f", func(context.Context) (hook, error) {
				time.Sleep(time.Second) // so that the clock of the scheduler is not at zero
				begin = time.Now()
				return func(_ context.Context, i *internal) error { f(i, &ran); return nil }, nil
			}),
			start("busy", "f"))
		r := run(s)
		time.Sleep(100 * 24 * time.Hour)
		r.stop()
	})
}

func wantRan(t *testing.T, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	same := len(got) == len(want)
	for n := range min(len(got), len(want)) {
		same = same && got[n] == want[n]
	}
	if !same {
		t.Errorf("%s: ran after %v, want %v", what, got, want)
	}
}

func TestBehaviour13Schedule(t *testing.T) {
	for _, test := range []struct {
		name  string
		calls []time.Duration
		want  []time.Duration
	}{
		{"after a duration", []time.Duration{time.Minute}, []time.Duration{time.Minute}},
		{"replaces by later", []time.Duration{time.Minute, time.Hour}, []time.Duration{time.Hour}},
		{"replaces by earlier", []time.Duration{time.Hour, time.Minute}, []time.Duration{time.Minute}},
		{"at once", []time.Duration{0}, []time.Duration{0}},
		{"at once replaces", []time.Duration{time.Hour, 0}, []time.Duration{0}},
		{"postpones a ready key", []time.Duration{0, time.Hour}, []time.Duration{time.Hour}},
		{"negative clears", []time.Duration{time.Minute, -1}, nil},
		{"negative clears a ready key", []time.Duration{0, -1}, nil},
		{"never", []time.Duration{math.MaxInt64}, nil},
		{"never replaces", []time.Duration{time.Minute, math.MaxInt64}, nil},
		{"almost never", []time.Duration{math.MaxInt64 - 1}, nil},
	} {
		var ran *[]time.Duration
		inHook(t, func(i *internal, r *[]time.Duration) {
			ran = r
			now := time.Now()
			for _, d := range test.calls {
				i.Schedule("k", d)
			}
			want := time.Time{}
			if d := test.calls[len(test.calls)-1]; d >= 0 {
				want = now.Add(d)
			}
			if got := i.Next("k"); got != want {
				t.Errorf("%s: Next() = %v, want %v", test.name, got, want)
			}
		})
		wantRan(t, test.name, *ran, test.want...)
	}
}

func TestBehaviour13ScheduleNowKeepsNextOfAReadyKey(t *testing.T) {
	inHook(t, func(i *internal, _ *[]time.Duration) {
		i.Schedule("busy", 0)
		want := time.Now()
		time.Sleep(time.Second)
		i.Schedule("busy", 0)
		if got := i.Next("busy"); got != want {
			t.Errorf("Next() of a ready key after Schedule(0) = %v, want still %v", got, want)
		}
		i.Schedule("busy", time.Minute)
		want = time.Now().Add(time.Minute)
		if got := i.Next("busy"); got != want {
			t.Errorf("Next() of a ready key after Schedule(1m) = %v, want %v", got, want)
		}
	})
}

func TestBehaviour14ScheduleAt(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	for _, test := range []struct {
		name string
		at   func(now time.Time) time.Time
		want []time.Duration
	}{
		{"monotonic", func(now time.Time) time.Time { return now.Add(time.Minute) }, []time.Duration{time.Minute}},
		{"wall", func(now time.Time) time.Time { return now.Add(time.Minute).Round(0) }, []time.Duration{time.Minute}},
		{"zone", func(now time.Time) time.Time { return now.Add(time.Minute).In(zone) }, []time.Duration{time.Minute}},
		{"past", func(now time.Time) time.Time { return now.Add(-time.Minute) }, []time.Duration{0}},
		{"now", func(now time.Time) time.Time { return now }, []time.Duration{0}},
		{"zero", func(time.Time) time.Time { return time.Time{} }, nil},
		{"zero instant elsewhere", func(time.Time) time.Time { return time.Time{}.In(zone) }, []time.Duration{0}},
		{"long ago", func(time.Time) time.Time { return time.Date(-4000, 1, 1, 0, 0, 0, 0, zone) }, []time.Duration{0}},
		{"year 9999", func(time.Time) time.Time { return time.Date(9999, 1, 1, 0, 0, 0, 0, zone) }, nil},
	} {
		var ran *[]time.Duration
		inHook(t, func(i *internal, r *[]time.Duration) {
			ran = r
			i.Schedule("k", time.Second) // is replaced
			at := test.at(time.Now())
			i.ScheduleAt("k", at)
			if got := i.Next("k"); got != at {
				t.Errorf("%s: Next() = %#v, want %#v to the bit", test.name, got, at)
			}
		})
		wantRan(t, test.name, *ran, test.want...)
	}
}

func TestBehaviour15Sooner(t *testing.T) {
	zone := time.FixedZone("east", 3600)
	ago := -time.Minute
	for _, test := range []struct {
		name     string
		schedule func(i *internal, now time.Time)
		sooner   time.Duration
		replaced bool
		want     time.Duration
	}{
		{"unscheduled", func(*internal, time.Time) {}, time.Minute, true, time.Minute},
		{"unscheduled, past", func(*internal, time.Time) {}, ago, true, 0},
		{"later", func(i *internal, _ time.Time) { i.Schedule("k", time.Minute) }, time.Hour, false, time.Minute},
		{"sooner", func(i *internal, _ time.Time) { i.Schedule("k", time.Hour) }, time.Minute, true, time.Minute},
		{"past", func(i *internal, _ time.Time) { i.Schedule("k", time.Hour) }, ago, true, 0},
		{"same instant in another zone",
			func(i *internal, now time.Time) { i.ScheduleAt("k", now.Add(time.Minute).In(zone)) }, time.Minute, false, time.Minute},
		{"ready", func(i *internal, _ time.Time) { i.Schedule("k", 0) }, time.Minute, false, 0},
		{"ready with a later Next", func(i *internal, _ time.Time) { i.Schedule("k", 0) }, ago, true, 0},
		{"of never", func(i *internal, _ time.Time) { i.Schedule("k", math.MaxInt64) }, time.Minute, true, time.Minute},
	} {
		check := func(method string, sooner func(i *internal, now time.Time)) {
			var ran *[]time.Duration
			inHook(t, func(i *internal, r *[]time.Duration) {
				ran = r
				now := time.Now()
				test.schedule(i, now)
				want := i.Next("k")
				if test.replaced {
					want = now.Add(test.sooner)
				}
				sooner(i, now)
				if got := i.Next("k"); got != want {
					t.Errorf("%s, %s: Next() = %v, want %v", method, test.name, got, want)
				}
			})
			wantRan(t, method+", "+test.name, *ran, test.want)
		}
		check("ScheduleAtSooner", func(i *internal, now time.Time) { i.ScheduleAtSooner("k", now.Add(test.sooner)) })
		if test.sooner > 0 {
			check("ScheduleSooner", func(i *internal, _ time.Time) { i.ScheduleSooner("k", test.sooner) })
		}
	}
}

func TestBehaviour16StopTimer(t *testing.T) {
	for _, test := range []struct {
		name     string
		schedule func(i *internal)
		ready    bool
		want     []time.Duration
	}{
		{"unscheduled", func(*internal) {}, false, nil},
		{"not due", func(i *internal) { i.Schedule("k", time.Nanosecond) }, false, nil},
		{"ready", func(i *internal) { i.Schedule("k", 0) }, true, []time.Duration{0}},
		{"due", func(i *internal) { i.Schedule("k", time.Second); time.Sleep(time.Second) }, true, []time.Duration{time.Second}},
		{"overdue", func(i *internal) { i.Schedule("k", time.Second); time.Sleep(time.Minute) }, true, []time.Duration{time.Minute}},
	} {
		var ran *[]time.Duration
		inHook(t, func(i *internal, r *[]time.Duration) {
			ran = r
			test.schedule(i)
			want := i.Next("k")
			if !test.ready {
				want = time.Time{}
			}
			for range 2 {
				if got := i.StopTimer("k"); got != test.ready {
					t.Errorf("%s: StopTimer() = %v, want %v", test.name, got, test.ready)
				}
				if got := i.Next("k"); got != want {
					t.Errorf("%s: Next() = %v, want %v", test.name, got, want)
				}
			}
		})
		wantRan(t, test.name, *ran, test.want...)
	}
}

func TestBehaviour16StopTimerOfARunningKey(t *testing.T) {
	inHook(t, func(i *internal, _ *[]time.Duration) {
		i.Schedule("busy", time.Second)
		time.Sleep(2 * time.Second)
		if !i.StopTimer("busy") || i.Next("busy").IsZero() {
			t.Error("StopTimer() of a key that is due while it runs = false, want true, and its schedule kept")
		}
		i.Schedule("busy", -1)
		if i.StopTimer("busy") {
			t.Error("StopTimer() of a running key that is not scheduled = true, want false")
		}
	})
}

func TestBehaviour17NextOfADueButRunningKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		var s *smartpoll.Scheduler
		s = mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
			if runs++; runs == 2 && !s.Next("k").IsZero() {
				t.Errorf("Next() when the run has started = %v, want zero", s.Next("k"))
			}
			time.Sleep(time.Minute)
			return nil, nil
		}))
		r := run(s)
		synctest.Wait()
		s.Schedule("k", time.Second)
		due := time.Now().Add(time.Second)
		time.Sleep(30 * time.Second)
		if got := s.Next("k"); got != due || !s.Running("k") {
			t.Errorf("Next() of a key that is due while it runs = %v, want %v, which has passed", got, due)
		}
		time.Sleep(31 * time.Second)
		r.stop()
		if runs != 2 {
			t.Errorf("ran %d times, want 2", runs)
		}
		time.Sleep(time.Hour)
	})
}
