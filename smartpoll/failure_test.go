package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A fetch that fails is a failure of its task, for Info, the Observer and OnError alike.
func TestAFailedFetchIsAFailureOfItsTask(t *testing.T) {
	errCommit := errors.New("commit failed")
	for _, tt := range []struct {
		commit  func(error) error
		retry   bool
		onError error // what OnError is asked with
	}{
		{func(error) error { return nil }, false, errFlaky},
		{func(error) error { return nil }, true, errFlaky},
		{func(err error) error { return err }, false, errFlaky},
		{func(err error) error { return err }, true, errFlaky},
		{func(error) error { return errCommit }, true, errCommit},
	} {
		synctest.Test(t, func(t *testing.T) {
			var done, asked []error
			opts := []smartpoll.TaskOption{smartpoll.OnError(func(_ context.Context, _ *internal, _ any, err error) error {
				asked = append(asked, err)
				return nil
			})}
			if tt.retry {
				opts = append(opts, smartpoll.Retry(smartpoll.Backoff{Min: time.Hour}))
			}
			s := mustNew(t, start("k"), smartpoll.WithObserver(&smartpoll.Observer{OnDone: func(_ any, _ time.Duration, err error) { done = append(done, err) }}),
				smartpoll.WithTask("k", smartpoll.Poll(func(ctx context.Context) (int, error) {
					return 0, errFlaky
				}, func(_ context.Context, _ *internal, _ int, err error) error { return tt.commit(err) }), opts...))
			r := run(s)
			synctest.Wait()
			info, _ := s.Info("k")
			if info.Failures != 1 || info.Err != tt.onError {
				t.Errorf("retry %v: Failures = %d, Err = %v, want 1, %v", tt.retry, info.Failures, info.Err, tt.onError)
			}
			if got := r.stop(); got != context.Canceled {
				t.Errorf("Run() = %v, want %v", got, context.Canceled)
			}
			if fmt.Sprint(done) != fmt.Sprint([]error{errFlaky}) || fmt.Sprint(asked) != fmt.Sprint([]error{tt.onError}) {
				t.Errorf("retry %v: OnDone is told %v and OnError asked with %v, want %v and %v once each", tt.retry, done, asked, errFlaky, tt.onError)
			}
		})
	}
}

// hostileError panics in each of its methods, unless it is nil where it says so.
type hostileError struct{ after time.Duration }

func (e *hostileError) Error() string             { panic("Error") }
func (e *hostileError) RetryAfter() time.Duration { return e.after } // nil dereference
func (e *hostileError) As(any) bool               { panic("As") }

type hostileUnwrap struct{}

func (hostileUnwrap) Error() string { return "hostile" }
func (hostileUnwrap) Unwrap() error { panic("Unwrap") }

// Whatever method of a user's value panics: with WithRecover it is a failure of the task, and Run goes on.
func TestRecoverContainsMethodsOfErrors(t *testing.T) {
	for _, hostile := range []error{(*hostileError)(nil), hostileUnwrap{}, fmt.Errorf("wrapped: %w", hostileUnwrap{})} {
		for name, task := range map[string]smartpoll.Task{
			"task": func(context.Context) (hook, error) { return nil, hostile },
			"poll": smartpoll.Poll(func(context.Context) (int, error) { return 0, hostile },
				func(_ context.Context, _ *internal, _ int, err error) error { return err }),
		} {
			synctest.Test(t, func(t *testing.T) {
				s := mustNew(t, start("k"), smartpoll.WithRecover(), smartpoll.WithTask("k", task, smartpoll.Retry(smartpoll.Backoff{Min: time.Minute})))
				r := run(s)
				synctest.Wait()
				info, _ := s.Info("k")
				if _, ok := errors.AsType[*smartpoll.TaskError](info.Err); !ok || info.Failures != 1 || info.State != smartpoll.Waiting {
					t.Errorf("%s, %T: %v, %d failures and %v, want waiting for the retry after one failure, and a TaskError", name, hostile, info.State, info.Failures, info.Err)
				}
				if got := r.stop(); got != context.Canceled {
					t.Errorf("%s, %T: Run() = %v, want %v", name, hostile, got, context.Canceled)
				}
			})
		}
	}
}

// The Observer is told of every hook: those of tasks, OnError, and functions passed to Do.
func TestOnHookIsToldOfEveryHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := mustNew(t, start("k"), smartpoll.WithObserver(&smartpoll.Observer{OnHook: func(key any, took time.Duration, err error) { j.add("%v %v %v", key, took, err) }}),
			smartpoll.WithTask("k", func(context.Context) (hook, error) { return nil, errFlaky },
				smartpoll.OnError(func(context.Context, *internal, any, error) error { time.Sleep(time.Second); return nil })))
		r := run(s)
		time.Sleep(2 * time.Second)
		s.Do(t.Context(), func(context.Context, *internal) error { time.Sleep(time.Minute); return errFlaky })
		r.stop()
		j.want(t, "<nil> 0s <nil>", "k 1s <nil>", fmt.Sprint("<nil> 1m0s ", errFlaky))
	})
}

// What ended Run is the cause for tasks that had a grace.
func TestTheCauseOutlivesTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the machine goes down")
		ctx, cancel := context.WithCancelCause(t.Context())
		var causes []error
		task := func(ctx context.Context) (hook, error) {
			<-ctx.Done()
			causes = append(causes, context.Cause(ctx), ctx.Err())
			return nil, nil
		}
		r := runCtx(ctx, func() { cancel(why) }, mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Second, Wait: time.Second}), smartpoll.WithTask("k", task)))
		synctest.Wait()
		r.stop()
		if len(causes) != 2 || causes[0] != why || causes[1] != context.Canceled {
			t.Errorf("Cause and Err of a task's context = %v, want %v and %v", causes, why, context.Canceled)
		}
	})
}

// A task has started when it did, not when the hook that scheduled it did so.
func TestStartedIsTheTimeOfTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := mustNew(t, smartpoll.WithTask("k", nothing), start("first"),
			smartpoll.WithTask("first", then(func(i *internal) error { i.Schedule("k", 0); time.Sleep(10 * time.Minute); return nil })))
		r := run(s)
		time.Sleep(11 * time.Minute)
		if info, _ := s.Info("k"); info.Started.Sub(begin) != 10*time.Minute {
			t.Errorf("Started %v after the hook began, want 10m", info.Started.Sub(begin))
		}
		r.stop()
	})
}

// What we hand out can be printed while it is in use.
func TestWhatIsHandedOutCanBePrinted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Rate: 1000})
		print := func(ctx context.Context) {
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			for _, verb := range []string{"%v", "%+v", "%s"} {
				_ = fmt.Sprintf(verb, ctx) + fmt.Sprintf(verb, derived)
			}
			_ = fmt.Sprintf("%#v", ctx)
		}
		s := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			for ctx.Err() == nil {
				print(ctx)
				time.Sleep(100 * time.Microsecond)
			}
			return nil, nil
		}, smartpoll.In(g), smartpoll.On(smartpoll.Every(time.Millisecond))))
		r := run(s)
		for range 50 {
			time.Sleep(time.Millisecond)
			s.Cancel("k")
			for _, verb := range []string{"%v", "%+v", "%#v"} {
				_ = fmt.Sprintf(verb, s) + fmt.Sprintf(verb, g)
			}
			s.Do(t.Context(), func(ctx context.Context, i *internal) error { _ = fmt.Sprintf("%+v", i); print(ctx); return nil })
		}
		r.stop()
		time.Sleep(time.Second)
	})
}
