package smartpoll_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Scheduled three times while it runs for ten seconds, and once more in its hook.
func TestOverlap(t *testing.T) {
	const s = time.Second
	for name, test := range map[string]struct {
		policy smartpoll.OverlapPolicy
		want   []string
		skip   uint64
	}{
		"coalesce": {smartpoll.Coalesce, []string{"0s", "10s", "hook 20s", "20s", "hook 30s"}, 0},
		"queue":    {smartpoll.Queue(2), []string{"0s", "10s", "hook 20s", "20s", "hook 30s"}, 2},
		"skip":     {smartpoll.Skip, []string{"0s", "10.000000001s", "hook 20.000000001s", "20.000000001s", "hook 30.000000001s"}, 3},
		"replace": {smartpoll.Replace, []string{"0s", "smartpoll: task replaced", "1s", "smartpoll: task replaced", "2s",
			"smartpoll: task replaced", "3s", "hook 13s", "13s", "hook 23s"}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var j journal
			hooks := 0
			sched := mustNew(t, start("k"), smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
				j.add("%v", since(begin))
				if name != "replace" && len(j.got()) == 1 {
					time.Sleep(10 * s)
					return nil, nil
				}
				select {
				case <-ctx.Done():
					j.add("%v", context.Cause(ctx))
				case <-time.After(10 * s):
				}
				return func(_ context.Context, i *internal) error {
					j.add("hook %v", since(begin))
					if hooks++; hooks == 1 && name != "queue" {
						i.Schedule("k", 0)
					}
					return nil
				}, nil
			}, smartpoll.Overlap(test.policy)))
			r := run(sched)
			for range 3 {
				time.Sleep(s)
				sched.Schedule("k", 0)
				synctest.Wait()
			}
			if name == "skip" {
				if !sched.Next("k").IsZero() {
					t.Errorf("Next() after a due time was skipped = %v, want zero", sched.Next("k"))
				}
				time.Sleep(7*s + 1)
				sched.Schedule("k", 0)
			}
			if name == "queue" {
				sched.Schedule("k", 0)
			}
			time.Sleep(time.Hour)
			r.stop()
			j.want(t, test.want...)
			if info, _ := sched.Info("k"); info.Skipped != test.skip {
				t.Errorf("%s: Skipped = %d, want %d", name, info.Skipped, test.skip)
			}
		})
	}
}

// Clearing or postponing the schedule clears what is queued.
func TestQueueIsCleared(t *testing.T) {
	for _, d := range []time.Duration{-1, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var ran []time.Duration
			s := mustNew(t, takes(&ran, begin, []time.Duration{time.Second}, smartpoll.Overlap(smartpoll.Queue(9))))
			r := run(s)
			s.Schedule("k", 0)
			synctest.Wait()
			for range 5 {
				s.Schedule("k", 0)
			}
			s.Schedule("k", d)
			time.Sleep(time.Hour)
			r.stop()
			want := []time.Duration{0, time.Minute}
			if d < 0 {
				want = want[:1]
			}
			wantRan(t, "queue that was cleared", ran, want...)
		})
	}
}

// Under a limit, a head start overtakes those that became due up to that much
// before, and nobody else.
func TestHeadStart(t *testing.T) {
	for _, limit := range []func() (smartpoll.Option, []smartpoll.TaskOption){
		func() (smartpoll.Option, []smartpoll.TaskOption) { return smartpoll.WithMaxRunning(1), nil },
		func() (smartpoll.Option, []smartpoll.TaskOption) {
			return smartpoll.WithDynamic(), []smartpoll.TaskOption{smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var j journal
			option, opts := limit()
			task := func(key string, opts ...smartpoll.TaskOption) smartpoll.Option {
				return smartpoll.WithTask(key, func(context.Context) (hook, error) {
					j.add("%s %v", key, since(begin))
					time.Sleep(10 * time.Second)
					return nil, nil
				}, opts...)
			}
			head := append(opts[:len(opts):len(opts)], smartpoll.HeadStart(2500*time.Millisecond))
			s := mustNew(t, option, task("first", opts...), task("a", opts...), task("b", opts...), task("c", opts...),
				task("d", opts...), task("urgent", head...), task("too", head...))
			r := run(s)
			for n, key := range []string{"first", "a", "b", "c", "urgent", "d", "too"} {
				s.Schedule(key, time.Duration(n)*time.Second)
			}
			time.Sleep(time.Hour)
			r.stop()
			// urgent, of 4 s, counts as of 1.5; too, of 6 s, as of 3.5.
			j.want(t, "first 0s", "a 10s", "urgent 20s", "b 30s", "c 40s", "too 50s", "d 1m0s")
		})
	}
}

// However many with a head start there are, one without has its turn.
func TestHeadStartStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var waited time.Duration
		options := []smartpoll.Option{smartpoll.WithMaxRunning(1), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}), smartpoll.WithTask("last", func(context.Context) (hook, error) {
			waited = since(begin)
			return nil, nil
		}), start("last")}
		for n := range 20 {
			key := fmt.Sprint(n)
			options = append(options, start(key), smartpoll.WithTask(key, func(context.Context) (hook, error) {
				time.Sleep(time.Second)
				return func(_ context.Context, i *internal) error { i.Schedule(key, 0); return nil }, nil
			}, smartpoll.HeadStart(30*time.Second)))
		}
		r := run(mustNew(t, options...))
		time.Sleep(time.Hour)
		if r.stop(); waited < 10*time.Second || waited > 60*time.Second {
			t.Errorf("a task among 20 that have a head start of 30 s waited %v, want about that", waited)
		}
	})
}
