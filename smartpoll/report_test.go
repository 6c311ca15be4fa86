package smartpoll_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// reporter notes what an Observer is told besides starts and ends, with the time since it was made.
func reporter(j *journal) *smartpoll.Observer {
	begin := time.Now()
	return &smartpoll.Observer{
		OnSkip: func(key any, n uint64) { j.add("%v: %v skips %d", since(begin), key, n) },
		OnPark: func(key any, g *smartpoll.Group) {
			j.add("%v: %v waits, %d ahead", since(begin), key, g.Info().Waiting-1)
		},
		OnRetry: func(key any, failures int, after time.Duration, err error) {
			j.add("%v: %v failed %d times, again in %v: %v", since(begin), key, failures, after, err)
		},
	}
}

func TestObserverOfSkippedTimes(t *testing.T) {
	const s = time.Second
	every := smartpoll.On(smartpoll.Every(10 * s))
	for name, test := range map[string]struct {
		takes time.Duration
		opts  []smartpoll.TaskOption
		do    func(*smartpoll.Scheduler)
		want  []string
	}{
		"nothing": {s, []smartpoll.TaskOption{every}, func(*smartpoll.Scheduler) {}, nil},
		"once":    {25 * s, []smartpoll.TaskOption{every}, func(*smartpoll.Scheduler) {}, nil},
		"skip":    {5 * s, []smartpoll.TaskOption{smartpoll.Overlap(smartpoll.Skip)}, func(x *smartpoll.Scheduler) { x.Schedule("k", 0); synctest.Wait(); x.Schedule("k", s) }, []string{"1s: k skips 1"}},
		"queue": {5 * s, []smartpoll.TaskOption{smartpoll.Overlap(smartpoll.Queue(1))}, func(x *smartpoll.Scheduler) {
			x.Schedule("k", 0)
			synctest.Wait()
			x.Schedule("k", 0)
			x.Schedule("k", 0)
		}, []string{"0s: k skips 1"}},
		"missed":     {25 * s, []smartpoll.TaskOption{every, smartpoll.Missed(smartpoll.MissedSkip)}, func(*smartpoll.Scheduler) {}, []string{"35s: k skips 2", "1m10s: k skips 2"}},
		"missed all": {35 * s, []smartpoll.TaskOption{every, smartpoll.Missed(smartpoll.MissedAll(1))}, func(*smartpoll.Scheduler) {}, []string{"1m20s: k skips 6"}},
		"paused": {s, []smartpoll.TaskOption{every, smartpoll.Missed(smartpoll.MissedSkip)}, func(x *smartpoll.Scheduler) {
			x.Pause("k")
			time.Sleep(35 * s)
			x.Resume("k")
		}, []string{"35s: k skips 3"}},
		"behind a hook": {5 * s, []smartpoll.TaskOption{smartpoll.Overlap(smartpoll.Queue(1))}, func(x *smartpoll.Scheduler) {
			_ = x.Do(context.Background(), func(context.Context, *internal) error {
				for range 4 {
					x.Schedule("k", 0)
				}
				time.Sleep(s)
				return nil
			})
		}, []string{"1s: k skips 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				x := mustNew(t, smartpoll.WithObserver(reporter(&j)), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
					smartpoll.WithTask("k", func(context.Context) (hook, error) { time.Sleep(test.takes); return nil, nil }, test.opts...))
				r := run(x)
				synctest.Wait()
				test.do(x)
				time.Sleep(85 * s)
				r.stop()
				j.want(t, test.want...)
			})
		})
	}
}

// What is skipped between two Runs is told once, by the next.
func TestObserverOfTimesSkippedBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		x := mustNew(t, smartpoll.WithObserver(reporter(&j)), smartpoll.WithTask("k", nothing, smartpoll.Overlap(smartpoll.Queue(1))))
		for range 1000 {
			x.Schedule("k", 0)
		}
		j.want(t)
		r := run(x)
		synctest.Wait()
		if info, _ := x.Info("k"); info.Skipped != 999 {
			t.Errorf("Skipped = %d, want 999", info.Skipped)
		}
		r.stop()
		j.want(t, "0s: k skips 999")
	})
}

func TestObserverOfParkedTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		one := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		slow := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second)})
		task := func(context.Context) (hook, error) { time.Sleep(3 * time.Second); return nil, nil }
		x := mustNew(t, smartpoll.WithObserver(reporter(&j)), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithTask("a", task, smartpoll.In(one)), smartpoll.WithTask("b", task, smartpoll.In(one)),
			smartpoll.WithTask("c", task, smartpoll.In(one), smartpoll.In(slow)), smartpoll.WithTask("d", task, smartpoll.In(slow)),
			start("a", "b", "d", "c"))
		r := run(x)
		time.Sleep(time.Minute)
		r.stop()
		j.want(t, "0s: b waits, 1 ahead", "0s: c waits, 1 ahead", "6s: c waits, 0 ahead")
	})
}

func TestObserverOfRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		n := 0
		fails := func(context.Context) (int, error) {
			if n++; n < 6 {
				return 0, errFlaky
			}
			return 0, nil
		}
		x := mustNew(t, start("k"), smartpoll.WithObserver(reporter(&j)), smartpoll.WithTask("k",
			smartpoll.Poll(fails, func(_ context.Context, i *internal, _ int, err error) error {
				if err == nil {
					return nil
				}
				if n == 2 {
					i.Schedule("k", time.Minute)
				}
				return nil
			}), smartpoll.Retry(smartpoll.Backoff{MaxFailures: 4, Jitter: -1})))
		r := run(x)
		time.Sleep(time.Hour)
		j.want(t, "0s: k failed 1 times, again in 1s: flaky", "1s: k failed 2 times, again in 2s: flaky", "1m1s: k failed 3 times, again in 4s: flaky")
		j.lines = nil
		x.Schedule("k", 0)
		time.Sleep(time.Hour)
		j.want(t, "1h0m0s: k failed 5 times, again in 1s: flaky")
		r.stop()
	})
}

// The funcs may call methods, and a panic or a Goexit in them ends the Run and nothing else.
func TestObserverOfReportsMayFail(t *testing.T) {
	for name, fails := range map[string]func(){"panic": func() { panic(errFlaky) }, "Goexit": runtime.Goexit} {
		for _, in := range []string{"OnSkip", "OnPark", "OnRetry"} {
			synctest.Test(t, func(t *testing.T) {
				var x *smartpoll.Scheduler
				tell := func(what string) {
					x.Schedule("other", 0)
					if what == in {
						fails()
					}
				}
				one := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
				x = mustNew(t, smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}), smartpoll.WithObserver(&smartpoll.Observer{
					OnSkip:  func(any, uint64) { tell("OnSkip") },
					OnPark:  func(any, *smartpoll.Group) { tell("OnPark") },
					OnRetry: func(any, int, time.Duration, error) { tell("OnRetry") },
				}),
					smartpoll.WithTask("other", nothing),
					smartpoll.WithTask("a", func(context.Context) (hook, error) { time.Sleep(time.Second); return nil, errFlaky },
						smartpoll.In(one), smartpoll.Retry(smartpoll.Backoff{}), smartpoll.Overlap(smartpoll.Skip)),
					smartpoll.WithTask("b", nothing, smartpoll.In(one)),
					onRun(func(i *internal) { i.Schedule("a", 0); i.Schedule("b", 500*time.Millisecond) }))
				for range 2 {
					r := run(x)
					time.Sleep(100 * time.Millisecond)
					if in == "OnSkip" {
						x.Schedule("a", 0)
					}
					err := r.wait()
					var panicked *smartpoll.TaskError
					if errors.As(err, &panicked) != (name == "panic") || (err == smartpoll.ErrPanicInTask) != (name == "Goexit") {
						t.Errorf("Run() with %s in %s = %v", name, in, err)
					}
				}
				if wrong := smartpoll.Check(x); wrong != "" {
					t.Errorf("%s in %s: %s", name, in, wrong)
				}
			})
		}
	}
}
