package smartpoll_test

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// works is a task that notes its start, takes d, and has no hook.
func works(j *journal, begin time.Time, key string, d time.Duration, opts ...smartpoll.TaskOption) smartpoll.Option {
	return smartpoll.WithTask(key, func(context.Context) (hook, error) {
		j.add("%s %v", key, since(begin))
		time.Sleep(d)
		return nil, nil
	}, opts...)
}

// Limits that change after 5 s, while a to f are due since 0 s and take 10 s each.
func TestSetLimit(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after smartpoll.GroupConfig
		want          []string
	}{
		{
			"more slots", smartpoll.GroupConfig{Running: 1}, smartpoll.GroupConfig{Running: 3},
			[]string{"a 0s", "b 5s", "c 5s", "d 10s", "e 15s", "f 15s"},
		},
		{
			"fewer slots", smartpoll.GroupConfig{Running: 3}, smartpoll.GroupConfig{Running: 1},
			[]string{"a 0s", "b 0s", "c 0s", "d 10s", "e 20s", "f 30s"},
		},
		{
			"no slots", smartpoll.GroupConfig{Running: 1}, smartpoll.GroupConfig{},
			[]string{"a 0s", "b 5s", "c 5s", "d 5s", "e 5s", "f 5s"},
		},
		{
			"a faster rate", smartpoll.GroupConfig{Rate: rate.Every(20 * time.Second)}, smartpoll.GroupConfig{Rate: rate.Every(4 * time.Second)},
			[]string{"a 0s", "b 8s", "c 12s", "d 16s", "e 20s", "f 24s"}, // a quarter of a start at 5s, three more take 3s
		},
		{
			"a slower rate", smartpoll.GroupConfig{Rate: rate.Every(20 * time.Second)}, smartpoll.GroupConfig{Rate: rate.Every(40 * time.Second)},
			[]string{"a 0s", "b 35s", "c 1m15s", "d 1m55s", "e 2m35s", "f 3m15s"},
		},
		{
			"a higher burst", smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second)}, smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second), Burst: 4},
			[]string{"a 0s", "b 10s", "c 20s", "d 30s", "e 40s", "f 50s"}, // nothing is given that was not waited for
		},
		{
			"a lower burst", smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second), Burst: 3}, smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second)},
			[]string{"a 0s", "b 0s", "c 0s", "d 10s", "e 20s", "f 30s"},
		},
		{
			"slots in place of a rate", smartpoll.GroupConfig{Rate: rate.Every(time.Minute)}, smartpoll.GroupConfig{Running: 2},
			[]string{"a 0s", "b 5s", "c 10s", "d 15s", "e 20s", "f 25s"},
		},
		{
			"a rate in place of slots", smartpoll.GroupConfig{Running: 1}, smartpoll.GroupConfig{Rate: rate.Every(3 * time.Second), Burst: 2},
			[]string{"a 0s", "b 5s", "c 5s", "d 8s", "e 11s", "f 14s"},
		},
		{
			"a gap", smartpoll.GroupConfig{Running: 1}, smartpoll.GroupConfig{Running: 1, Gap: 2 * time.Second},
			[]string{"a 0s", "b 12s", "c 24s", "d 36s", "e 48s", "f 1m0s"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var j journal
				g := smartpoll.NewGroup(test.before)
				var options []smartpoll.Option
				for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
					options = append(options, works(&j, begin, key, 10*time.Second, smartpoll.In(g)))
				}
				s := mustNew(t, options...)
				r := run(s)
				for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
					s.Schedule(key, 0)
					synctest.Wait()
				}
				time.Sleep(5 * time.Second)
				g.SetLimit(test.after)
				synctest.Wait()
				if wrong := smartpoll.Check(s, g); wrong != "" {
					t.Error(wrong)
				}
				time.Sleep(10 * time.Minute)
				r.stop()
				got := j.got()
				slices.SortFunc(got, func(a, b string) int { return int(a[0]) - int(b[0]) }) // those of one moment
				if !slices.Equal(got, test.want) {
					t.Errorf("starts are %q, want %q", got, test.want)
				}
			})
		})
	}
}

// Members that have a slot or a start and wait for WithMaxRunning or another group have not started yet: the new limit
// counts for them, and they are still the first.
func TestSetLimitOfWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 3})
		other := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		s := mustNew(t, smartpoll.WithMaxRunning(2),
			works(&j, begin, "room", 10*time.Second), works(&j, begin, "other", 10*time.Second, smartpoll.In(other)),
			works(&j, begin, "both", time.Second, smartpoll.In(other), smartpoll.In(g)),
			works(&j, begin, "a", time.Second, smartpoll.In(g)), works(&j, begin, "b", time.Second, smartpoll.In(g)),
			works(&j, begin, "late", time.Second, smartpoll.In(g)))
		r := run(s)
		for _, key := range []string{"room", "other", "both", "a", "b"} {
			s.Schedule(key, 0)
			synctest.Wait()
		}
		time.Sleep(time.Second)
		s.Schedule("late", 0)
		g.SetLimit(smartpoll.GroupConfig{Rate: rate.Every(3 * time.Second)})
		synctest.Wait()
		if wrong := smartpoll.Check(s, g); wrong != "" {
			t.Error(wrong)
		}
		time.Sleep(time.Minute)
		r.stop()
		got := j.got()
		slices.Sort(got[:2])
		if want := []string{"other 0s", "room 0s", "both 10s", "a 13s", "b 16s", "late 19s"}; !slices.Equal(got, want) {
			t.Errorf("starts are %q, want %q", got, want)
		}
	})
}

// A limit may be set before anything has joined, within a hook, and between Runs; and for admissions.
func TestSetLimitAtAnyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{})
		g.SetLimit(smartpoll.GroupConfig{Rate: rate.Every(time.Minute)})
		if got := g.Delay(time.Now()); got != 0 {
			t.Errorf("Delay() = %v, want 0", got)
		}
		s := mustNew(t, works(&j, begin, "a", 0, smartpoll.In(g)), works(&j, begin, "b", 0, smartpoll.In(g)),
			smartpoll.WithTask("hook", func(context.Context) (hook, error) {
				return func(context.Context, *internal) error {
					g.SetLimit(smartpoll.GroupConfig{Running: 1})
					return nil
				}, nil
			}))
		r := run(s)
		s.Schedule("a", 0)
		synctest.Wait()
		s.Schedule("b", 0)
		synctest.Wait()
		admits(t, &j, begin, s, g, "x", 3*time.Second)
		time.Sleep(time.Second)
		s.Schedule("hook", 0)
		synctest.Wait()
		s.Schedule("a", 0)
		time.Sleep(time.Minute)
		r.stop()
		g.SetLimit(smartpoll.GroupConfig{Rate: 1})
		r = run(s)
		s.Schedule("a", 0)
		synctest.Wait()
		s.Schedule("b", 0)
		time.Sleep(time.Minute)
		r.stop()
		j.want(t, "a 0s", "b 1s", "x 1s", "a 4s", "a 1m1s", "b 1m2s")
	})
}

func TestSetLimitMisuse(t *testing.T) {
	g := smartpoll.NewGroup(smartpoll.GroupConfig{})
	for _, test := range []struct {
		config smartpoll.GroupConfig
		want   string
	}{
		{smartpoll.GroupConfig{Running: -1}, "smartpoll: SetLimit: Running is -1, use a positive number, or zero for no limit"},
		{smartpoll.GroupConfig{Rate: rate.Limit(math.NaN())}, "smartpoll: SetLimit: Rate is NaN, use a positive number of starts per second, or zero for no limit"},
		{smartpoll.GroupConfig{Burst: -1}, "smartpoll: SetLimit: Burst is -1, use a positive number, or zero for 1"},
		{smartpoll.GroupConfig{Gap: -1}, "smartpoll: SetLimit: Gap is -1ns, use a positive duration, or zero for none"},
	} {
		if got := caught(func() { g.SetLimit(test.config) }); got != test.want {
			t.Errorf("SetLimit(%+v) panics with %v, want %q", test.config, got, test.want)
		}
	}
}

// Groups change hands between schedulers that fail to be made while their limits change.
func TestSetLimitRace(t *testing.T) {
	taken := smartpoll.NewGroup(smartpoll.GroupConfig{})
	mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(taken)))
	g := smartpoll.NewGroup(smartpoll.GroupConfig{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 2000 {
			g.SetLimit(smartpoll.GroupConfig{Running: n, Rate: rate.Limit(n)})
			g.Delay(time.Now())
		}
	}()
	for range 500 {
		_, _ = smartpoll.New(smartpoll.WithTask("k", nothing, smartpoll.In(g)), smartpoll.WithTask("l", nothing, smartpoll.In(taken)))
	}
	s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(g)))
	r := run(s)
	<-done
	r.stop()
	if wrong := smartpoll.Check(s, g); wrong != "" {
		t.Error(wrong)
	}
}
