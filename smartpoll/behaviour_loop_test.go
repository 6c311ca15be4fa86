package smartpoll_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestBehaviour18ValuesOfChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		errs, maps, ptrs, anys := make(chan error), make(chan map[string]int), make(chan *int), make(chan any)
		s := mustNew(t, smartpoll.WithTask("k", nothing),
			smartpoll.WithHook(errs, func(_ context.Context, _ *internal, v error, ok bool) error {
				j.add("error %v %v", v == nil, ok)
				return nil
			}),
			smartpoll.WithHook(maps, func(_ context.Context, _ *internal, v map[string]int, ok bool) error {
				j.add("map %v %v", v == nil, ok)
				return nil
			}),
			smartpoll.WithHook(ptrs, func(_ context.Context, _ *internal, v *int, ok bool) error {
				j.add("pointer %v %v", v == nil, ok)
				return nil
			}),
			smartpoll.WithHook(anys, func(_ context.Context, _ *internal, v any, ok bool) error { j.add("any %v %v", v, ok); return nil }))
		r := run(s)
		errs <- nil
		synctest.Wait()
		errs <- errors.New("x")
		synctest.Wait()
		maps <- nil
		synctest.Wait()
		ptrs <- nil
		synctest.Wait()
		anys <- nil
		synctest.Wait()
		anys <- 1
		synctest.Wait()
		close(maps)
		synctest.Wait()
		close(anys)
		synctest.Wait()
		j.want(t, "error true true", "error false true", "map true true", "pointer true true", "any <nil> true", "any 1 true",
			"map true false", "any <nil> false")
		r.stop()
	})
}

func TestBehaviour18HooksThatShareAChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		var got []int
		add := func(_ context.Context, _ *internal, v int, _ bool) error { got = append(got, v); return nil }
		r := run(mustNew(t, smartpoll.WithTask("k", nothing), smartpoll.WithHook(ch, add), smartpoll.WithHook(ch, add)))
		for v := range 100 {
			ch <- v
		}
		r.stop()
		slices.Sort(got)
		for v := range 100 {
			if len(got) != 100 || got[v] != v {
				t.Fatalf("the hooks got %v, want each of 0 to 99 once", got)
			}
		}
	})
}

func TestBehaviour19ReceivedValuesReachTheirHook(t *testing.T) {
	ch := make(chan int)
	var calls, sent atomic.Int64
	s := mustNew(t, start("k"), smartpoll.WithTask("k", then(func(i *internal) error { i.Schedule("k", 0); return nil })),
		smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { calls.Add(1); return nil }))
	quit := make(chan struct{})
	var senders sync.WaitGroup
	for range 3 {
		senders.Go(func() {
			for {
				select {
				case ch <- 1:
					sent.Add(1)
				case <-quit:
					return
				}
			}
		})
	}
	for n := range 300 {
		d := time.Duration(n%7) * 50 * time.Microsecond
		if n%50 == 0 {
			d = 30 * time.Millisecond // with one processor the hot task has it for 10 ms at a time
		}
		ctx, cancel := context.WithTimeout(t.Context(), d)
		s.Run(ctx)
		cancel()
	}
	close(quit)
	senders.Wait()
	if calls.Load() != sent.Load() || sent.Load() == 0 {
		t.Errorf("%d values were sent in 300 Runs, and %d reached the hook, want as many", sent.Load(), calls.Load())
	}
}

func TestBehaviour19SendsBlockWhileTheLoopIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		begin := time.Now()
		var j journal
		r := run(mustNew(t, start("k"),
			smartpoll.WithTask("k", then(func(*internal) error { time.Sleep(time.Minute); return nil })),
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { j.add("hook %v", since(begin)); return nil })))
		synctest.Wait()
		for range 2 { // the first is taken early
			ch <- 1
			j.add("sent %v", since(begin))
		}
		synctest.Wait()
		got := j.got()
		slices.Sort(got)
		if want := []string{"hook 1m0s", "hook 1m0s", "sent 0s", "sent 1m0s"}; !slices.Equal(got, want) {
			t.Errorf("journal = %q, want %q", got, want)
		}
		r.stop()
	})
}

// A value that was taken is handed over also if the Run ended meanwhile, with a
// context that says so.
func TestBehaviour19TakenValueDuringTheStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		ch := make(chan int)
		called := false
		s := mustNew(t, start("k"),
			smartpoll.WithTask("k", then(func(*internal) error { time.Sleep(time.Minute); return boom })),
			smartpoll.WithHook(ch, func(ctx context.Context, i *internal, _ int, _ bool) error {
				called = true
				if ctx.Err() != context.Canceled {
					t.Errorf("Err() during the stop = %v, want %v", ctx.Err(), context.Canceled)
				}
				i.Schedule("k", 0)
				return nil
			}))
		r := run(s)
		synctest.Wait() // until the task hook sleeps
		ch <- 1
		if got := r.wait(); got != boom {
			t.Errorf("Run() = %v, want %v", got, boom)
		}
		if !called || !s.Next("k").IsZero() {
			t.Errorf("hook called: %v, Next() = %v, want the hook called and its schedule cleared", called, s.Next("k"))
		}
	})
}

func TestBehaviour20Fair(t *testing.T) {
	flood, other := make(chan int), make(chan int)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	counts := map[string]int{}
	count := func(name string) error {
		counts[name]++
		if counts["hot"] > 50 && counts["due"] > 50 && counts["flood"] > 50 && counts["other"] > 50 {
			cancel()
		}
		return nil
	}
	s := mustNew(t, start("hot", "due"),
		smartpoll.WithTask("hot", then(func(i *internal) error { i.Schedule("hot", 0); return count("hot") })),
		smartpoll.WithTask("due", then(func(i *internal) error { i.Schedule("due", time.Microsecond); return count("due") })),
		smartpoll.WithHook(flood, func(context.Context, *internal, int, bool) error { return count("flood") }),
		smartpoll.WithHook(other, func(context.Context, *internal, int, bool) error { return count("other") }))
	var senders sync.WaitGroup
	for _, ch := range []chan int{flood, flood, flood, other} {
		senders.Go(func() {
			for {
				select {
				case ch <- 1:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	if got := s.Run(ctx); got != context.Canceled {
		t.Errorf("Run() = %v with %v after 20 s, want each to have run 50 times", got, counts)
	}
	senders.Wait()
}

func TestBehaviour21Visibility(t *testing.T) {
	// The race detector looks on: nothing here is locked or atomic.
	ch := make(chan int)
	state, seen, fromTask, n := 0, 0, 0, 0
	ctx, cancel := context.WithCancel(t.Context())
	s := mustNew(t, start("writer"),
		smartpoll.WithTask("writer", then(func(i *internal) error {
			i.Schedule("reader", 0)
			runtime.Gosched()
			state++ // after Schedule, and visible nevertheless
			return nil
		})),
		smartpoll.WithTask("reader", func(context.Context) (hook, error) {
			seen = state
			return func(_ context.Context, i *internal) error {
				if n++; seen != n {
					t.Errorf("the task saw %d, want %d", seen, n)
				}
				i.Schedule("silent", 0)
				return nil
			}, nil
		}),
		smartpoll.WithTask("silent", func(context.Context) (hook, error) { fromTask++; return nil, nil }),
		smartpoll.WithHook(ch, func(_ context.Context, i *internal, _ int, _ bool) error {
			if n == 1000 && !i.Running("silent") && i.Next("silent").IsZero() {
				if fromTask != n {
					t.Errorf("a hook that sees Running = false saw %d, want %d", fromTask, n)
				}
				cancel()
			}
			if n < 1000 && !i.Running("writer") && !i.Running("reader") && !i.Running("silent") &&
				i.Next("writer").IsZero() && i.Next("reader").IsZero() && i.Next("silent").IsZero() {
				i.Schedule("writer", 0)
			}
			return nil
		}))
	go func() {
		for {
			select {
			case ch <- 1:
				runtime.Gosched() // with one processor, sender and hook would keep it to themselves
			case <-ctx.Done():
				return
			}
		}
	}()
	s.Run(ctx)
	if state != 1000 || fromTask != 1000 {
		t.Errorf("after Run state = %d, fromTask = %d, want 1000", state, fromTask)
	}
}

func TestBehaviour21OldTaskHappensBeforeTheNextRunHooks(t *testing.T) {
	state, entered := 0, make(chan struct{})
	s := mustNew(t, smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
		close(entered)
		<-ctx.Done()
		time.Sleep(time.Millisecond)
		state = 1
		return nil, nil
	}), onRun(func(i *internal) {
		if state == 0 {
			i.Schedule("k", 0)
		}
	}))
	r := run(s)
	<-entered
	r.stop()
	r = run(s)
	r.stop()
	s.Schedule("k", -1)
}

func TestBehaviour22RunWaitsForATaskHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := mustNew(t, start("k"), smartpoll.WithTask("k", then(func(*internal) error { time.Sleep(time.Minute); return nil })))
		r := run(s)
		synctest.Wait()
		r.stop()
		if got := since(begin); got != time.Minute {
			t.Errorf("Run() returned after %v, want %v: when its hook has ended", got, time.Minute)
		}
	})
}

func TestBehaviour22DueKeysStartTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		var all sync.WaitGroup
		all.Add(n)
		options := []smartpoll.Option{}
		for key := range n {
			options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
				all.Done()
				all.Wait()
				return nil, nil
			}))
		}
		options = append(options, onRun(func(i *internal) {
			for key := range n {
				i.Schedule(key, time.Second)
			}
		}))
		r := run(mustNew(t, options...))
		all.Wait()
		r.stop()
	})
}

func TestBehaviour22NothingIsLeft(t *testing.T) {
	// A bubble fails if a goroutine is left blocked.
	before := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		s := mustNew(t, start("k", "waits"), onRun(func(i *internal) { i.Schedule("later", time.Hour) }),
			smartpoll.WithTask("k", then(func(i *internal) error { i.Schedule("k", time.Second); return nil })),
			smartpoll.WithTask("waits", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, nil }),
			smartpoll.WithTask("later", nothing),
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { return nil }))
		for range 10 {
			r := run(s)
			time.Sleep(10 * time.Second)
			r.stop()
			if smartpoll.TimerIsSet(s) {
				t.Error("the timer is set after Run, want it stopped")
			}
		}
	})
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines after all Runs, want %d as before", got, before)
	}
}

func TestFaultClosedHookChannelIsToldOncePerRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		close(ch)
		calls := 0
		s := mustNew(t, smartpoll.WithTask("k", nothing), smartpoll.WithHook(ch, func(_ context.Context, _ *internal, _ int, ok bool) error {
			if calls++; ok {
				t.Error("ok = true for a closed channel, want false")
			}
			return nil
		}))
		for n := range 3 {
			r := run(s)
			time.Sleep(time.Second)
			r.stop()
			if calls != n+1 {
				t.Errorf("after %d Runs the hook was called %d times, want once per Run", n+1, calls)
			}
		}
	})
}

func TestFaultTaskHookSendsToItsOwnHookChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, got := make(chan int), 0
		s := mustNew(t, start("k"), smartpoll.WithTask("k", then(func(*internal) error { ch <- 7; return nil })),
			smartpoll.WithHook(ch, func(_ context.Context, _ *internal, v int, _ bool) error { got = v; return nil }))
		r := run(s)
		synctest.Wait()
		r.stop()
		if got != 7 {
			t.Errorf("the hook got %d, want 7", got)
		}
	})
}

func TestFaultMethodsFromAnyGoroutine(t *testing.T) {
	var kept *internal
	ran := make(chan struct{}, 1)
	s := mustNew(t, onRun(func(i *internal) { kept = i }),
		smartpoll.WithTask("k", func(context.Context) (hook, error) {
			select {
			case ran <- struct{}{}:
			default:
			}
			return nil, nil
		}))
	r := run(s)
	var callers sync.WaitGroup
	for n := range 4 {
		callers.Go(func() {
			for range 500 {
				s.Schedule("k", time.Duration(n)*time.Microsecond)
				s.ScheduleSooner("k", time.Microsecond)
				s.ScheduleAtSooner("k", time.Now())
				s.Next("k")
				s.Running("k")
				s.StopTimer("k")
				s.ScheduleAt("k", time.Now().Add(time.Millisecond))
			}
		})
	}
	callers.Wait()
	<-ran
	r.stop()
	kept.Schedule("k", time.Hour) // retained, and harmless
	if kept.Next("k").IsZero() {
		t.Error("Next() after Schedule on a retained Internal = zero, want the time")
	}
}

// In go-smartpoll each event costs as much as there are tasks, and 65,534 of them
// are the limit.
func TestFaultHundredThousandTasks(t *testing.T) {
	const n = 100_000
	var ran atomic.Int64
	hooks := 0
	options := make([]smartpoll.Option, 0, n+1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for key := range n {
		options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
			ran.Add(1)
			return func(context.Context, *internal) error {
				if hooks++; hooks == n {
					cancel()
				}
				return nil
			}, nil
		}))
	}
	options = append(options, onRun(func(i *internal) {
		for key := range n {
			i.Schedule(key, time.Duration(key)*time.Microsecond)
		}
	}))
	mustNew(t, options...).Run(ctx)
	if ran.Load() != n || hooks != n {
		t.Errorf("%d tasks and %d hooks ran, want %d", ran.Load(), hooks, n)
	}
}
