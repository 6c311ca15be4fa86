package smartpoll_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		ch := make(chan int)
		s := mustNew(t, smartpoll.WithMaxRunning(1), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithObserver(&smartpoll.Observer{
				OnStart: func(key any, late, held time.Duration) { j.add("start %v late %v held %v", key, late, held) },
				OnDone:  func(key any, took time.Duration, err error) { j.add("done %v took %v: %v", key, took, err) },
				OnHook:  func(key any, took time.Duration, err error) { j.add("hook %v took %v: %v", key, took, err) },
			}),
			smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { time.Sleep(time.Second); return nil }),
			smartpoll.WithTask("a", func(context.Context) (hook, error) {
				time.Sleep(3 * time.Second)
				return func(context.Context, *internal) error { time.Sleep(2 * time.Second); return nil }, nil
			}),
			smartpoll.WithTask("b", func(context.Context) (hook, error) { return nil, errFlaky }, smartpoll.Retry(smartpoll.Backoff{Min: time.Hour, Max: time.Hour})),
			smartpoll.WithTask("c", func(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, ctx.Err() }))
		r := run(s)
		s.Schedule("a", time.Second)
		s.ScheduleAt("b", time.Now().Add(2*time.Second).Round(0))
		time.Sleep(10 * time.Second)
		j.want(t, "start a late 0s held 0s", "done a took 3s: <nil>", "hook a took 2s: <nil>", "start b late 0s held 4s", "done b took 0s: flaky")
		a, _ := s.Info("a")
		b, _ := s.Info("b")
		if a.Took != 3*time.Second || b.Held != 4*time.Second || b.Failures != 1 {
			t.Errorf("Info() = %+v, %+v, want Took 3s, Held 4s", a, b)
		}
		j.lines = nil
		s.Schedule("c", 0)
		time.Sleep(time.Second)
		s.Cancel("c")
		ch <- 1
		time.Sleep(time.Minute)
		j.want(t, "start c late 0s held 0s", "done c took 1s: smartpoll: task cancelled", "hook <nil> took 1s: <nil>")
		r.stop()
	})
}

// The error of an invocation that was dropped says why, whatever else has ended its context, and when.
func TestObserverOfADroppedTask(t *testing.T) {
	for want, drop := range map[error]func(*smartpoll.Scheduler){
		smartpoll.ErrTaskCancelled: func(s *smartpoll.Scheduler) { s.Cancel("k") },
		smartpoll.ErrTaskRemoved:   func(s *smartpoll.Scheduler) { s.Remove("k") },
		smartpoll.ErrTaskReplaced:  func(s *smartpoll.Scheduler) { s.Schedule("k", 0) },
	} {
		for what, wait := range map[string]time.Duration{"running": time.Second, "timed out": time.Minute, "over": time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				s := mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Wait: 2 * time.Hour}),
					smartpoll.WithObserver(&smartpoll.Observer{OnDone: func(_ any, took time.Duration, err error) {
						if took > 0 {
							j.add("%v", err)
						}
					}}),
					smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
						<-ctx.Done()
						time.Sleep(90 * time.Minute)
						return nil, nil
					}, smartpoll.Timeout(10*time.Second), smartpoll.Overlap(smartpoll.Replace)))
				r := run(s)
				time.Sleep(wait)
				if what == "over" {
					r.cancel()
				}
				drop(s)
				time.Sleep(90 * time.Minute)
				r.stop()
				if len(j.lines) == 0 || j.lines[0] != want.Error() {
					t.Errorf("%s when %v: OnDone got %q, want it first", what, want, j.lines)
				}
			})
		}
	}
}

// A func of the Observer that panics for a task that Run has not waited for does not race with Run.
func TestObserverFailsAfterRun(t *testing.T) {
	for range 200 {
		ctx, cancel := context.WithCancel(t.Context())
		s := mustNew(t, start(1, 2, 3, 4), smartpoll.WithObserver(&smartpoll.Observer{OnDone: func(any, time.Duration, error) { panic(errFlaky) }}),
			smartpoll.WithTask(1, cancelled), smartpoll.WithTask(2, cancelled), smartpoll.WithTask(3, cancelled), smartpoll.WithTask(4, cancelled))
		time.AfterFunc(100*time.Microsecond, cancel)
		if err := s.Run(ctx); err != context.Canceled && !errors.Is(err, errFlaky) {
			t.Errorf("Run() = %v, want %v or %v", err, context.Canceled, errFlaky)
		}
	}
}

// cancelled is a task that lasts until its context ends.
func cancelled(ctx context.Context) (hook, error) { <-ctx.Done(); return nil, nil }

// An Observer whose funcs are nil, and methods that are called by those that are not.
func TestObserverMayCallMethods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *smartpoll.Scheduler
		n := 0
		s = mustNew(t, start("k"), smartpoll.WithTask("k", nothing), smartpoll.WithObserver(&smartpoll.Observer{OnDone: func(key any, _ time.Duration, _ error) {
			if info, ok := s.Info(key); !ok || info.State != smartpoll.Running {
				t.Errorf("Info() in OnDone = %+v, want it running", info)
			}
			if n++; n < 3 {
				s.Schedule(key, time.Second)
			}
		}}))
		r := run(s)
		time.Sleep(time.Minute)
		if r.stop(); n != 3 {
			t.Errorf("ran %d times, want 3", n)
		}
		r = run(mustNew(t, start("k"), smartpoll.WithTask("k", then(func(i *internal) error { return nil })), smartpoll.WithObserver(&smartpoll.Observer{})))
		synctest.Wait()
		if got := r.stop(); got != context.Canceled {
			t.Errorf("Run() with an empty Observer = %v, want %v", got, context.Canceled)
		}
	})
}
