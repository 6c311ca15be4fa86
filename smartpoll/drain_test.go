package smartpoll_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestDrainGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		type key struct{}
		var j journal
		ch := make(chan int)
		s := mustNew(t, start("finishes", "cancelled"), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Minute, Wait: time.Minute}),
			onRun(func(i *internal) { i.Schedule("due", 10*time.Second) }),
			smartpoll.WithTask("finishes", func(ctx context.Context) (hook, error) {
				if _, ok := ctx.Deadline(); ok || ctx.Value(key{}) != "value" {
					t.Errorf("with a grace a task has a deadline: %v, value: %v, want false, and that of Run's context", ok, ctx.Value(key{}))
				}
				time.Sleep(30 * time.Second)
				j.add("finishes %v", ctx.Err())
				return func(ctx context.Context, i *internal) error {
					j.add("its hook %v", ctx.Err())
					i.Schedule("finishes", 0) // is not started any more
					return nil
				}, nil
			}),
			smartpoll.WithTask("cancelled", func(ctx context.Context) (hook, error) {
				<-ctx.Done()
				j.add("cancelled %v", since(begin))
				return nil, nil
			}),
			smartpoll.WithTask("due", func(ctx context.Context) (hook, error) { t.Error("started during the drain"); return nil, nil }),
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { return nil }))
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, "value"), 5*time.Second)
		defer cancel()
		r := runCtx(ctx, cancel, s)
		ch <- 1
		time.Sleep(6 * time.Second)
		synctest.Wait()
		select {
		case ch <- 1:
			t.Error("a channel hook received during the drain")
		default:
		}
		if got := r.wait(); got != context.DeadlineExceeded {
			t.Errorf("Run() = %v, want %v", got, context.DeadlineExceeded)
		}
		j.want(t, "finishes <nil>", "its hook <nil>", "cancelled 1m5s")
		if got := since(begin); got != 65*time.Second {
			t.Errorf("Run() returned after %v, want %v", got, 65*time.Second)
		}
	})
}

func TestDrainEndsWithTheLastTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		hooks := 0
		s := mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Hour}),
			smartpoll.WithTask("k", func(context.Context) (hook, error) {
				time.Sleep(time.Minute)
				return func(context.Context, *internal) error { hooks++; return nil }, nil
			}))
		r := run(s)
		time.Sleep(time.Second)
		r.stop()
		if got := since(begin); got != time.Minute || hooks != 1 {
			t.Errorf("Run() returned after %v with %d hooks called, want %v, 1", got, hooks, time.Minute)
		}
	})
}

func TestDrainWaitNamesStragglers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		s := mustNew(t, start("stubborn", "quick"), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
			smartpoll.WithTask("stubborn", func(context.Context) (hook, error) { time.Sleep(time.Hour); return nil, nil }),
			smartpoll.WithTask("quick", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, nil }))
		r := run(s)
		synctest.Wait()
		err := r.stop()
		var drain *smartpoll.DrainError
		if !errors.As(err, &drain) || !slices.Equal(drain.Keys, []any{"stubborn"}) || !errors.Is(err, context.Canceled) {
			t.Fatalf("Run() = %v, want a DrainError that names the straggler, and %v", err, context.Canceled)
		}
		if got, want := drain.Error(), "smartpoll: still running 1m0s after cancellation: stubborn"; got != want {
			t.Errorf("DrainError = %q, want %q", got, want)
		}
		if got := since(begin); got != time.Minute {
			t.Errorf("Run() returned after %v, want %v", got, time.Minute)
		}
		time.Sleep(time.Hour)
	})
}

// A bubble fails if anything is left blocked when its function returns.
func TestDrainLeavesABubbleClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithTask("k", func(ctx context.Context) (hook, error) { <-ctx.Done(); time.Sleep(time.Minute); return nil, nil }))
		r := run(s)
		synctest.Wait()
		if got := r.stop(); got != context.Canceled || s.Running("k") {
			t.Errorf("Run() = %v, Running() = %v, want %v, false", got, s.Running("k"), context.Canceled)
		}
	})
}

func TestDrainGraceIsSkippedAfterAnError(t *testing.T) {
	for _, during := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			boom := errors.New("boom")
			s := mustNew(t, start("k", "fails"), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Hour, Wait: time.Hour}),
				smartpoll.WithTask("k", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, nil }),
				smartpoll.WithTask("fails", func(context.Context) (hook, error) { time.Sleep(time.Minute); return nil, boom }))
			r := run(s)
			if synctest.Wait(); during {
				r.cancel()
			}
			if got := r.wait(); got != boom {
				t.Errorf("Run() = %v, want %v", got, boom)
			}
			if got := since(begin); got != time.Minute {
				t.Errorf("Run() returned after %v, want %v", got, time.Minute)
			}
		})
	}
}

func TestDrainIsChecked(t *testing.T) {
	for _, test := range []struct {
		drain smartpoll.Drain
		want  string
	}{
		{smartpoll.Drain{Grace: -1}, "smartpoll: drain grace -1ns is negative, use a positive duration, or zero for none"},
		{smartpoll.Drain{Wait: -1}, "smartpoll: drain wait -1ns is negative, use a positive duration, or zero for none"},
	} {
		if _, err := smartpoll.New(smartpoll.WithDrain(test.drain)); err == nil || err.Error() != test.want {
			t.Errorf("New() with %+v = %v, want %s", test.drain, err, test.want)
		}
	}
}
