package smartpoll_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// starts returns the option of a task that takes d, half of it in its hook, and
// writes its key and when it starts to j.
func starts(j *journal, begin time.Time, key string, d time.Duration, opts ...smartpoll.TaskOption) smartpoll.Option {
	return smartpoll.WithTask(key, func(context.Context) (hook, error) {
		j.add("%s %v", key, since(begin))
		time.Sleep(d - d/2)
		return func(context.Context, *internal) error { time.Sleep(d / 2); return nil }, nil
	}, opts...)
}

func TestGroupRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 3}))
		options := []smartpoll.Option{start("a", "b", "c", "d", "e", "f", "g", "free")}
		for _, key := range []string{"a", "b", "c", "d", "e", "f", "g"} {
			options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
				j.add("%s %v", key, since(begin))
				time.Sleep(time.Second)
				return nil, nil
			}, in))
		}
		options = append(options, starts(&j, begin, "free", 0))
		r := run(mustNew(t, options...))
		time.Sleep(time.Minute)
		r.stop()
		got := j.got()
		slices.SortStableFunc(got, func(a, b string) int { return strings.Compare(a[strings.Index(a, " "):], b[strings.Index(b, " "):]) })
		slices.Sort(got[:4]) // no order is promised among those that start together
		slices.Sort(got[4:7])
		j.lines = got
		j.want(t, "a 0s", "b 0s", "c 0s", "free 0s", "d 1s", "e 1s", "f 1s", "g 2s")
	})
}

// A place is occupied until the hook has returned.
func TestGroupRunningIncludesTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		r := run(mustNew(t, start("a", "b", "c"), starts(&j, begin, "a", 2*time.Second, in), starts(&j, begin, "b", 2*time.Second, in),
			starts(&j, begin, "c", 2*time.Second, in)))
		time.Sleep(time.Minute)
		r.stop()
		j.want(t, "a 0s", "b 2s", "c 4s")
	})
}

func TestGroupDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1, Burst: 2})
		var j journal
		r := run(mustNew(t, start("a", "b", "c"), starts(&j, begin, "a", 0, smartpoll.In(g)), starts(&j, begin, "b", 0, smartpoll.In(g)),
			starts(&j, begin, "c", 0, smartpoll.In(g))))
		synctest.Wait()
		// Two have started, and the start after a second is reserved.
		for at, want := range map[time.Duration]time.Duration{
			-time.Hour: 2 * time.Second, 0: 2 * time.Second, 1500 * time.Millisecond: 500 * time.Millisecond, 2 * time.Second: 0, time.Hour: 0,
		} {
			if got := g.Delay(begin.Add(at)); got != want {
				t.Errorf("Delay(%v) = %v, want %v", at, got, want)
			}
		}
		if got := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}).Delay(begin); got != 0 {
			t.Errorf("Delay without a rate = %v, want 0", got)
		}
		if got := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1e-300}).Delay(begin); got != 0 {
			t.Errorf("Delay of a slow group that has a start = %v, want 0", got)
		}
		time.Sleep(time.Minute)
		r.stop()
		slices.Sort(j.lines) // no order is promised among those that start together
		j.want(t, "a 0s", "b 0s", "c 1s")
	})
}

func TestGroupParkedKeyIsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		options := []smartpoll.Option{start("a", "kept", "postponed", "cleared", "last")}
		for _, key := range []string{"a", "kept", "postponed", "cleared", "last"} {
			options = append(options, starts(&j, begin, key, time.Minute, in))
		}
		s := mustNew(t, options...)
		r := run(s)
		synctest.Wait()
		time.Sleep(time.Second)
		for _, key := range []string{"kept", "postponed", "cleared", "last"} {
			if s.Running(key) || !s.StopTimer(key) || !s.Next(key).Equal(begin) {
				t.Errorf("parked %s: Running = %v, StopTimer = %v, Next = %v, want false, true, %v", key, s.Running(key), s.StopTimer(key), s.Next(key), begin)
			}
		}
		s.Schedule("kept", 0)
		s.ScheduleSooner("kept", time.Hour)
		if got := s.Next("kept"); !got.Equal(begin) {
			t.Errorf("Next() of a parked key after Schedule(0) = %v, want still %v", got, begin)
		}
		s.ScheduleAtSooner("last", begin.Add(-time.Hour))
		if got := s.Next("last"); !got.Equal(begin.Add(-time.Hour)) {
			t.Errorf("Next() of a parked key after ScheduleAtSooner = %v, want the sooner time", got)
		}
		s.Schedule("postponed", time.Hour)
		s.Schedule("cleared", -1)
		time.Sleep(2 * time.Hour)
		r.stop()
		j.want(t, "a 0s", "kept 1m0s", "last 2m0s", "postponed 1h0m1s")
	})
}

// Whoever waits is not overtaken by members that become due later.
func TestGroupFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		hot := func(key string) smartpoll.Option {
			return smartpoll.WithTask(key, func(context.Context) (hook, error) {
				j.add("%s %v", key, since(begin))
				time.Sleep(time.Second)
				return func(_ context.Context, i *internal) error { i.Schedule(key, 0); return nil }, nil
			}, in)
		}
		r := run(mustNew(t, hot("a"), hot("b"), hot("c"), start("a", "b", "c"),
			smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute})))
		time.Sleep(5*time.Second + 1)
		r.stop()
		j.want(t, "a 0s", "b 1s", "c 2s", "a 3s", "b 4s", "c 5s")
	})
}

func TestGroupRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1, Burst: 2}))
		var options []smartpoll.Option
		for _, key := range []string{"a", "b", "c", "d", "withdrawn", "e"} {
			options = append(options, starts(&j, begin, key, 0, in))
		}
		s := mustNew(t, append(options, start("a", "b"))...)
		r := run(s)
		synctest.Wait()
		s.Schedule("c", 0)
		synctest.Wait()
		s.Schedule("d", 0)
		synctest.Wait()
		s.Schedule("withdrawn", 0)
		synctest.Wait()
		time.Sleep(500 * time.Millisecond)
		for _, key := range []string{"c", "d", "withdrawn"} {
			if s.Running(key) || !s.StopTimer(key) || !s.Next(key).Equal(begin) {
				t.Errorf("%s, which waits for its start: Running = %v, StopTimer = %v, Next = %v, want false, true, %v",
					key, s.Running(key), s.StopTimer(key), s.Next(key), begin)
			}
		}
		s.Schedule("withdrawn", -1)
		s.Schedule("e", 0) // gets the start that was given back
		time.Sleep(time.Minute)
		r.stop()
		got := j.got()
		slices.Sort(got[:2])
		j.lines = got
		j.want(t, "a 0s", "b 0s", "c 1s", "d 2s", "e 3s")
	})
}

func TestGroupRateAndRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Rate: 1}))
		s := mustNew(t, start("a", "b", "c"), starts(&j, begin, "a", 4*time.Second, in), starts(&j, begin, "b", 200*time.Millisecond, in),
			starts(&j, begin, "c", 200*time.Millisecond, in))
		r := run(s)
		time.Sleep(time.Minute)
		r.stop()
		j.want(t, "a 0s", "b 4s", "c 5s")
	})
}

// A task in two groups keeps the place that it has got in the one while it waits for the other,
// and is not overtaken in either.
func TestAMemberOfTwoGroupsKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in1 := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		in2 := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		s := mustNew(t,
			starts(&j, begin, "long in 2", time.Minute, in2),
			starts(&j, begin, "short in 1", time.Second, in1),
			starts(&j, begin, "both", time.Second, in2, in1, in2),
			starts(&j, begin, "in 1", time.Second, in1),
			starts(&j, begin, "later in 1", time.Second, in1))
		r := run(s)
		for _, key := range []string{"long in 2", "short in 1", "both", "in 1"} {
			s.Schedule(key, 0)
			synctest.Wait()
		}
		s.Schedule("later in 1", 10*time.Second)
		time.Sleep(5 * time.Second)
		if info, _ := s.Info("both"); info.State != smartpoll.Parked {
			t.Errorf("a task that waits for its second group is %v, want %v", info.State, smartpoll.Parked)
		}
		time.Sleep(5 * time.Minute)
		r.stop()
		j.want(t, "long in 2 0s", "short in 1 0s", "both 1m0s", "in 1 1m1s", "later in 1 1m2s")
	})
}

func TestGroupPlaceOfAWithdrawnKeyGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		begin := time.Now()
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		ch := make(chan int)
		s := mustNew(t, start("a"),
			smartpoll.WithTask("a", func(context.Context) (hook, error) { time.Sleep(time.Second); return nil, nil }, in),
			starts(&j, begin, "b", time.Second, in),
			starts(&j, begin, "c", time.Second, in),
			// While this hook runs a ends, and its place is kept for b.
			smartpoll.WithHook(ch, func(_ context.Context, i *internal, _ int, _ bool) error {
				time.Sleep(2 * time.Second)
				i.Schedule("b", time.Hour)
				return nil
			}))
		r := run(s)
		synctest.Wait()
		s.Schedule("b", 0)
		synctest.Wait()
		s.Schedule("c", 0)
		synctest.Wait()
		ch <- 1
		time.Sleep(time.Minute)
		r.stop()
		j.want(t, "c 2s")
	})
}

// Old invocations keep their places in the next Run, whoever waited is forgotten.
func TestGroupOverRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		begin := time.Now()
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Rate: 1}))
		s := mustNew(t, starts(&j, begin, "a", 0, in), starts(&j, begin, "b", 0, in),
			smartpoll.WithTask("long", func(context.Context) (hook, error) { time.Sleep(time.Minute); return nil, nil }, in))
		r := run(s)
		s.Schedule("long", 0)
		synctest.Wait()
		s.Schedule("a", 0)
		s.Schedule("b", 0)
		time.Sleep(time.Second)
		r.stop()
		r = run(s)
		s.Schedule("b", 0)
		time.Sleep(2 * time.Minute)
		r.stop()
		j.want(t, "b 1m0s")
	})
}

func TestGroupZeroConfigAdmitsEverything(t *testing.T) {
	for _, config := range []smartpoll.GroupConfig{{}, {Rate: rate.Inf}, {Burst: 3}} {
		synctest.Test(t, func(t *testing.T) {
			var j journal
			in := smartpoll.In(smartpoll.NewGroup(config))
			var options []smartpoll.Option
			var keys []any
			for n := range 100 {
				keys = append(keys, fmt.Sprint(n))
				options = append(options, starts(&j, time.Now(), fmt.Sprint(n), 0, in))
			}
			r := run(mustNew(t, append(options, start(keys...))...))
			synctest.Wait()
			if got := len(j.got()); got != 100 {
				t.Errorf("%+v: %d of 100 members started at once, want all", config, got)
			}
			r.stop()
		})
	}
}

func TestGroupMisuse(t *testing.T) {
	for _, test := range []struct {
		config smartpoll.GroupConfig
		want   string
	}{
		{smartpoll.GroupConfig{Running: -1}, "smartpoll: NewGroup: Running is -1, use a positive number, or zero for no limit"},
		{smartpoll.GroupConfig{Rate: -1}, "smartpoll: NewGroup: Rate is -1, use a positive number of starts per second, or zero for no limit"},
		{smartpoll.GroupConfig{Rate: rate.Limit(math.NaN())}, "smartpoll: NewGroup: Rate is NaN, use a positive number of starts per second, or zero for no limit"},
		{smartpoll.GroupConfig{Burst: -1}, "smartpoll: NewGroup: Burst is -1, use a positive number, or zero for 1"},
	} {
		if got := caught(func() { smartpoll.NewGroup(test.config) }); got != test.want {
			t.Errorf("NewGroup(%+v) panics with %v, want %q", test.config, got, test.want)
		}
	}
	const wantNil = "smartpoll: group must not be nil, use one made by NewGroup"
	if _, err := smartpoll.New(smartpoll.WithTask("k", nothing, smartpoll.In(nil))); err == nil || err.Error() != wantNil {
		t.Errorf("New() with In(nil) = %v, want %s", err, wantNil)
	}
	g := smartpoll.NewGroup(smartpoll.GroupConfig{})
	mustNew(t, smartpoll.WithTask("a", nothing, smartpoll.In(g)), smartpoll.WithTask("b", nothing, smartpoll.In(g)))
	const wantUsed = "smartpoll: the group of task k is in use by another scheduler, make one with NewGroup for each"
	if _, err := smartpoll.New(smartpoll.WithTask("k", nothing, smartpoll.In(g))); err == nil || err.Error() != wantUsed {
		t.Errorf("New() with the group of another = %v, want %s", err, wantUsed)
	}
	// A New that fails leaves the other groups free.
	free := smartpoll.NewGroup(smartpoll.GroupConfig{})
	for range 10 {
		if _, err := smartpoll.New(smartpoll.WithTask("free", nothing, smartpoll.In(free)), smartpoll.WithTask("k", nothing, smartpoll.In(g))); err == nil || err.Error() != wantUsed {
			t.Errorf("New() with the group of another = %v, want %s", err, wantUsed)
		}
	}
	mustNew(t, smartpoll.WithTask("free", nothing, smartpoll.In(free)))
}
