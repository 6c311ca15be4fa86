package smartpoll_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// nextFunc is a Schedule.
type nextFunc func(time.Time) time.Time

func (f nextFunc) Next(t time.Time) time.Time { return f(t) }

// takes returns the option of a task that notes when it starts, and takes the given
// times, one a run and then none.
func takes(ran *[]time.Duration, begin time.Time, took []time.Duration, opts ...smartpoll.TaskOption) smartpoll.Option {
	return smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
		n := len(*ran)
		*ran = append(*ran, since(begin))
		if n < len(took) {
			select {
			case <-time.After(took[n]):
			case <-ctx.Done():
			}
		}
		return nil, nil
	}, opts...)
}

func TestOn(t *testing.T) {
	const s = time.Second
	every := smartpoll.On(smartpoll.Every(10 * s))
	for _, test := range []struct {
		name string
		took []time.Duration
		opts []smartpoll.TaskOption
		for_ time.Duration
		want []time.Duration
	}{
		{"fixed rate", []time.Duration{3 * s, 9 * s}, []smartpoll.TaskOption{every}, 45 * s,
			[]time.Duration{10 * s, 20 * s, 30 * s, 40 * s}},
		{"once", []time.Duration{25 * s}, []smartpoll.TaskOption{every}, 60 * s,
			[]time.Duration{10 * s, 35 * s, 45 * s, 55 * s}},
		{"skip", []time.Duration{25 * s}, []smartpoll.TaskOption{every, smartpoll.Missed(smartpoll.MissedSkip)}, 60 * s,
			[]time.Duration{10 * s, 45 * s, 55 * s}},
		{"all", []time.Duration{35 * s}, []smartpoll.TaskOption{every, smartpoll.Missed(smartpoll.MissedAll(5))}, 65 * s,
			[]time.Duration{10 * s, 45 * s, 45 * s, 45 * s, 50 * s, 60 * s}},
		{"all, up to a number", []time.Duration{35 * s}, []smartpoll.TaskOption{every, smartpoll.Missed(smartpoll.MissedAll(2))}, 70 * s,
			[]time.Duration{10 * s, 45 * s, 45 * s, 55 * s, 65 * s}},
		{"pinned", nil, []smartpoll.TaskOption{smartpoll.On(smartpoll.Every(time.Minute).Offset(-15 * s))}, 170 * s,
			[]time.Duration{45 * s, 105 * s, 165 * s}},
		{"replace", []time.Duration{time.Hour, 3 * s, 35 * s}, []smartpoll.TaskOption{every, smartpoll.Overlap(smartpoll.Replace)}, 45 * s,
			[]time.Duration{10 * s, 20 * s, 30 * s, 40 * s}},
		{"an end", nil, []smartpoll.TaskOption{smartpoll.On(nextFunc(func(t time.Time) time.Time {
			if t.Second() >= 20 {
				return time.Time{}
			}
			return t.Add(10 * s)
		}))}, time.Hour, []time.Duration{10 * s, 20 * s}},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now() // midnight
			var ran []time.Duration
			r := run(mustNew(t, takes(&ran, begin, test.took, test.opts...), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour})))
			time.Sleep(test.for_)
			if err := r.stop(); err != context.Canceled {
				t.Errorf("%s: Run() = %v, want %v", test.name, err, context.Canceled)
			}
			wantRan(t, test.name, ran, test.want...)
		})
	}
}

// Explicit schedules and retries come first, and the schedule goes on from there.
func TestOnAndOtherSchedules(t *testing.T) {
	const s = time.Second
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		sched := mustNew(t, takes(&ran, begin, nil, smartpoll.On(smartpoll.Every(10*s))))
		r := run(sched)
		time.Sleep(13 * s)
		sched.Schedule("k", 0) // replaces that of 20
		time.Sleep(12 * s)     // 23
		sched.Schedule("k", time.Minute)
		time.Sleep(75 * s) // 85, 95
		sched.Schedule("k", -1)
		time.Sleep(time.Hour)
		sched.Schedule("k", 0)
		time.Sleep(15 * s)
		r.stop()
		wantRan(t, "On with explicit schedules", ran, 10*s, 13*s, 23*s, 85*s, 95*s, 3700*s, 3710*s)
	})
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		r := run(mustNew(t, smartpoll.WithTask("k", func(context.Context) (hook, error) {
			ran = append(ran, since(begin))
			if len(ran) < 4 {
				return nil, errFlaky
			}
			return nil, nil
		}, smartpoll.On(smartpoll.Every(time.Minute).Offset(0)), smartpoll.Retry(smartpoll.Backoff{Min: 5 * s, Jitter: -1}))))
		time.Sleep(210 * s)
		r.stop()
		wantRan(t, "On with Retry", ran, 60*s, 65*s, 75*s, 95*s, 120*s, 180*s)
	})
}

// A schedule begins with each Run, and with Add.
func TestOnBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		on := smartpoll.On(smartpoll.Every(time.Minute))
		s := mustNew(t, takes(&ran, begin, nil, on), onRun(func(i *internal) {
			if !i.Next("k").IsZero() {
				t.Error("a Schedule comes before the RunHooks")
			}
		}))
		r := run(s)
		time.Sleep(90 * time.Second)
		r.stop()
		r = run(s)
		time.Sleep(90 * time.Second)
		synctest.Wait()
		wantRan(t, "On", ran, time.Minute, 150*time.Second)
		n := 0
		mustAdd(t, s, "added", then(func(*internal) error { n++; return nil }), on)
		time.Sleep(150 * time.Second)
		if r.stop(); n != 2 {
			t.Errorf("a task that was added ran %d times in 150 s, want 2", n)
		}
	})
}

// Due while paused: once, not at all, or all.
func TestMissedWhilePaused(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		policy smartpoll.MissedPolicy
		want   []time.Duration
		skip   uint64
	}{
		{smartpoll.MissedOnce, []time.Duration{10 * s, 45 * s, 55 * s}, 0},
		{smartpoll.MissedSkip, []time.Duration{10 * s, 55 * s}, 3},
		{smartpoll.MissedAll(9), []time.Duration{10 * s, 45 * s, 45 * s, 45 * s, 50 * s, 60 * s}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var ran []time.Duration
			sched := mustNew(t, takes(&ran, begin, nil, smartpoll.On(smartpoll.Every(10*s)), smartpoll.Missed(test.policy)))
			r := run(sched)
			time.Sleep(15 * s)
			sched.Pause("k")
			time.Sleep(30 * s)
			sched.Resume("k")
			time.Sleep(16 * s)
			synctest.Wait()
			wantRan(t, "paused", ran, test.want...)
			if info, _ := sched.Info("k"); info.Skipped != test.skip {
				t.Errorf("Skipped = %d, want %d", info.Skipped, test.skip)
			}
			r.stop()
		})
	}
}

// A schedule that is wrong ends Run with an error that says so; the process lives.
func TestOnASchedulePanicsOrStandsStill(t *testing.T) {
	for name, test := range map[string]struct {
		next nextFunc
		want string
	}{
		"panics":       {func(time.Time) time.Time { panic("no such month") }, "smartpoll: task k: panic: no such month"},
		"stands still": {func(t time.Time) time.Time { return t }, "want a later time"},
	} {
		for _, added := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := empty(t)
				if !added {
					mustAdd(t, s, "k", nothing, smartpoll.On(test.next))
				}
				r := run(s)
				synctest.Wait()
				if added {
					mustAdd(t, s, "k", nothing, smartpoll.On(test.next))
				}
				err := r.wait()
				var panicked *smartpoll.TaskError
				if !contains(err, test.want) || name == "panics" && (!errors.As(err, &panicked) || panicked.Key != "k" || !contains(errors.New(string(panicked.Stack)), "plan_test.go")) {
					t.Errorf("Run() with a Schedule that %s = %v, want %s", name, err, test.want)
				}
				// Asked after an invocation.
				n := 0
				s = empty(t, smartpoll.WithTask("k", then(func(*internal) error { n++; return nil }), smartpoll.On(test.next)), start("k"))
				if err := run(s).wait(); !contains(err, test.want) || n != 1 {
					t.Errorf("Run() with a Schedule that %s later = %v after %d runs, want %s, 1", name, err, n, test.want)
				}
			})
		}
	}
}
