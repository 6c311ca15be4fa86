package smartpoll_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Do is a hook: state that hooks touch needs no lock, and its error is the caller's.
func TestDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := 0 // the race detector watches
		type key struct{}
		s := mustNew(t, start("k"), smartpoll.WithTask("k", then(func(i *internal) error { state++; i.Schedule("k", time.Millisecond); return nil })))
		r := run(s)
		synctest.Wait()
		var callers sync.WaitGroup
		for range 10 {
			callers.Go(func() {
				for range 20 {
					ctx := context.WithValue(t.Context(), key{}, "value")
					if err := s.Do(ctx, func(ctx context.Context, i *internal) error {
						if ctx.Value(key{}) != "value" || ctx.Err() != nil {
							t.Error("the context of Do's func lacks the value of its own, or is done")
						}
						state++
						i.Schedule("k", 0)
						return errFlaky
					}); err != errFlaky {
						t.Errorf("Do() = %v, want %v", err, errFlaky)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		callers.Wait()
		if got := r.stop(); got != context.Canceled || state < 200 {
			t.Errorf("Run() = %v, state = %d, want %v, at least 200", got, state, context.Canceled)
		}
	})
}

func TestDoWithoutARun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Minute}),
			smartpoll.WithTask("k", func(context.Context) (hook, error) { time.Sleep(time.Second); return nil, nil }))
		never := func(context.Context, *internal) error { t.Error("Do calls its func without a Run"); return nil }
		if got := s.Do(t.Context(), never); got != smartpoll.ErrNotRunning {
			t.Errorf("Do() before Run = %v, want %v", got, smartpoll.ErrNotRunning)
		}
		r := run(s)
		synctest.Wait()
		r.cancel()
		synctest.Wait() // in the grace
		if got := s.Do(t.Context(), never); got != smartpoll.ErrNotRunning {
			t.Errorf("Do() while Run ends = %v, want %v", got, smartpoll.ErrNotRunning)
		}
		r.wait()
		if got := s.Do(t.Context(), never); got != smartpoll.ErrNotRunning {
			t.Errorf("Do() after Run = %v, want %v", got, smartpoll.ErrNotRunning)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if got := s.Do(ctx, never); got != context.Canceled {
			t.Errorf("Do() with a context that is done = %v, want %v", got, context.Canceled)
		}
	})
}

// Whoever waits gives up with its context, or with Run, and leaves no trace.
func TestDoGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		ch := make(chan int)
		s := mustNew(t, smartpoll.WithTask("k", nothing), smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { time.Sleep(time.Minute); return nil }))
		never := func(context.Context, *internal) error { t.Error("Do calls its func after it gave up"); return nil }
		r := run(s)
		ch <- 1
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := s.Do(ctx, never); got != context.DeadlineExceeded || since(begin) != time.Second {
			t.Errorf("Do() during a hook = %v after %v, want %v after 1s", got, since(begin), context.DeadlineExceeded)
		}
		var waits sync.WaitGroup
		waits.Go(func() {
			if got := s.Do(t.Context(), never); got != smartpoll.ErrNotRunning || since(begin) != time.Minute {
				t.Errorf("Do() = %v after %v, want %v when the hook ends after the stop", got, since(begin), smartpoll.ErrNotRunning)
			}
		})
		time.Sleep(time.Second)
		r.stop()
		waits.Wait()
	})
	synctest.Test(t, func(t *testing.T) { // in RunHooks that fail
		hooked := make(chan struct{})
		s := mustNew(t, smartpoll.WithTask("k", nothing), smartpoll.WithRunHook(func(context.Context, *internal) error { close(hooked); time.Sleep(time.Minute); return errFlaky }))
		r := run(s)
		<-hooked
		if got := s.Do(t.Context(), func(context.Context, *internal) error { return nil }); got != smartpoll.ErrNotRunning {
			t.Errorf("Do() during a RunHook that fails = %v, want %v", got, smartpoll.ErrNotRunning)
		}
		if got := r.wait(); got != errFlaky {
			t.Errorf("Run() = %v, want %v", got, errFlaky)
		}
	})
}

// The context of f ends with Run's; Run waits for f.
func TestDoWhileRunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("k", nothing))
		r := run(s)
		synctest.Wait()
		ended := false
		go s.Do(context.WithoutCancel(t.Context()), func(ctx context.Context, _ *internal) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
			return nil
		})
		synctest.Wait()
		if r.stop(); !ended {
			t.Error("Run() has returned while Do's func was running")
		}
	})
}

// A panic, and a Goexit, are the caller's, and the turn goes on.
func TestDoPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		s := mustNew(t, smartpoll.WithTask("k", then(func(*internal) error { n++; return nil })))
		r := run(s)
		synctest.Wait()
		if got := caught(func() { s.Do(t.Context(), func(context.Context, *internal) error { panic("boom") }) }); got != "boom" {
			t.Errorf("Do() panics with %v, want boom", got)
		}
		go s.Do(t.Context(), func(context.Context, *internal) error { runtime.Goexit(); return nil })
		synctest.Wait()
		s.Schedule("k", 0)
		synctest.Wait()
		if got := r.stop(); got != context.Canceled || n != 1 {
			t.Errorf("Run() = %v after %d runs, want %v, 1", got, n, context.Canceled)
		}
	})
}
