package smartpoll_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var kept context.Context
		s := mustNew(t, smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			deadline, ok := ctx.Deadline()
			j.add("deadline in %v, %v", time.Until(deadline), ok)
			kept = ctx
			<-ctx.Done()
			j.add("%v: %v", ctx.Err(), context.Cause(ctx))
			return func(ctx context.Context, _ *internal) error {
				_, ok := ctx.Deadline()
				j.add("hook with a deadline: %v", ok)
				return ctx.Err()
			}, nil
		}, smartpoll.Timeout(time.Second)), start("k"))
		r := run(s)
		time.Sleep(time.Minute)
		if got := r.stop(); got != context.Canceled {
			t.Errorf("Run() = %v, want a task that timed out and succeeded not to end it", got)
		}
		j.want(t, "deadline in 1s, true", "context deadline exceeded: smartpoll: task timed out", "hook with a deadline: false")
		if got, cause := kept.Err(), context.Cause(kept); got != context.DeadlineExceeded || cause != smartpoll.ErrTaskTimeout {
			t.Errorf("Err() and Cause() long after = %v, %v, want %v, %v", got, cause, context.DeadlineExceeded, smartpoll.ErrTaskTimeout)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		hangs := smartpoll.WithTask("k", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, context.Cause(ctx) }, smartpoll.Timeout(time.Second))
		begin := time.Now()
		if got := mustNew(t, hangs, start("k")).Run(t.Context()); got != smartpoll.ErrTaskTimeout || since(begin) != time.Second {
			t.Errorf("Run() = %v after %v, want the task's error %v after 1s", got, since(begin), smartpoll.ErrTaskTimeout)
		}
	})
	synctest.Test(t, func(t *testing.T) { // it ends with the call
		var kept context.Context
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) { kept = ctx; return nil, nil }, smartpoll.Timeout(time.Hour)))
		r := run(s)
		synctest.Wait()
		if got := kept.Err(); got != context.Canceled {
			t.Errorf("Err() after the call = %v, want %v", got, context.Canceled)
		}
		time.Sleep(2 * time.Hour)
		if got := kept.Err(); got != context.Canceled {
			t.Errorf("Err() after the time = %v, want still %v", got, context.Canceled)
		}
		r.stop()
	})
}

// Errors of both stages reach OnError, which decides.
func TestOnError(t *testing.T) {
	inTask := func(context.Context) (hook, error) { return nil, errFlaky }
	inHook := then(func(*internal) error { return errFlaky })
	other := errors.New("other")
	for name, task := range map[string]smartpoll.Task{"task": inTask, "hook": inHook} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			s := mustNew(t, start("k"), smartpoll.WithTask("k", task, smartpoll.OnError(func(ctx context.Context, i *internal, key any, err error) error {
				if key != "k" || err != errFlaky || ctx.Err() != nil || !i.Running("k") {
					t.Errorf("%s: OnError is called with %v, %v, %v, Running() = %v", name, key, err, ctx.Err(), i.Running("k"))
				}
				info, _ := i.Info("k")
				if n++; info.Failures != n || info.Err != errFlaky || info.State != smartpoll.Hooking {
					t.Errorf("%s: Info() in OnError = %+v, want failure %d", name, info, n)
				}
				if n == 3 {
					return other
				}
				i.Schedule("k", time.Minute)
				return nil
			})))
			begin := time.Now()
			if got := s.Run(t.Context()); got != other || n != 3 || since(begin) != 2*time.Minute {
				t.Errorf("%s: Run() = %v after %d failures and %v, want %v, 3, 2m", name, got, n, since(begin), other)
			}
		})
	}
}

func TestOnErrorAfterRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var next []time.Duration
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) { return nil, errFlaky },
			smartpoll.Retry(smartpoll.Backoff{Jitter: -1}), smartpoll.OnError(func(_ context.Context, i *internal, key any, err error) error {
				if next = append(next, time.Until(i.Next(key))); len(next) == 3 {
					return err
				}
				return nil
			})))
		if got := s.Run(t.Context()); got != errFlaky {
			t.Errorf("Run() = %v, want %v", got, errFlaky)
		}
		wantRan(t, "next tries in OnError", next, time.Second, 2*time.Second, 4*time.Second)
	})
}

// A panic in each place, with WithRecover and, where that is not needed, without.
func TestPanicIsContained(t *testing.T) {
	blow := func() { panic("boom") }
	hooked := func() smartpoll.Task { return then(func(*internal) error { blow(); return nil }) }
	fails := func(context.Context) (hook, error) { return nil, errFlaky }
	ch := make(chan int, 1)
	ch <- 1
	closed := make(chan int)
	close(closed)
	for name, test := range map[string]struct {
		key     any
		options []smartpoll.Option
	}{
		"task":     {"k", []smartpoll.Option{smartpoll.WithRecover(), smartpoll.WithTask("k", func(context.Context) (hook, error) { blow(); return nil, nil })}},
		"hook":     {"k", []smartpoll.Option{smartpoll.WithRecover(), smartpoll.WithTask("k", hooked())}},
		"channel":  {nil, []smartpoll.Option{smartpoll.WithRecover(), smartpoll.WithTask("k", nothing), smartpoll.WithHook(closed, func(context.Context, *internal, int, bool) error { blow(); return nil })}},
		"run hook": {nil, []smartpoll.Option{smartpoll.WithRecover(), smartpoll.WithTask("k", nothing), onRun(func(*internal) { blow() })}},
		"OnError":  {"k", []smartpoll.Option{smartpoll.WithTask("k", fails, smartpoll.OnError(func(context.Context, *internal, any, error) error { blow(); return nil }))}},
		"OnStart":  {"k", []smartpoll.Option{smartpoll.WithTask("k", nothing), smartpoll.WithObserver(&smartpoll.Observer{OnStart: func(any, time.Duration, time.Duration) { blow() }})}},
		"OnDone":   {"k", []smartpoll.Option{smartpoll.WithTask("k", nothing), smartpoll.WithObserver(&smartpoll.Observer{OnDone: func(any, time.Duration, error) { blow() }})}},
		"OnHook": {"k", []smartpoll.Option{smartpoll.WithTask("k", then(func(*internal) error { return nil })),
			smartpoll.WithObserver(&smartpoll.Observer{OnHook: func(key any, _ time.Duration, _ error) {
				if key == "k" {
					blow()
				}
			}})}},
	} {
		s := mustNew(t, append(test.options, start("k"))...)
		for range 2 { // Runs
			err := s.Run(t.Context())
			var panicked *smartpoll.TaskError
			if !errors.As(err, &panicked) || panicked.Key != test.key || panicked.Err.Error() != "panic: boom" || !strings.Contains(string(panicked.Stack), "call_test.go") {
				t.Errorf("Run() with a panic in %s = %v, want a TaskError with key %v and its stack", name, err, test.key)
			}
		}
	}
}

// The process goes on where OnError or Retry deal with a panic, and the value of the
// panic can be found.
func TestRecoveredPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		task := func(context.Context) (hook, error) {
			if n++; n < 4 {
				panic(errFlaky)
			}
			return nil, errEnough
		}
		s := mustNew(t, start("k"), smartpoll.WithRecover(), smartpoll.WithTask("k", task, smartpoll.Retry(smartpoll.Backoff{Jitter: -1}),
			smartpoll.OnError(func(_ context.Context, _ *internal, _ any, err error) error {
				if errors.Is(err, errFlaky) {
					return nil
				}
				return err
			})))
		begin := time.Now()
		if got := s.Run(t.Context()); got != errEnough || n != 4 || since(begin) != 7*time.Second {
			t.Errorf("Run() = %v after %d tries and %v, want %v, 4, 7s", got, n, since(begin), errEnough)
		}
	})
}

// Goexit cannot be recovered: Run says so, wherever it is, and can be called again.
func TestGoexitInEachPlace(t *testing.T) {
	exit := runtime.Goexit
	fails := func(context.Context) (hook, error) { return nil, errFlaky }
	for name, options := range map[string][]smartpoll.Option{
		"task":    {smartpoll.WithTask("k", func(context.Context) (hook, error) { exit(); return nil, nil }, smartpoll.Timeout(time.Hour), smartpoll.Retry(smartpoll.Backoff{}))},
		"hook":    {smartpoll.WithTask("k", then(func(*internal) error { exit(); return nil }))},
		"OnError": {smartpoll.WithTask("k", fails, smartpoll.OnError(func(context.Context, *internal, any, error) error { exit(); return nil }))},
		"OnStart": {smartpoll.WithTask("k", nothing), smartpoll.WithObserver(&smartpoll.Observer{OnStart: func(any, time.Duration, time.Duration) { exit() }})},
		"OnDone":  {smartpoll.WithTask("k", nothing), smartpoll.WithObserver(&smartpoll.Observer{OnDone: func(any, time.Duration, error) { exit() }})},
		"OnHook": {smartpoll.WithTask("k", then(func(*internal) error { return nil })), smartpoll.WithObserver(&smartpoll.Observer{OnHook: func(key any, _ time.Duration, _ error) {
			if key == "k" {
				exit()
			}
		}})},
		"Schedule":              {smartpoll.WithTask("k", nothing, smartpoll.On(nextFunc(func(time.Time) time.Time { exit(); return time.Time{} })))},
		"Schedule at the start": {smartpoll.WithTask("k", nothing), smartpoll.WithTask("on", nothing, smartpoll.On(nextFunc(func(time.Time) time.Time { exit(); return time.Time{} })))},
	} {
		s := mustNew(t, append(options, smartpoll.WithRecover(), start("k"))...)
		for range 2 {
			if got := run(s).wait(); got != smartpoll.ErrPanicInTask {
				t.Errorf("Run() with a Goexit in %s = %v, want %v", name, got, smartpoll.ErrPanicInTask)
			}
		}
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Errorf("%s: %s", name, wrong)
		}
	}
}

// An invocation that was cancelled may end in whatever way.
func TestGoexitOfACancelledTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := mustNew(t, smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			if n++; n == 1 {
				<-ctx.Done()
				runtime.Goexit()
			}
			return nil, nil
		}, smartpoll.On(smartpoll.Every(time.Minute))), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}))
		r := run(s)
		time.Sleep(90 * time.Second)
		s.Cancel("k")
		time.Sleep(time.Minute)
		if got := r.stop(); got != context.Canceled || n != 2 {
			t.Errorf("Run() = %v after %d runs, want %v, 2", got, n, context.Canceled)
		}
	})
}
