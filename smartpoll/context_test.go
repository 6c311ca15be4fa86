package smartpoll_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// capture, in a bubble, runs a task once, under parent, and returns its context,
// used by use while it was live.
func capture(t *testing.T, parent context.Context, use func(context.Context)) context.Context {
	t.Helper()
	var got context.Context
	s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
		use(ctx)
		got = ctx
		return nil, nil
	}))
	go s.Run(parent)
	synctest.Wait()
	return got
}

// A context that ended with its call says Canceled for ever, also when the
// parent reaches its deadline, or is cancelled with a cause, and whatever was
// asked before.
func TestPitfallErrDoesNotChangeAfterTheCall(t *testing.T) {
	for name, use := range map[string]func(context.Context){
		"unused":   func(context.Context) {},
		"Err":      func(ctx context.Context) { ctx.Err() },
		"Done":     func(ctx context.Context) { ctx.Done() },
		"Value":    func(ctx context.Context) { ctx.Value("x") },
		"children": func(ctx context.Context) { _, cancel := context.WithCancel(ctx); t.Cleanup(cancel) },
	} {
		for _, asked := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the deadline"))
				defer cancel()
				ctx := capture(t, parent, use)
				check := func(when string) {
					if got := ctx.Err(); got != context.Canceled { // before Done, which would settle it
						t.Errorf("%s: Err() %s = %v, want %v", name, when, got, context.Canceled)
					}
					if got := context.Cause(ctx); got != context.Canceled {
						t.Errorf("%s: Cause %s = %v, want %v", name, when, got, context.Canceled)
					}
					select {
					case <-ctx.Done():
					default:
						t.Errorf("%s: Done() %s is open", name, when)
					}
					child, cancel := context.WithCancel(ctx)
					defer cancel()
					if child.Err() != context.Canceled {
						t.Errorf("%s: Err() of a late child = %v %s, want %v", name, child.Err(), when, context.Canceled)
					}
				}
				if asked {
					check("after the call")
				}
				time.Sleep(time.Hour)
				check("after the parent's deadline")
			})
		}
	}
}

func TestContextOfACallThatOutlivesItsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("the cause")
		parent, cancel := context.WithCancelCause(t.Context())
		ctx := capture(t, parent, func(ctx context.Context) {
			cancel(cause)
			if ctx.Err() != context.Canceled || context.Cause(ctx) != cause {
				t.Errorf("Err() = %v, Cause = %v after the parent's end, want %v, %v", ctx.Err(), context.Cause(ctx), context.Canceled, cause)
			}
		})
		if ctx.Err() != context.Canceled || context.Cause(ctx) != cause {
			t.Errorf("Err() = %v, Cause = %v after the call, want still %v, %v", ctx.Err(), context.Cause(ctx), context.Canceled, cause)
		}
	})
}

// The end of a call and the first use of its context meet.
func TestContextEndRacesWithFirstUse(t *testing.T) {
	var users sync.WaitGroup
	n := 0
	s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
		for _, use := range []func(){
			func() { <-ctx.Done() },
			func() { <-ctx.Done(); ctx.Err() },
			func() { context.Cause(ctx) },
			func() { context.AfterFunc(ctx, func() {}) },
		} {
			users.Go(use)
		}
		return func(_ context.Context, i *internal) error {
			if n++; n == 500 {
				return errFlaky
			}
			i.Schedule("k", 0)
			return nil
		}, nil
	}))
	if got := s.Run(t.Context()); got != errFlaky {
		t.Errorf("Run() = %v, want %v", got, errFlaky)
	}
	users.Wait()
}

// Cancel meets the start of a task with a Timeout, which changes what its context stands on.
func TestCancelRacesWithTheStartOfATimeout(t *testing.T) {
	const runs = 500
	var running atomic.Bool
	n := 0
	s := mustNew(t, start("k"),
		smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("the context of a task with a Timeout has no deadline")
			}
			if n++; n >= runs { // or more: its result may be dropped
				return nil, errFlaky
			}
			<-ctx.Done()
			if got := context.Cause(ctx); got != smartpoll.ErrTaskCancelled {
				t.Errorf("Cause = %v, want %v", got, smartpoll.ErrTaskCancelled)
			}
			return nil, nil
		}, smartpoll.Timeout(time.Hour)))
	running.Store(true)
	var others sync.WaitGroup
	others.Go(func() {
		for running.Load() {
			if s.Cancel("k") {
				s.Schedule("k", 0)
			}
		}
	})
	if got := s.Run(t.Context()); got != errFlaky {
		t.Errorf("Run() = %v, want %v", got, errFlaky)
	}
	running.Store(false)
	others.Wait()
}
