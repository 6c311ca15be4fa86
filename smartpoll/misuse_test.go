package smartpoll_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A zero Scheduler, Internal or Interval is not one that was made: each method says so.
func TestMethodsOfAZeroValueSayWhatIsMissing(t *testing.T) {
	var s smartpoll.Scheduler
	var i smartpoll.Internal
	const made = "smartpoll: scheduler must be initialized with New"
	type all interface {
		scheduler
		manager
		Delay(any) time.Duration
		Tasks() iter.Seq[smartpoll.TaskInfo]
	}
	for name, x := range map[string]all{"Scheduler": &s, "Internal": &i} {
		for n, f := range []func(){
			func() { x.Next(1) }, func() { x.Running(1) }, func() { x.Schedule(1, 0) }, func() { x.ScheduleAt(1, time.Now()) },
			func() { x.ScheduleSooner(1, 1) }, func() { x.ScheduleAtSooner(1, time.Now()) }, func() { x.StopTimer(1) },
			func() { x.Add(1, nothing) }, func() { x.Remove(1) }, func() { x.Cancel(1) }, func() { x.Pause(1) }, func() { x.Resume(1) },
			func() { x.Info(1) }, func() {
				for range x.Tasks() {
				}
			}, func() { x.Delay(1) },
		} {
			if got := caught(f); got != made {
				t.Errorf("method %d of a zero %s panics with %v, want %q", n, name, got, made)
			}
		}
	}
	if got := caught(func() { s.Do(t.Context(), func(context.Context, *internal) error { return nil }) }); got != made {
		t.Errorf("Do of a zero Scheduler panics with %v, want %q", got, made)
	}
	if got := caught(func() {
		h, _ := smartpoll.Poll(func(context.Context) (int, error) { return 0, errFlaky }, func(context.Context, *internal, int, error) error { return nil })(t.Context())
		h(t.Context(), &i)
	}); got != made {
		t.Errorf("the hook of a Poll with a zero Internal panics with %v, want %q", got, made)
	}
	const every = "smartpoll: an Interval must be made by Every"
	var zero smartpoll.Interval
	for n, f := range []func(){
		func() { zero.Offset(1) }, func() { zero.Spread("id") }, func() { zero.Jitter(0.1, "id") }, func() { zero.Next(time.Now()) },
	} {
		if got := caught(f); got != every {
			t.Errorf("method %d of a zero Interval panics with %v, want %q", n, got, every)
		}
	}
	if _, err := smartpoll.New(smartpoll.WithTask("k", nothing, smartpoll.On(zero))); err == nil || err.Error() != every {
		t.Errorf("New() with On(Interval{}) = %v, want %s", err, every)
	}
}

// Do within a hook would wait for itself for ever. With a context of the hook it says so.
func TestDoWithinAHookSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *smartpoll.Scheduler
		tries := 0
		try := func(ctx context.Context) {
			tries++
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			began := time.Now()
			if err := s.Do(ctx, func(context.Context, *internal) error { return nil }); !contains(err, "within a hook") || since(began) > 0 {
				t.Errorf("Do() within a hook = %v after %v, want an error that says so at once", err, since(began))
			}
		}
		ch := make(chan int)
		other := empty(t)
		s = mustNew(t, smartpoll.WithTask("k", func(context.Context) (hook, error) {
			return func(ctx context.Context, _ *internal) error { try(ctx); return errFlaky }, nil
		}, smartpoll.OnError(func(ctx context.Context, _ *internal, _ any, _ error) error { try(ctx); return nil })),
			smartpoll.WithHook(ch, func(ctx context.Context, _ *internal, _ int, _ bool) error { try(ctx); return nil }),
			smartpoll.WithRunHook(func(ctx context.Context, i *internal) error { try(ctx); i.Schedule("k", 0); return nil }))
		r, r2 := run(s), run(other)
		ch <- 1
		synctest.Wait()
		s.Do(t.Context(), func(ctx context.Context, _ *internal) error {
			try(ctx)
			return other.Do(ctx, func(ctx context.Context, _ *internal) error { try(ctx); return nil }) // that of another scheduler is fine
		})
		if tries != 6 {
			t.Errorf("%d hooks, want 6", tries)
		}
		r.stop()
		r2.stop()
	})
}

// The hook of a Poll that is called outside of its task commits, and that is all.
func TestTheHookOfAPollWorksInDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := empty(t)
		r := run(s)
		synctest.Wait()
		task := smartpoll.Poll(func(context.Context) (int, error) { return 7, errFlaky }, func(_ context.Context, _ *internal, n int, err error) error {
			return fmt.Errorf("%d: %w", n, err)
		})
		h, err := task(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Do(t.Context(), h); !contains(err, "7: ") {
			t.Errorf("Do() with the hook of a Poll = %v, want what commit returns", err)
		}
		r.stop()
	})
}

func TestPoliciesArePrintedAsTheyAreWritten(t *testing.T) {
	got := fmt.Sprint(smartpoll.Coalesce, " ", smartpoll.Skip, " ", smartpoll.Replace, " ", smartpoll.OverlapPolicy(7), " ", smartpoll.OverlapPolicy(-9), " ",
		smartpoll.MissedOnce, " ", smartpoll.MissedSkip, " ", smartpoll.MissedAll(3), " ", smartpoll.MissedPolicy(-9))
	if want := "Coalesce Skip Replace Queue(7) OverlapPolicy(-9) MissedOnce MissedSkip MissedAll(3) MissedPolicy(-9)"; got != want {
		t.Errorf("policies are printed as %s, want %s", got, want)
	}
	for _, opt := range []smartpoll.TaskOption{smartpoll.Overlap(-9), smartpoll.Missed(-9)} {
		if _, err := smartpoll.New(smartpoll.WithTask("k", nothing, opt)); err == nil || !strings.Contains(err.Error(), "policy -9") {
			t.Errorf("New() with a policy that is none = %v, want that it says -9", err)
		}
	}
}

// Whoever gives up behind a hook that does not return leaves nothing in the queue, at a cost that does
// not grow with it.
func TestDoThatGivesUpLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := empty(t)
		r := run(s)
		synctest.Wait()
		release := make(chan struct{})
		go s.Do(t.Context(), func(context.Context, *internal) error { <-release; return nil })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		const waiting = 2000
		for range waiting {
			go s.Do(ctx, func(context.Context, *internal) error { t.Error("Do calls its func after it gave up"); return nil })
		}
		ran := make(chan error, 1)
		synctest.Wait()
		go func() {
			ran <- s.Do(t.Context(), func(context.Context, *internal) error { return nil })
		}()
		synctest.Wait()
		if got := smartpoll.QueueLen(s); got != waiting+1 {
			t.Errorf("%d wait, want %d", got, waiting+1)
		}
		cancel()
		synctest.Wait()
		if got := smartpoll.QueueLen(s); got != 1 {
			t.Errorf("%d wait after all but one gave up, want 1", got)
		}
		close(release)
		if err := <-ran; err != nil {
			t.Errorf("Do() behind those that gave up = %v, want nil", err)
		}
		r.stop()
	})
}
