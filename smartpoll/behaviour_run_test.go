package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// The tests of this file and of its two siblings state the behaviours of the
// scheduler, by number: 1 to 12 construction and Run, 13 to 17 scheduling, 18 to
// 22 channel hooks, order and visibility.

func TestBehaviour01OneInvocationPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		runs := 0
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
			runs++
			n := runs
			j.add("task %d", n)
			time.Sleep(time.Second)
			return func(context.Context, *internal) error {
				time.Sleep(time.Second)
				j.add("hook %d", n)
				return nil
			}, nil
		}))
		r := run(s)
		for range 3 {
			time.Sleep(600 * time.Millisecond) // in the task, and twice in its hook
			s.Schedule("k", 0)
		}
		time.Sleep(time.Minute)
		j.want(t, "task 1", "hook 1", "task 2", "hook 2")
		r.stop()
	})
}

func TestBehaviour02TaskHookExcludesOtherHooksAndItsTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		inHook := 0 // touched by hooks only: the race detector looks on
		exclusive := func(i *internal, where string) {
			if inHook++; inHook != 1 {
				t.Errorf("%s: %d hooks at once, want 1", where, inHook)
			}
			time.Sleep(time.Second)
			inHook--
		}
		inTask := make(map[string]*atomic.Bool)
		task := func(key string) smartpoll.Option {
			inTask[key] = new(atomic.Bool)
			return smartpoll.WithTask(key, func(context.Context) (hook, error) {
				inTask[key].Store(true)
				defer inTask[key].Store(false)
				time.Sleep(300 * time.Millisecond)
				return func(_ context.Context, i *internal) error {
					i.Schedule(key, 0)
					exclusive(i, key)
					if inTask[key].Load() {
						t.Errorf("task %s runs during its hook", key)
					}
					if !i.Running(key) {
						t.Errorf("Running(%s) = false within its hook, want true", key)
					}
					if i.Running("nothing") {
						t.Errorf("Running(nothing) = true, want false: it has returned without a hook")
					}
					return nil
				}, nil
			})
		}
		s := mustNew(t, task("a"), task("b"), smartpoll.WithTask("nothing", nothing), start("a", "b", "nothing"),
			smartpoll.WithHook(ch, func(_ context.Context, i *internal, _ int, _ bool) error {
				exclusive(i, "channel")
				return nil
			}))
		r := run(s)
		for range 20 {
			ch <- 1
		}
		r.stop()
	})
}

func TestBehaviour03NoSecondStage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		schedule, ran := make(chan struct{}), make(chan struct{})
		s := mustNew(t,
			smartpoll.WithTask("k", func(context.Context) (hook, error) { ran <- struct{}{}; return nil, nil }),
			smartpoll.WithHook(schedule, func(_ context.Context, i *internal, _ struct{}, _ bool) error {
				i.Schedule("k", 0)
				return nil
			}))
		r := run(s)
		for range 50 {
			schedule <- struct{}{}
			<-ran
		}
		synctest.Wait()
		if s.Running("k") {
			t.Error("Running() = true after the task returned nil, nil, want false")
		}
		r.stop()
	})
}

func TestBehaviour04ErrorsAreReturnedAsTheyAre(t *testing.T) {
	boom := errors.New("boom")
	ch := make(chan int, 1)
	ch <- 1
	for name, options := range map[string][]smartpoll.Option{
		"task":      {start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) { return nil, boom })},
		"task hook": {start("k"), smartpoll.WithTask("k", then(func(*internal) error { return boom }))},
		"run hook": {smartpoll.WithTask("k", nothing),
			smartpoll.WithRunHook(func(context.Context, *internal) error { return boom })},
		"hook": {smartpoll.WithTask("k", nothing),
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { return boom })},
	} {
		if got := mustNew(t, options...).Run(t.Context()); got != boom {
			t.Errorf("Run() with an error in a %s = %v, want the identical %v", name, got, boom)
		}
	}
}

func TestBehaviour04HookAlongWithAnErrorIsNotCalled(t *testing.T) {
	boom := errors.New("boom")
	s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
		return func(context.Context, *internal) error {
			t.Error("the hook was called")
			return nil
		}, boom
	}))
	if got := s.Run(t.Context()); got != boom {
		t.Errorf("Run() = %v, want %v", got, boom)
	}
}

func TestBehaviour04ErrorCancelsOtherTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom, cancelled := errors.New("boom"), make(chan struct{})
		s := mustNew(t, start("a", "b"),
			smartpoll.WithTask("a", func(ctx context.Context) (hook, error) { <-ctx.Done(); close(cancelled); return nil, nil }),
			smartpoll.WithTask("b", func(context.Context) (hook, error) { time.Sleep(time.Second); return nil, boom }))
		if got := s.Run(t.Context()); got != boom {
			t.Errorf("Run() = %v, want %v", got, boom)
		}
		<-cancelled
	})
}

func TestBehaviour04ErrOfTheContextNotItsCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
		cancel(errors.New("the cause"))
		return nil, nil
	}))
	if got := s.Run(ctx); got != context.Canceled {
		t.Errorf("Run() = %v, want %v", got, context.Canceled)
	}
}

// A hook that ran counts, also if it, or somebody else, has ended the context.
func TestBehaviour04ErrorOfAHookAfterCancel(t *testing.T) {
	boom := errors.New("boom")
	exits := func() error { runtime.Goexit(); return nil }
	fails := func() error { return boom }
	for _, test := range []struct {
		name string
		end  func() error
		want error
	}{{"error", fails, boom}, {"Goexit", exits, smartpoll.ErrPanicInTask}} {
		ctx, cancel := context.WithCancel(t.Context())
		s := mustNew(t, start("k"), smartpoll.WithTask("k", then(func(*internal) error { cancel(); return test.end() })))
		if got := s.Run(ctx); got != test.want {
			t.Errorf("Run() with a task hook that cancels, then %s = %v, want %v", test.name, got, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ch := make(chan int, 1)
	ch <- 1
	s := mustNew(t, smartpoll.WithTask("k", nothing),
		smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { cancel(); return boom }))
	if got := s.Run(ctx); got != boom {
		t.Errorf("Run() with a channel hook that cancels, then fails = %v, want %v", got, boom)
	}
	ctx, cancel = context.WithCancel(t.Context())
	s = mustNew(t, smartpoll.WithTask("k", nothing),
		smartpoll.WithRunHook(func(context.Context, *internal) error { cancel(); return boom }))
	if got := s.Run(ctx); got != boom {
		t.Errorf("Run() with a run hook that cancels, then fails = %v, want %v", got, boom)
	}
}

func TestBehaviour04ResultsAfterTheEndAreDropped(t *testing.T) {
	for name, result := range map[string]smartpoll.Task{
		"error":  func(context.Context) (hook, error) { return nil, errors.New("late") },
		"Goexit": func(context.Context) (hook, error) { runtime.Goexit(); return nil, nil },
		"hook":   then(func(*internal) error { t.Error("the hook was called"); return nil }),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			cancel()
			return result(ctx)
		}))
		if got := s.Run(ctx); got != context.Canceled {
			t.Errorf("Run() with a late %s = %v, want %v", name, got, context.Canceled)
		}
		// The next Run waits for it, and finds nothing of it.
		if got := s.Run(ctx); got != context.Canceled {
			t.Errorf("second Run() after a late %s = %v, want %v", name, got, context.Canceled)
		}
	}
}

func TestBehaviour05ContextsLiveAsLongAsTheirCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		parent, cancelParent := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), time.Hour)
		defer cancelParent()
		deadline, _ := parent.Deadline()
		ctxs := make(map[string]context.Context)
		ended := make(map[string]<-chan struct{})
		check := func(name string, ctx context.Context) {
			if ctx.Err() != nil || context.Cause(ctx) != nil {
				t.Errorf("%s: Err() = %v, Cause = %v during the call, want nil", name, ctx.Err(), context.Cause(ctx))
			}
			if got := ctx.Value(key{}); got != "value" {
				t.Errorf("%s: Value() = %v, want that of Run's context", name, got)
			}
			if got, ok := ctx.Deadline(); !ok || !got.Equal(deadline) {
				t.Errorf("%s: Deadline() = %v, want %v", name, got, deadline)
			}
			for other, otherCtx := range ctxs {
				if otherCtx == ctx {
					t.Errorf("%s has the context of %s", name, other)
				}
			}
			ctxs[name] = ctx
			if strings.HasSuffix(name, "waiting") {
				ended[name] = ctx.Done()
			}
		}
		ch := make(chan string)
		pass := func(suffix string) smartpoll.Option {
			return smartpoll.WithTask("k"+suffix, func(ctx context.Context) (hook, error) {
				check("task"+suffix, ctx)
				task := ctx
				return func(ctx context.Context, i *internal) error {
					check("task hook"+suffix, ctx)
					if task.Err() != context.Canceled {
						t.Errorf("task%s: Err() = %v in its hook, want %v", suffix, task.Err(), context.Canceled)
					}
					if suffix == "" {
						i.Schedule("k waiting", 0)
					}
					return nil
				}, nil
			})
		}
		s := mustNew(t, pass(""), pass(" waiting"),
			smartpoll.WithRunHook(func(ctx context.Context, i *internal) error {
				check("run hook", ctx)
				i.Schedule("k", 0)
				return nil
			}),
			smartpoll.WithHook(ch, func(ctx context.Context, i *internal, name string, _ bool) error {
				check(name, ctx)
				return nil
			}))
		r := runCtx(parent, cancelParent, s)
		synctest.Wait() // one after the other: the map needs no lock
		ch <- "hook"
		ch <- "hook waiting"
		synctest.Wait()
		after := func(when string) {
			for name, ctx := range ctxs {
				if got := ctx.Err(); got != context.Canceled {
					t.Errorf("%s: Err() %s = %v, want %v", name, when, got, context.Canceled)
				}
				if got := context.Cause(ctx); got != context.Canceled {
					t.Errorf("%s: Cause %s = %v, want %v", name, when, got, context.Canceled)
				}
				select {
				case <-ctx.Done():
				default:
					t.Errorf("%s: Done() %s is not closed", name, when)
				}
			}
		}
		for name, done := range ended {
			select {
			case <-done:
			default:
				t.Errorf("%s: the channel that Done() returned during the call is not closed after it", name)
			}
		}
		if len(ctxs) != 7 || len(ended) != 3 {
			t.Fatalf("saw %d contexts, %d of them waiting, want 7 and 3", len(ctxs), len(ended))
		}
		// Asked now, the answers would stick: half of them are asked later only.
		half := make(map[string]context.Context)
		for name, ctx := range ctxs {
			if len(half) < 3 {
				half[name] = ctx
				delete(ctxs, name)
			}
		}
		after("after the call")
		time.Sleep(2 * time.Hour)
		if got := r.wait(); got != context.DeadlineExceeded {
			t.Errorf("Run() = %v, want %v", got, context.DeadlineExceeded)
		}
		after("after the deadline")
		ctxs = half
		after("asked only after the deadline")
	})
}

func TestBehaviour05RunEndCancelsRunningTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, end := range []error{nil, errors.New("boom")} {
			cause := make(chan error, 1)
			s := mustNew(t, start("k", "end"),
				smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
					<-ctx.Done()
					cause <- ctx.Err()
					return nil, nil
				}),
				smartpoll.WithTask("end", func(context.Context) (hook, error) { time.Sleep(time.Second); return nil, end }))
			r := run(s)
			time.Sleep(2 * time.Second)
			r.stop()
			if got := <-cause; got != context.Canceled {
				t.Errorf("Err() of a task at the end of Run = %v, want %v", got, context.Canceled)
			}
		}
	})
}

func TestBehaviour05DerivedContextsCostNoGoroutine(t *testing.T) {
	s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
		before := runtime.NumGoroutine()
		for range 100 {
			derived, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			_ = derived.Done()
		}
		if got := runtime.NumGoroutine() - before; got > 50 { // others may come and go
			t.Errorf("100 derived contexts started %d goroutines, want 0", got)
		}
		return nil, errors.New("end")
	}))
	s.Run(t.Context())
}

func TestBehaviour06Goexit(t *testing.T) {
	if got, want := smartpoll.ErrPanicInTask.Error(), "smartpoll: panic in task"; got != want {
		t.Errorf("ErrPanicInTask = %q, want %q", got, want)
	}
	exit := func() error { runtime.Goexit(); return nil }
	for name, task := range map[string]smartpoll.Task{
		"task":      func(context.Context) (hook, error) { return nil, exit() },
		"task hook": then(func(*internal) error { return exit() }),
	} {
		if got := mustNew(t, start("k"), smartpoll.WithTask("k", task)).Run(t.Context()); got != smartpoll.ErrPanicInTask {
			t.Errorf("Run() with Goexit in a %s = %v, want %v", name, got, smartpoll.ErrPanicInTask)
		}
	}
	// While others run and wait for the turn.
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		s := mustNew(t, start("exit", "other"),
			smartpoll.WithTask("exit", then(func(*internal) error { time.Sleep(time.Second); return exit() })),
			smartpoll.WithTask("other", nothing),
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { return nil }))
		r := run(s)
		ch <- 1
		if got := r.wait(); got != smartpoll.ErrPanicInTask {
			t.Errorf("Run() = %v, want %v", got, smartpoll.ErrPanicInTask)
		}
	})
}

func TestBehaviour06GoexitInAHookEndsTheGoroutineOfRun(t *testing.T) {
	ch := make(chan int, 1)
	ch <- 1
	first := true
	exit := func() {
		if first {
			first = false
			runtime.Goexit()
		}
	}
	for name, option := range map[string]smartpoll.Option{
		"hook":     smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { exit(); return nil }),
		"run hook": onRun(func(*internal) { exit() }),
	} {
		first = true
		s := mustNew(t, smartpoll.WithTask("k", nothing), option)
		if got := run(s).wait(); got != errGone {
			t.Errorf("Run() with Goexit in a %s returned %v, want its goroutine to end", name, got)
		}
		if got := run(s).stop(); got != context.Canceled {
			t.Errorf("second Run() after Goexit in a %s = %v, want %v", name, got, context.Canceled)
		}
	}
}

func TestBehaviour06PanicInAHookReachesTheCallerOfRun(t *testing.T) {
	value := &struct{ int }{1}
	ch := make(chan int, 1)
	first := true
	crash := func() {
		if first {
			first = false
			panic(value)
		}
	}
	for name, option := range map[string]smartpoll.Option{
		"hook":     smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { crash(); return nil }),
		"run hook": onRun(func(*internal) { crash() }),
	} {
		first = true
		ch <- 1
		blocked := make(chan struct{})
		s := mustNew(t, start("k"), option,
			smartpoll.WithTask("k", func(ctx context.Context) (hook, error) { <-ctx.Done(); <-blocked; return nil, nil }))
		if got := caught(func() { s.Run(t.Context()) }); got != value {
			t.Errorf("Run() with a panic in a %s panics with %v, want the same value", name, got)
		}
		if got := s.Next("k"); !got.IsZero() {
			t.Errorf("Next() after a panic in a %s = %v, want zero", name, got)
		}
		close(blocked)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		if got := s.Run(ctx); got != context.Canceled {
			t.Errorf("second Run() after a panic in a %s = %v, want %v", name, got, context.Canceled)
		}
		select {
		case <-ch:
		default:
		}
	}
}

func TestBehaviour07MisuseOfRunPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := false
		s := mustNew(t, smartpoll.WithTask("k", then(func(*internal) error { ran = true; return nil })))
		r := run(s)
		synctest.Wait()
		if got, want := caught(func() { s.Run(t.Context()) }), "smartpoll: scheduler already running"; got != want {
			t.Errorf("second Run panics with %v, want the string %q", got, want)
		}
		s.Schedule("k", time.Second)
		time.Sleep(2 * time.Second)
		if got := r.stop(); got != context.Canceled || !ran {
			t.Errorf("first Run() = %v, task ran: %v, want it undisturbed", got, ran)
		}
		if got, want := caught(func() { new(smartpoll.Scheduler).Run(t.Context()) }), "smartpoll: scheduler must be initialized with New"; got != want {
			t.Errorf("Run of a zero Scheduler panics with %v, want the string %q", got, want)
		}
		var none context.Context
		want := caught(func() { _, cancel := context.WithCancel(none); cancel() })
		if got := caught(func() { s.Run(none) }); got != want {
			t.Errorf("Run(nil) panics with %v, want %v", got, want)
		}
		if got := run(s).stop(); got != context.Canceled {
			t.Errorf("Run() after Run(nil) = %v, want %v", got, context.Canceled)
		}
	})
}

func TestBehaviour08RestartWaitsForOldTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, late := range map[string]smartpoll.Task{
			"nothing": nothing,
			"error":   func(context.Context) (hook, error) { return nil, errors.New("late") },
			"hook":    then(func(*internal) error { t.Error("a hook of the old Run was called"); return nil }),
			"Goexit":  func(context.Context) (hook, error) { runtime.Goexit(); return nil, nil },
		} {
			var j journal
			blocked, runHooks := make(chan struct{}), 0
			s := mustNew(t,
				smartpoll.WithTask("k", func(ctx context.Context) (hook, error) { <-blocked; j.add("task ends"); return late(ctx) }),
				onRun(func(i *internal) {
					if runHooks++; runHooks == 1 {
						i.Schedule("k", 0)
					}
					j.add("run hook")
				}))
			r := run(s)
			synctest.Wait()
			if got := r.stop(); got != context.Canceled { // does not wait
				t.Errorf("%s: Run() = %v, want %v", name, got, context.Canceled)
			}
			if !s.Running("k") {
				t.Errorf("%s: Running() = false after Run, want true", name)
			}
			// A Run that ends while it waits: no run hooks.
			r = run(s)
			synctest.Wait()
			if got := r.stop(); got != context.Canceled {
				t.Errorf("%s: Run() that waits = %v, want %v", name, got, context.Canceled)
			}
			r = run(s)
			synctest.Wait()
			j.want(t, "run hook")
			close(blocked)
			synctest.Wait()
			j.want(t, "run hook", "task ends", "run hook")
			if got := r.stop(); got != context.Canceled {
				t.Errorf("%s: third Run() = %v, want %v", name, got, context.Canceled)
			}
		}
	})
}

func TestBehaviour08AnyNumberOfRestarts(t *testing.T) {
	boom := errors.New("boom")
	n := 0
	ends := []func() error{
		func() error { return boom },
		func() error { runtime.Goexit(); return nil },
	}
	s := mustNew(t, start("k"), smartpoll.WithTask("k", then(func(*internal) error { n++; return ends[n%2]() })))
	for range 100 {
		if got := s.Run(t.Context()); got != boom && got != smartpoll.ErrPanicInTask {
			t.Fatalf("Run() = %v, want %v or %v", got, boom, smartpoll.ErrPanicInTask)
		}
	}
	if n != 100 {
		t.Errorf("%d Runs called the hook, want 100", n)
	}
}

func TestBehaviour09SchedulesAreClearedWhenRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := errors.New("boom")
		everything := func(i *internal) {
			i.Schedule("timed", time.Hour)
			i.ScheduleAt("ready", time.Now().Add(-time.Hour))
			i.Schedule("running", 0)
		}
		for name, options := range map[string][]smartpoll.Option{
			"context":  {onRun(everything)},
			"run hook": {onRun(everything), smartpoll.WithRunHook(func(context.Context, *internal) error { return boom })},
			"hook":     {onRun(everything), onRun(func(i *internal) { i.Schedule("fail", 0) })},
		} {
			ran := 0
			s := mustNew(t, append(options,
				smartpoll.WithTask("timed", nothing),
				smartpoll.WithTask("ready", nothing),
				smartpoll.WithTask("running", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, nil }),
				smartpoll.WithTask("other", func(ctx context.Context) (hook, error) { ran++; return nil, nil }),
				smartpoll.WithTask("fail", then(func(i *internal) error { everything(i); return boom })))...)
			r := run(s)
			synctest.Wait()
			if name == "context" {
				s.Schedule("running", 0) // due while it runs
			}
			r.stop()
			for _, key := range []string{"timed", "ready", "running"} {
				if got := s.Next(key); !got.IsZero() {
					t.Errorf("%s: Next(%s) after Run = %v, want zero", name, key, got)
				}
			}
		}

		// Between two Runs: kept for the next one.
		var j journal
		s := mustNew(t,
			smartpoll.WithTask("now", then(func(*internal) error { j.add("now"); return nil })),
			smartpoll.WithTask("later", then(func(*internal) error { j.add("later"); return nil })))
		run(s).stop()
		s.Schedule("now", 0)
		s.Schedule("later", time.Minute)
		time.Sleep(time.Second)
		j.want(t)
		r := run(s)
		time.Sleep(58 * time.Second)
		j.want(t, "now")
		time.Sleep(2 * time.Second)
		j.want(t, "now", "later")
		r.stop()
	})
}

func TestBehaviour10RunHooksInOrderBeforeAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ch := make(chan int, 1)
		ch <- 1
		boom := errors.New("boom")
		fail := false
		s := mustNew(t,
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { j.add("hook"); return nil }),
			smartpoll.WithTask("k", func(context.Context) (hook, error) { j.add("task"); return nil, nil }),
			onRun(func(i *internal) { i.Schedule("k", 0); time.Sleep(time.Second); j.add("first") }),
			smartpoll.WithRunHook(func(context.Context, *internal) error {
				if j.add("second"); fail {
					return boom
				}
				return nil
			}),
			onRun(func(*internal) { j.add("third") }))
		r := run(s)
		time.Sleep(10 * time.Second)
		r.stop()
		got := j.got()
		if len(got) != 5 || strings.Join(got[:3], " ") != "first second third" {
			t.Errorf("journal = %q, want first, second, third, then task and hook", got)
		}
		// The first error ends Run. They run with a context that has ended, too, and nothing else does.
		for _, fail = range []bool{true, false} {
			j.lines = nil
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			select {
			case ch <- 1:
			default:
			}
			err := s.Run(ctx)
			synctest.Wait()
			if fail {
				j.want(t, "first", "second")
				if err != boom {
					t.Errorf("Run() = %v, want %v", err, boom)
				}
			} else {
				j.want(t, "first", "second", "third")
				if err != context.Canceled {
					t.Errorf("Run() = %v, want %v", err, context.Canceled)
				}
			}
		}
	})
}

func TestBehaviour11KeysAreThoseOfAMap(t *testing.T) {
	type pair struct {
		a int
		b any
	}
	synctest.Test(t, func(t *testing.T) {
		keys := []any{nil, true, 1, int64(1), "1", 1.5, new(int), new(int), pair{1, "x"}, [2]string{"a", "b"}, struct{}{}}
		ran := make([]int, len(keys))
		options := []smartpoll.Option{start(keys...)}
		for n, key := range keys {
			options = append(options, smartpoll.WithTask(key, then(func(*internal) error { ran[n]++; return nil })))
		}
		r := run(mustNew(t, options...))
		synctest.Wait()
		r.stop()
		for n, key := range keys {
			if ran[n] != 1 {
				t.Errorf("the task of key %T %v ran %d times, want 1", key, key, ran[n])
			}
		}
		// The last of two with equal keys wins.
		which := ""
		r = run(mustNew(t, start("k"),
			smartpoll.WithTask("k", then(func(*internal) error { which += "first"; return nil })),
			smartpoll.WithTask("k", then(func(*internal) error { which += "last"; return nil }))))
		synctest.Wait()
		r.stop()
		if which != "last" {
			t.Errorf("of two tasks with one key ran %q, want the last", which)
		}
	})
	s := mustNew(t, smartpoll.WithTask("k", nothing))
	want := caught(func() { _ = map[any]int{1: 1}[any([]int{})] })
	if got := caught(func() { s.Next([]int{}) }); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Next([]int{}) panics with %v, want the runtime's %v", got, want)
	}
}

func TestBehaviour12TextsOfNew(t *testing.T) {
	task := smartpoll.WithTask("k", nothing)
	var noChannel chan int
	hook := func(context.Context, *internal, int, bool) error { return nil }
	type dynamic struct{ v any }
	for _, test := range []struct {
		options []smartpoll.Option
		want    string
	}{
		{nil, "smartpoll: no tasks configured"},
		{[]smartpoll.Option{start()}, "smartpoll: no tasks configured"},
		{[]smartpoll.Option{smartpoll.WithTask("k", nil)}, "smartpoll: task func must not be nil"},
		{[]smartpoll.Option{smartpoll.WithTask([]int{}, nil)}, "smartpoll: task func must not be nil"},
		{[]smartpoll.Option{task, smartpoll.WithRunHook(nil)}, "smartpoll: run hook must not be nil"},
		{[]smartpoll.Option{task, smartpoll.WithHook(noChannel, hook)}, "smartpoll: hook channel must not be nil"},
		{[]smartpoll.Option{task, smartpoll.WithHook[int](noChannel, nil)}, "smartpoll: hook channel must not be nil"},
		{[]smartpoll.Option{task, smartpoll.WithHook[int](make(chan int), nil)}, "smartpoll: hook func must not be nil"},
		{[]smartpoll.Option{smartpoll.WithTask([]int{}, nothing)}, "smartpoll: task key type []int is not comparable"},
		{[]smartpoll.Option{smartpoll.WithTask(dynamic{[]int{}}, nothing)}, "smartpoll: task key type smartpoll_test.dynamic is not comparable"},
		{[]smartpoll.Option{smartpoll.WithTask("k", nil), smartpoll.WithRunHook(nil)}, "smartpoll: task func must not be nil"},
		{[]smartpoll.Option{smartpoll.WithRunHook(nil), smartpoll.WithTask("k", nil)}, "smartpoll: run hook must not be nil"},
		{[]smartpoll.Option{task, nil}, "smartpoll: option must not be nil"},
		{[]smartpoll.Option{smartpoll.WithTask("k", nothing, nil)}, "smartpoll: option of task k must not be nil"},
	} {
		s, err := smartpoll.New(test.options...)
		if s != nil || err == nil || err.Error() != test.want {
			t.Errorf("New() = %v, %v, want nil, %s", s, err, test.want)
		}
	}
}

func TestBehaviour12TextsOfPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type pair struct{ a, b int }
		calls := []struct {
			call func(*internal)
			want string
		}{
			{func(i *internal) { i.Next("x") }, "smartpoll: task not found: string: x"},
			{func(i *internal) { i.Running(1) }, "smartpoll: task not found: int: 1"},
			{func(i *internal) { i.Schedule(nil, 0) }, "smartpoll: task not found: <nil>: <nil>"},
			{func(i *internal) { i.ScheduleAt(pair{1, 2}, time.Time{}) }, "smartpoll: task not found: smartpoll_test.pair: {1 2}"},
			{func(i *internal) { i.StopTimer(true) }, "smartpoll: task not found: bool: true"},
			{func(i *internal) { i.ScheduleSooner("x", 1) }, "smartpoll: task not found: string: x"},
			{func(i *internal) { i.ScheduleSooner("x", 0) }, "smartpoll: cannot schedule sooner of invalid duration: 0s"},
			{func(i *internal) { i.ScheduleSooner("k", -time.Second) }, "smartpoll: cannot schedule sooner of invalid duration: -1s"},
			{func(i *internal) { i.ScheduleAtSooner("x", time.Time{}) }, "smartpoll: task not found: string: x"},
			{func(i *internal) { i.ScheduleAtSooner("k", time.Time{}) }, "smartpoll: cannot schedule at sooner of zero time"},
		}
		ran := 0
		s := mustNew(t, start("panics"),
			smartpoll.WithTask("panics", then(func(i *internal) error {
				for _, test := range calls {
					if got := caught(func() { test.call(i) }); got != test.want {
						t.Errorf("panics with %v, want the string %q", got, test.want)
					}
				}
				if got := caught(func() { i.Schedule([]int{}, 0) }); got == nil {
					t.Error("Schedule([]int{}) did not panic")
				}
				i.Schedule("k", time.Second)
				return nil
			})),
			smartpoll.WithTask("k", then(func(*internal) error { ran++; return nil })))
		r := run(s)
		time.Sleep(2 * time.Second)
		r.stop()
		if ran != 1 {
			t.Errorf("after recovered panics the loop ran %d tasks, want 1", ran)
		}
	})
}

func TestFaultNaNKey(t *testing.T) {
	for key, want := range map[any]string{
		math.NaN():                     "smartpoll: task key type float64 is not comparable",
		[1]float64{math.NaN()}:         "smartpoll: task key type [1]float64 is not comparable",
		struct{ v any }{v: math.NaN()}: "smartpoll: task key type struct { v interface {} } is not comparable",
	} {
		if s, err := smartpoll.New(smartpoll.WithTask(key, nothing)); s != nil || err == nil || err.Error() != want {
			t.Errorf("New() with key %v = %v, %v, want nil, %s", key, s, err, want)
		}
	}
}
