package smartpoll_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A hook is reported while it runs, once, whatever kind of hook it is.
func TestSlowHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		begin := time.Now()
		ch := make(chan time.Duration)
		sleeps := func(d time.Duration) smartpoll.Task {
			return then(func(*internal) error { time.Sleep(d); return nil })
		}
		s := mustNew(t, smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithObserver(&smartpoll.Observer{
				OnHook: func(key any, took time.Duration, err error) {
					if took > 0 {
						j.add("%v: %v took %v", since(begin), key, took)
					}
				},
				OnSlowHook: func(key any, took time.Duration) { j.add("%v: %v takes %v", since(begin), key, took) },
				SlowHook:   2 * time.Second,
			}),
			onRun(func(*internal) { time.Sleep(5 * time.Second) }),
			smartpoll.WithHook(ch, func(_ context.Context, _ *internal, d time.Duration, _ bool) error { time.Sleep(d); return nil }),
			smartpoll.WithEndHook(func(context.Context, *internal) error { time.Sleep(4 * time.Second); return nil }))
		r := run(s)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		j.want(t, "2s: <nil> takes 2s", "5s: <nil> took 5s")
		j.lines = nil

		ch <- 7 * time.Second
		time.Sleep(10 * time.Second)
		synctest.Wait()
		j.want(t, "12s: <nil> takes 2s", "17s: <nil> took 7s")
		j.lines = nil

		mustAdd(t, s, "quick", sleeps(time.Second), smartpoll.On(smartpoll.Every(1500*time.Millisecond)))
		time.Sleep(20 * time.Second)
		s.Remove("quick")
		time.Sleep(10*time.Second - since(begin)%(10*time.Second))
		synctest.Wait()
		for _, line := range j.lines {
			if line[len(line)-2:] != "1s" {
				t.Errorf("%s, want no hook of 1s reported as slow", line)
			}
		}
		j.lines = nil

		mustAdd(t, s, "slow", sleeps(3*time.Second), smartpoll.On(smartpoll.Every(10*time.Second)))
		time.Sleep(25 * time.Second)
		s.Remove("slow")
		block(s, 3*time.Second)
		j.want(t, "1m2s: slow takes 2s", "1m3s: slow took 3s", "1m12s: slow takes 2s", "1m13s: slow took 3s",
			"1m17s: <nil> takes 2s", "1m18s: <nil> took 3s")
		j.lines = nil

		r.stop()
		j.want(t, "1m20s: <nil> takes 2s", "1m22s: <nil> took 4s")
	})
}

// A hook ends after the func that is told of it, and both may call methods.
func TestSlowHookIsOverAfterItsReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var s *smartpoll.Scheduler
		s = mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithTask("k", then(func(*internal) error { time.Sleep(1500 * time.Millisecond); j.add("returns"); return nil })),
			smartpoll.WithObserver(&smartpoll.Observer{
				OnHook: func(key any, took time.Duration, _ error) {
					if key != nil {
						j.add("hook %v", took)
					}
				},
				OnSlowHook: func(key any, took time.Duration) {
					info, _ := s.Info(key)
					j.add("%v after %v", info.State, took)
					time.Sleep(time.Second)
					j.add("told")
				},
			}))
		r := run(s)
		time.Sleep(time.Minute)
		j.want(t, "hook after 1s", "returns", "told", "hook 2s")
		r.stop()
	})
}

// Hooks that end by panic or Goexit are over, too, and a panic of the func ends the Run.
func TestSlowHookThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		told := func(key any, took time.Duration) {
			j.add("%v takes %v", key, took)
			if key == "blow" {
				panic(errFlaky)
			}
			if key == "exit" {
				runtime.Goexit()
			}
		}
		s := mustNew(t, smartpoll.WithDynamic(), smartpoll.WithRecover(), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithObserver(&smartpoll.Observer{OnSlowHook: told}),
			smartpoll.WithTask("goexit", then(func(*internal) error { runtime.Goexit(); return nil })))
		r := run(s)
		synctest.Wait()
		caught(func() {
			_ = s.Do(t.Context(), func(context.Context, *internal) error { panic(errFlaky) })
		})
		time.Sleep(time.Minute)
		s.Schedule("goexit", 0)
		if got := r.wait(); got != smartpoll.ErrPanicInTask {
			t.Errorf("Run() = %v, want %v", got, smartpoll.ErrPanicInTask)
		}
		time.Sleep(time.Minute)
		j.want(t)
		for _, key := range []string{"exit", "blow"} {
			mustAdd(t, s, key, then(func(*internal) error { time.Sleep(3 * time.Second); return nil }))
			r = run(s)
			s.Schedule(key, 0)
			time.Sleep(time.Minute)
			err := r.stop()
			var panicked *smartpoll.TaskError
			if errors.As(err, &panicked) != (key == "blow") {
				t.Errorf("Run() with %s = %v, want a TaskError after a panic alone", key, err)
			}
		}
		j.want(t, "exit takes 1s", "blow takes 1s")
	})
}

func TestSlowHookOptions(t *testing.T) {
	_, err := smartpoll.New(smartpoll.WithDynamic(), smartpoll.WithObserver(&smartpoll.Observer{SlowHook: -1}))
	if err == nil || err.Error() != "smartpoll: slow hook -1ns is negative, use a positive duration, or zero for 1s" {
		t.Errorf("New() = %v, want what is wrong", err)
	}
}
