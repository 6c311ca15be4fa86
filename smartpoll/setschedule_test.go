package smartpoll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// What becomes of the time that was planned when the Schedule is changed.
func TestSetSchedule(t *testing.T) {
	const s, m = time.Second, time.Minute
	every := smartpoll.Every
	on := func(schedule smartpoll.Schedule, opts ...smartpoll.TaskOption) []smartpoll.TaskOption {
		return append(opts, smartpoll.On(schedule))
	}
	set := func(schedule smartpoll.Schedule) func(*smartpoll.Scheduler) {
		return func(x *smartpoll.Scheduler) { x.SetSchedule("k", schedule) }
	}
	for _, test := range []struct {
		name string
		opts []smartpoll.TaskOption
		took time.Duration // of each run
		at   time.Duration // when do is called
		do   func(*smartpoll.Scheduler)
		end  time.Duration
		want []time.Duration
	}{
		{"longer", on(every(10 * m)), 0, 15 * m, set(every(12 * m)), 50 * m, []time.Duration{10 * m, 22 * m, 34 * m, 46 * m}},
		{"shorter", on(every(10 * m)), 0, 15 * m, set(every(7 * m)), 32 * m, []time.Duration{10 * m, 17 * m, 24 * m, 31 * m}},
		{"so short that it has passed", on(every(10 * m)), 0, 15 * m, set(every(4 * m)), 25 * m, []time.Duration{10 * m, 15 * m, 19 * m, 23 * m}},
		{"passed, and missed times are skipped", on(every(10*m), smartpoll.Missed(smartpoll.MissedSkip)), 0, 15 * m, set(every(2 * m)), 18 * m,
			[]time.Duration{10 * m, 15 * m, 17 * m}},
		{"before the first run", on(every(10 * m)), 0, 5 * m, set(every(7 * m)), 16 * m, []time.Duration{7 * m, 14 * m}},
		{"the same again and again", on(every(10 * m)), 0, 0, func(x *smartpoll.Scheduler) {
			for range 7 {
				time.Sleep(4 * m)
				x.SetSchedule("k", every(10*m))
			}
		}, 45 * m, []time.Duration{10 * m, 20 * m, 30 * m, 40 * m}},
		{"shorter again and again", on(every(10 * m)), 0, 0, func(x *smartpoll.Scheduler) {
			for n := range 5 {
				time.Sleep(2 * m)
				x.SetSchedule("k", every(time.Duration(9-n)*m))
			}
		}, 13 * m, []time.Duration{7 * m, 12 * m}}, // 7 m after 0, then 5 m after 7
		{"to pinned", on(every(10 * m)), 0, 15 * m, set(every(12 * m).Offset(0)), 50 * m, []time.Duration{10 * m, 24 * m, 36 * m, 48 * m}},
		{"to pinned, whose time has passed", on(every(10 * m).Offset(0)), 0, 15 * m, set(every(time.Hour).Offset(12 * m)), 2 * time.Hour,
			[]time.Duration{10 * m, 72 * m}},
		{"from pinned", on(every(10 * m).Offset(m)), 0, 15 * m, set(every(10 * m)), 50 * m, []time.Duration{m, 11 * m, 25 * m, 35 * m, 45 * m}},
		{"now, and then", on(every(10 * m)), 0, 15 * m, set(every(12 * m).AtOnce()), 50 * m, []time.Duration{10 * m, 15 * m, 27 * m, 39 * m}},
		{"none", on(every(10 * m)), 0, 15 * m, set(nil), time.Hour, []time.Duration{10 * m}},
		{"none to one", nil, 0, 15 * m, set(every(10 * m)), 40 * m, []time.Duration{25 * m, 35 * m}},
		{"none to none", nil, 0, 15 * m, set(nil), 40 * m, nil},
		{"one that has come to its end", on(nextFunc(func(time.Time) time.Time { return time.Time{} })), 0, 15 * m, set(every(10 * m)), 40 * m,
			[]time.Duration{25 * m, 35 * m}},
		{"cleared", on(every(10 * m)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Schedule("k", -1)
			time.Sleep(10 * m)
			x.SetSchedule("k", every(4*m))
		}, 34 * m, []time.Duration{10 * m, 29 * m, 33 * m}},
		{"scheduled explicitly", on(every(10 * m)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Schedule("k", 13*m)
			x.SetSchedule("k", every(4*m))
		}, 34 * m, []time.Duration{10 * m, 28 * m, 32 * m}},
		{"scheduled explicitly, then none", on(every(10 * m)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Schedule("k", 13*m)
			x.SetSchedule("k", nil)
		}, time.Hour, []time.Duration{10 * m, 28 * m}},
		{"running", on(every(10 * m)), 8 * m, 15 * m, set(every(9 * m).AtOnce()), 35 * m, []time.Duration{10 * m, 19 * m, 28 * m}},
		{"running, so short that it has passed", on(every(10 * m)), 8 * m, 15 * m, set(every(3 * m)), 20 * m, []time.Duration{10 * m, 18 * m}},
		{"running, then none", on(every(10 * m)), 8 * m, 15 * m, set(nil), time.Hour, []time.Duration{10 * m}},
		{"running, none before", nil, 8 * m, 15 * m, func(x *smartpoll.Scheduler) {
			x.Schedule("k", 0)
			time.Sleep(m)
			x.SetSchedule("k", every(20*m))
		}, time.Hour, []time.Duration{15 * m, 35 * m, 55 * m}},
		{"running, to be replaced", on(every(10*m), smartpoll.Overlap(smartpoll.Replace)), time.Hour, 15 * m, set(every(3 * m)), 22 * m,
			[]time.Duration{10 * m, 15 * m, 18 * m, 21 * m}},
		{"paused", on(every(10 * m)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Pause("k")
			x.SetSchedule("k", every(4*m)) // is due, and ready
			time.Sleep(m)
			x.SetSchedule("k", every(20*m))
			x.Resume("k")
		}, 40 * m, []time.Duration{10 * m, 16 * m, 36 * m}},
		{"paused and ready, then none", on(every(10 * m)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Pause("k")
			time.Sleep(10 * m)
			x.SetSchedule("k", nil)
			x.Resume("k")
		}, time.Hour, []time.Duration{10 * m, 25 * m}},
		{"due, but noticed only now", on(every(10 * m)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Do(context.Background(), func(context.Context, *internal) error {
				time.Sleep(10 * m)
				x.SetSchedule("k", every(20*m))
				return nil
			})
		}, 50 * m, []time.Duration{10 * m, 25 * m, 45 * m}},
		{"due, noticed only now, and skipped", on(every(10*m), smartpoll.Missed(smartpoll.MissedSkip)), 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Do(context.Background(), func(context.Context, *internal) error {
				time.Sleep(10 * m)
				x.SetSchedule("k", every(20*m))
				return nil
			})
		}, 50 * m, []time.Duration{10 * m, 45 * m}},
		{"in its own hook", nil, 0, 15 * m, func(x *smartpoll.Scheduler) {
			x.Remove("k")
			mustAdd(t, x, "k", then(func(i *internal) error { i.SetSchedule("k", every(4*m)); return nil }), smartpoll.On(every(10*m)))
			time.Sleep(20 * m)
			if info, _ := x.Info("k"); info.Runs != 3 || time.Until(info.Next) != 2*m { // 10, 14, 18 m later
				t.Errorf("in its own hook: %d runs, the next in %v, want 3 and 2m", info.Runs, time.Until(info.Next))
			}
		}, time.Hour, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var ran []time.Duration
			var took []time.Duration
			for range 20 {
				took = append(took, test.took)
			}
			x := mustNew(t, takes(&ran, begin, took, test.opts...), smartpoll.WithDrain(smartpoll.Drain{Wait: 10 * time.Hour}))
			r := run(x)
			time.Sleep(test.at)
			test.do(x)
			time.Sleep(test.end - since(begin) + s)
			if wrong := smartpoll.Check(x); wrong != "" {
				t.Errorf("%s: %s", test.name, wrong)
			}
			r.stop()
			wantRan(t, test.name, ran, test.want...)
		})
	}
}

// A retry keeps its time, and the new Schedule goes on from there.
func TestSetScheduleLeavesARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		s := mustNew(t, smartpoll.WithTask("k", func(context.Context) (hook, error) {
			if ran = append(ran, since(begin)); len(ran) == 1 {
				return nil, errFlaky
			}
			return nil, nil
		}, smartpoll.On(smartpoll.Every(time.Minute)), smartpoll.Retry(smartpoll.Backoff{Min: 20 * time.Second, Jitter: -1})))
		r := run(s)
		time.Sleep(61 * time.Second)
		s.SetSchedule("k", smartpoll.Every(10*time.Second))
		time.Sleep(31 * time.Second)
		r.stop()
		wantRan(t, "with a retry", ran, 60*time.Second, 80*time.Second, 90*time.Second)
	})
}

// What is set between two Runs is for the next one.
func TestSetScheduleBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		s := mustNew(t, takes(&ran, begin, nil))
		s.SetSchedule("k", smartpoll.Every(time.Minute))
		r := run(s)
		time.Sleep(90 * time.Second)
		r.stop()
		s.SetSchedule("k", smartpoll.Every(20*time.Second).AtOnce())
		if next := s.Next("k"); !next.IsZero() {
			t.Errorf("Next() between two Runs = %v, want none", next)
		}
		r = run(s)
		time.Sleep(30 * time.Second) // 120
		r.stop()
		s.SetSchedule("k", nil)
		r = run(s)
		time.Sleep(time.Hour)
		r.stop()
		wantRan(t, "between Runs", ran, 60*time.Second, 90*time.Second, 110*time.Second)
	})
}

// A Schedule is changed while the one before is asked, which may be slow.
func TestSetScheduleWhileTheOneBeforeIsAsked(t *testing.T) {
	for name, set := range map[string]smartpoll.Schedule{"another": smartpoll.Every(time.Hour), "none": nil} {
		for when, wait := range map[string]time.Duration{"at first": 30 * time.Second, "after a run": 150 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				slow := nextFunc(func(t time.Time) time.Time { time.Sleep(time.Minute); return t.Add(2 * time.Minute) })
				s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.On(slow)))
				r := run(s)
				time.Sleep(wait)
				set, after := set, time.Hour
				s.SetSchedule("k", set)
				time.Sleep(time.Minute)
				synctest.Wait()
				next := s.Next("k")
				if set == nil && !next.IsZero() || set != nil && (time.Until(next) > after || time.Until(next) < after-3*time.Minute) {
					t.Errorf("%s, %s: the next run is in %v", name, when, time.Until(next))
				}
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Errorf("%s, %s: %s", name, when, wrong)
				}
				r.stop()
			})
		}
	}
}

func TestSetScheduleRefuses(t *testing.T) {
	s := mustNew(t, smartpoll.WithTask("k", nothing))
	for want, f := range map[string]func(){
		"smartpoll: task not found: string: none":      func() { s.SetSchedule("none", nil) },
		"smartpoll: an Interval must be made by Every": func() { s.SetSchedule("k", smartpoll.Interval{}) },
	} {
		if got := caught(f); got != want {
			t.Errorf("panic = %v, want %s", got, want)
		}
	}
	s.Schedule("k", 0) // no lock was left
}

// Any goroutine may give a Schedule to any task, also one without options that runs.
func TestSetScheduleFromAnywhere(t *testing.T) {
	s := mustNew(t, smartpoll.WithTask("k", then(func(i *internal) error { i.Schedule("k", 0); return nil })), start("k"),
		smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}))
	r := run(s)
	for n := range 1000 {
		switch n % 3 {
		case 0:
			s.SetSchedule("k", smartpoll.Every(time.Millisecond))
		case 1:
			s.SetSchedule("k", nextFunc(func(t time.Time) time.Time { return t.Add(time.Microsecond) }))
		case 2:
			s.SetSchedule("k", nil)
		}
	}
	if got := r.stop(); got != context.Canceled {
		t.Errorf("Run() = %v, want %v", got, context.Canceled)
	}
}
