package smartpoll_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// busy returns the option of a task that is due again whenever it is over, and counts its starts.
func busy(key any, takes time.Duration, starts *int, opts ...smartpoll.TaskOption) smartpoll.Option {
	return smartpoll.WithTask(key, func(context.Context) (hook, error) {
		time.Sleep(takes)
		return func(_ context.Context, i *internal) error { *starts++; i.Schedule(key, 0); return nil }, nil
	}, opts...)
}

// Members of their own keep each group full. A task in several of them starts nevertheless, in
// whatever order it joined them, with and without a rate.
func TestATaskInSeveralBusyGroupsStarts(t *testing.T) {
	for _, config := range []smartpoll.GroupConfig{{Running: 1}, {Running: 2}, {Rate: 1}, {Rate: 2, Burst: 3}, {Running: 1, Rate: 1}} {
		for groups := 2; groups <= 3; groups++ {
			synctest.Test(t, func(t *testing.T) {
				var options []smartpoll.Option
				var keys []any
				var all []smartpoll.TaskOption
				own := make([]int, 4*groups)
				for g := range groups {
					in := smartpoll.In(smartpoll.NewGroup(config))
					all = append(all, in)
					for n := range 4 {
						key := 4*g + n
						keys = append(keys, key)
						options = append(options, busy(key, time.Duration(300+17*key)*time.Millisecond, &own[key], in))
					}
				}
				var forth, back int
				options = append(options, busy("forth", time.Second, &forth, all...))
				slices.Reverse(all)
				options = append(options, busy("back", time.Second, &back, all...))
				options = append(options, smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}))
				r := run(mustNew(t, append(options, start(append(keys, "forth", "back")...))...))
				time.Sleep(10 * time.Minute)
				r.stop()
				if forth < 25 || back < 25 || slices.Min(own) < 25 {
					t.Errorf("%d groups of %+v: started %d and %d times in 10 minutes, the others %v, want at least 25 each",
						groups, config, forth, back, own)
				}
			})
		}
	}
}

// Of 21 tasks under a rate of one a second, the one with a head start is the next to start, whether
// it is due with the others or later.
func TestAHeadStartOvertakesThoseWhoWaitForARate(t *testing.T) {
	for due, want := range map[time.Duration]string{0: "ahead 0s", 4500 * time.Millisecond: "ahead 5s"} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var j journal
			in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1}))
			var options []smartpoll.Option
			var keys []any
			for n := range 20 {
				keys = append(keys, fmt.Sprint(n))
				options = append(options, starts(&j, begin, fmt.Sprint(n), 0, in))
			}
			options = append(options, starts(&j, begin, "ahead", 0, in, smartpoll.HeadStart(time.Hour)), start(keys...),
				onRun(func(i *internal) { i.Schedule("ahead", due) }))
			r := run(mustNew(t, options...))
			time.Sleep(time.Minute)
			r.stop()
			if len(j.lines) != 21 || !slices.Contains(j.lines, want) {
				t.Errorf("due after %v, the starts are %q, want 21 with %q", due, j.lines, want)
			}
		})
	}
}

// Whoever leaves the line takes no start along.
func TestWhoLeavesTheLineOfARateTakesNoStart(t *testing.T) {
	for what, leave := range map[string]func(*smartpoll.Scheduler, string){
		"removed":   func(s *smartpoll.Scheduler, key string) { s.Remove(key) },
		"cleared":   func(s *smartpoll.Scheduler, key string) { s.Schedule(key, -1) },
		"postponed": func(s *smartpoll.Scheduler, key string) { s.Schedule(key, time.Hour) },
		"paused":    func(s *smartpoll.Scheduler, key string) { s.Pause(key) },
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var j journal
			g := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1})
			var options []smartpoll.Option
			var keys []any
			for n := range 61 {
				keys = append(keys, fmt.Sprint(n))
				options = append(options, starts(&j, begin, fmt.Sprint(n), 0, smartpoll.In(g)))
			}
			s := mustNew(t, append(options, start(keys...))...)
			r := run(s)
			synctest.Wait()
			if got, want := g.Delay(time.Now()), 61*time.Second; got != want {
				t.Errorf("Delay() with 60 in line = %v, want %v", got, want)
			}
			for n := range 60 {
				leave(s, fmt.Sprint(n))
			}
			if got, want := g.Delay(time.Now()), 2*time.Second; got != want {
				t.Errorf("%s: Delay() with one in line = %v, want %v", what, got, want)
			}
			time.Sleep(time.Minute)
			if got := g.Delay(time.Now()); got != 0 {
				t.Errorf("%s: Delay() of an idle group = %v, want 0", what, got)
			}
			r.stop()
			if want := []string{"0 0s", "60 1s"}; !slices.Equal(j.lines, want) {
				t.Errorf("%s: starts are %q, want %q", what, j.lines, want)
			}
		})
	}
}

// A Run that ends with members in line leaves nothing for them to the next one.
func TestANewRunStartsUnderARateAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1}))
		var options []smartpoll.Option
		for n := range 60 {
			options = append(options, starts(&j, begin, fmt.Sprint(n), 0, in))
		}
		s := mustNew(t, options...)
		r := run(s)
		for n := range 60 {
			s.Schedule(fmt.Sprint(n), 0)
		}
		time.Sleep(5*time.Second + 1)
		r.stop()
		r = run(s)
		s.Schedule("7", 0)
		time.Sleep(time.Minute)
		r.stop()
		if got := j.got(); len(got) != 7 || got[6] != "7 6s" {
			t.Errorf("starts are %q, want the seventh to be that of 7 after 6s", got)
		}
	})
}

// Random members of random groups, some of which leave or come back as others: no rate, no number of
// places is exceeded, no gap is cut short, and whoever is due gets its start.
func TestGroupsKeepTheirLimitsAndStarveNobody(t *testing.T) {
	seeds := []uint64{1101} // a member that goes back to its line for a gap, again and again, keeps its age
	for seed := range uint64(30) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 17))
			type group struct {
				config smartpoll.GroupConfig
				in     smartpoll.TaskOption
				began  []time.Time
				ended  time.Time
			}
			var mu sync.Mutex // guards the ended of groups
			groups := make([]*group, 1+r.IntN(4))
			for n := range groups {
				c := smartpoll.GroupConfig{Running: r.IntN(3), Burst: r.IntN(3)}
				if c.Running == 0 || r.IntN(2) == 0 {
					c.Rate = rate.Limit(1 + r.IntN(4))
				}
				if r.IntN(3) == 0 {
					c.Gap = time.Duration(1+r.IntN(2000)) * time.Millisecond
				}
				groups[n] = &group{config: c, in: smartpoll.In(smartpoll.NewGroup(c))}
			}
			const tasks = 12
			ended := make([]time.Time, tasks)
			again := make([]func(*smartpoll.Scheduler), tasks)
			options := []smartpoll.Option{smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour})}
			if r.IntN(2) == 0 {
				options = append(options, smartpoll.WithMaxRunning(2+r.IntN(3)))
			}
			for key := range tasks {
				var opts []smartpoll.TaskOption
				var mine []*group
				for _, g := range groups {
					if r.IntN(2) == 0 {
						mine, opts = append(mine, g), append(opts, g.in)
					}
				}
				if r.IntN(4) == 0 {
					opts = append(opts, smartpoll.HeadStart(time.Duration(1+r.IntN(10))*time.Second))
				}
				takes := time.Duration(r.IntN(900)) * time.Millisecond
				opts = append(opts, smartpoll.On(smartpoll.Every(time.Second)))
				task := func(context.Context) (hook, error) {
					now := time.Now()
					mu.Lock()
					for _, g := range mine {
						if since := now.Sub(g.ended); since > 0 && since < g.config.Gap { // at one moment, one may have started before the other ended
							t.Errorf("seed %d: %+v: task %d starts %v after the end of another", seed, g.config, key, since)
						}
					}
					mu.Unlock()
					return func(context.Context, *internal) error {
						mu.Lock()
						defer mu.Unlock()
						for _, g := range mine {
							g.began = append(g.began, now)
							g.ended = time.Now()
						}
						ended[key] = time.Now()
						return nil
					}, func() error { time.Sleep(takes); return nil }()
				}
				options = append(options, smartpoll.WithTask(key, task, opts...))
				again[key] = func(s *smartpoll.Scheduler) {
					s.Remove(key)
					if err := s.Add(key, task, opts...); err != nil {
						t.Errorf("seed %d: Add after Remove = %v, want nil", seed, err)
					}
				}
			}
			s := mustNew(t, options...)
			real := run(s)
			for range 400 {
				time.Sleep(time.Duration(r.IntN(700)) * time.Millisecond)
				switch key := r.IntN(tasks); r.IntN(6) {
				case 0:
					s.Pause(key)
				case 1:
					s.Schedule(key, time.Duration(r.IntN(3000)-200)*time.Millisecond)
				case 2:
					s.Schedule(key, 0)
				case 3:
					for range 1 + r.IntN(3) { // as a reload does, of some or many
						again[(key+r.IntN(tasks))%tasks](s)
					}
				default:
					s.Resume(key)
				}
				synctest.Wait()
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Fatalf("seed %d: %s", seed, wrong)
				}
			}
			for key := range tasks {
				s.Resume(key)
				s.Schedule(key, 0)
			}
			settled := time.Now()
			time.Sleep(5 * time.Minute)
			real.stop()
			for key, at := range ended {
				if at.Before(settled.Add(2 * time.Minute)) {
					t.Errorf("seed %d: task %d ran last %v after all were due for 5 minutes", seed, key, at.Sub(settled))
				}
			}
			for _, g := range groups {
				if g.config.Rate == 0 {
					continue
				}
				slices.SortFunc(g.began, time.Time.Compare)
				burst := max(g.config.Burst, 1)
				for i := range g.began {
					if i < burst {
						continue
					}
					// Of burst + 1 starts, the first and the last are as far apart as one start takes at least.
					if d := g.began[i].Sub(g.began[i-burst]); d < time.Second/time.Duration(g.config.Rate)-time.Microsecond {
						t.Fatalf("seed %d: %+v: %d starts within %v", seed, g.config, burst+1, d)
					}
				}
			}
		})
	}
}
