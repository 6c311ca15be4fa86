package smartpoll_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// admits has s admit work of that duration now, and notes in j when it begins.
func admits(
	t *testing.T, j *journal, begin time.Time, s *smartpoll.Scheduler, g *smartpoll.Group, name string, takes time.Duration,
) {
	t.Helper()
	go func() {
		done, err := s.Admit(t.Context(), g)
		if err != nil {
			t.Errorf("Admit of %s: %v", name, err)
			return
		}
		j.add("%s %v", name, since(begin))
		time.Sleep(takes)
		done()
	}()
	synctest.Wait()
}

// Tasks and other work of a group wait in one queue, whatever limits it.
func TestAdmissionsWaitWithTheTasksOfTheirGroup(t *testing.T) {
	const takes = 2 * time.Second
	for _, test := range []struct {
		name   string
		config smartpoll.GroupConfig
		want   []string
	}{
		{"running", smartpoll.GroupConfig{Running: 1}, []string{"a 0s", "x 2s", "b 4s", "y 6s", "c 8s"}},
		{"two running", smartpoll.GroupConfig{Running: 2}, []string{"a 0s", "x 0s", "b 2s", "y 2s", "c 4s"}},
		{"gap", smartpoll.GroupConfig{Running: 1, Gap: 3 * time.Second},
			[]string{"a 0s", "x 5s", "b 10s", "y 15s", "c 20s"}},
		{"rate", smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second)}, []string{"a 0s", "x 10s", "b 20s", "y 30s", "c 40s"}},
		{
			"burst", smartpoll.GroupConfig{Rate: rate.Every(10 * time.Second), Burst: 3},
			[]string{"a 0s", "x 0s", "b 0s", "y 10s", "c 20s"},
		},
		{
			"all", smartpoll.GroupConfig{Running: 1, Gap: 3 * time.Second, Rate: rate.Every(4 * time.Second)},
			[]string{"a 0s", "x 5s", "b 10s", "y 15s", "c 20s"},
		},
		{"nothing", smartpoll.GroupConfig{}, []string{"a 0s", "x 0s", "b 0s", "y 0s", "c 0s"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				var j journal
				g := smartpoll.NewGroup(test.config)
				in := smartpoll.In(g)
				task := func(key string) smartpoll.Option { return starts(&j, begin, key, takes, in) }
				s := mustNew(t, task("a"), task("b"), task("c"))
				r := run(s)
				defer r.stop()
				due := func(key string) { synctest.Wait(); s.Schedule(key, 0); synctest.Wait() }
				due("a")
				admits(t, &j, begin, s, g, "x", takes)
				due("b")
				admits(t, &j, begin, s, g, "y", takes)
				due("c")
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Error(wrong)
				}
				time.Sleep(time.Minute)
				got := j.got()
				slices.Sort(got) // two may begin at one moment
				slices.Sort(test.want)
				if !slices.Equal(got, test.want) {
					t.Errorf("starts are %q, want %q", got, test.want)
				}
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Error(wrong)
				}
			})
		})
	}
}

// A head start counts against admissions, too.
func TestATaskWithAHeadStartOvertakesAdmissions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		s := mustNew(t, starts(&j, begin, "slow", 10*time.Second, smartpoll.In(g)),
			starts(&j, begin, "urgent", time.Second, smartpoll.In(g), smartpoll.HeadStart(5*time.Second)))
		r := run(s)
		defer r.stop()
		synctest.Wait()
		s.Schedule("slow", 0)
		synctest.Wait()
		admits(t, &j, begin, s, g, "x", time.Second)
		time.Sleep(4 * time.Second)
		admits(t, &j, begin, s, g, "y", time.Second)
		s.Schedule("urgent", 2*time.Second) // due 6s after x and 2s after y
		time.Sleep(time.Minute)
		j.want(t, "slow 0s", "x 10s", "urgent 11s", "y 12s")
	})
}

// WithMaxRunning bounds tasks: it neither counts admissions nor keeps them waiting.
func TestAdmissionsDoNotCountAsRunningTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 2})
		s := mustNew(t, smartpoll.WithMaxRunning(1), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
			starts(&j, begin, "a", 5*time.Second, smartpoll.In(g)), starts(&j, begin, "b", 5*time.Second, smartpoll.In(g)))
		r := run(s)
		synctest.Wait()
		s.Schedule("a", 0)
		synctest.Wait()
		s.Schedule("b", 0)
		synctest.Wait()
		admits(t, &j, begin, s, g, "x", 2*time.Second) // though b, which waits for room, was due before
		time.Sleep(12 * time.Second)
		admits(t, &j, begin, s, g, "y", time.Hour)
		s.Schedule("a", 0)
		synctest.Wait()
		got := j.got()
		slices.Sort(got)
		if want := []string{"a 0s", "a 12s", "b 5s", "x 0s", "y 12s"}; !slices.Equal(got, want) {
			t.Errorf("starts are %q, want %q", got, want)
		}
		time.Sleep(6 * time.Second)
		if err := r.stop(); !errors.Is(err, context.Canceled) || errors.As(err, new(*smartpoll.DrainError)) {
			t.Errorf("Run() = %v, want it not to wait for admissions", err)
		}
		if took := since(begin); took != 18*time.Second {
			t.Errorf("Run ended after %v, want 18s", took)
		}
		time.Sleep(2 * time.Hour)
	})
}

// Whoever gives up leaves the queue to those behind, and takes nothing of the limits.
func TestAnAdmissionThatIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Rate: rate.Every(10 * time.Second)})
		s := mustNew(t, smartpoll.WithDynamic())
		r := run(s)
		defer r.stop()
		synctest.Wait()
		admits(t, &j, begin, s, g, "x", time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		given := make(chan error, 1)
		go func() {
			_, err := s.Admit(ctx, g)
			given <- err
		}()
		synctest.Wait()
		admits(t, &j, begin, s, g, "y", time.Second)
		if got, want := g.Delay(begin), 30*time.Second; got != want {
			t.Errorf("Delay = %v, want %v", got, want)
		}
		if err := <-given; err != context.DeadlineExceeded || since(begin) != 5*time.Second {
			t.Errorf("Admit = %v after %v, want the deadline at 5s", err, since(begin))
		}
		time.Sleep(time.Minute)
		j.want(t, "x 0s", "y 10s")
		if _, err := s.Admit(ctx, g); err != context.DeadlineExceeded {
			t.Errorf("Admit with a context that is done = %v", err)
		}
	})
}

// An admission ends once, from anywhere, and lets one more in.
func TestAnAdmissionEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		s := mustNew(t, smartpoll.WithDynamic())
		r := run(s)
		defer r.stop()
		synctest.Wait()
		done, err := s.Admit(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		admits(t, &j, begin, s, g, "x", time.Second)
		admits(t, &j, begin, s, g, "y", time.Second)
		j.want(t)
		_ = s.Do(t.Context(), func(ctx context.Context, _ *internal) error {
			if _, err := s.Admit(ctx, g); err == nil {
				t.Error("Admit in a hook succeeds, want an error")
			}
			done()
			done()
			return nil
		})
		synctest.Wait()
		j.want(t, "x 0s")
		time.Sleep(time.Minute)
		j.want(t, "x 0s", "y 1s")
	})
}

// Admissions end with a Run: those that wait fail, and those in progress keep their place until they are done.
func TestAdmissionsAndTheEndOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		s := mustNew(t, smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Minute}))
		if _, err := s.Admit(t.Context(), g); err != smartpoll.ErrNotRunning {
			t.Errorf("Admit before Run = %v, want ErrNotRunning", err)
		}
		r := run(s)
		synctest.Wait()
		done, err := s.Admit(t.Context(), g)
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		go func() {
			_, err := s.Admit(t.Context(), g)
			failed <- err
		}()
		synctest.Wait()
		_ = r.stop()
		if err := <-failed; err != smartpoll.ErrNotRunning {
			t.Errorf("Admit at the end of Run = %v, want ErrNotRunning", err)
		}
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		r = run(s)
		defer r.stop()
		synctest.Wait()
		var admitted atomic.Bool
		go func() {
			if done, err := s.Admit(t.Context(), g); err == nil {
				admitted.Store(true)
				done()
			}
		}()
		time.Sleep(time.Hour)
		if admitted.Load() {
			t.Error("the next Run admits one more beside that of the last one")
		}
		done()
		synctest.Wait()
		if !admitted.Load() {
			t.Error("nothing is admitted when that of the last Run is done")
		}
	})
}

func TestAdmitMisused(t *testing.T) {
	g := smartpoll.NewGroup(smartpoll.GroupConfig{})
	mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(g)))
	s := mustNew(t, smartpoll.WithDynamic())
	r := run(s)
	defer r.stop()
	for s.Do(t.Context(), func(context.Context, *internal) error { return nil }) == smartpoll.ErrNotRunning {
		time.Sleep(time.Millisecond)
	}
	if _, err := s.Admit(t.Context(), g); !contains(err, "in use by another scheduler") {
		t.Errorf("Admit with the group of another scheduler = %v", err)
	}
	if got := caught(func() { _, _ = s.Admit(t.Context(), nil) }); got == nil {
		t.Error("Admit without a group does not panic")
	}
	if got := caught(func() { _, _ = new(smartpoll.Scheduler).Admit(t.Context(), g) }); got == nil {
		t.Error("Admit of a Scheduler that New has not made does not panic")
	}
}

// Tasks, admissions, those that give up and ends of Run in any order keep the limits, and leave nothing behind.
func TestAdmissionsUnderStress(t *testing.T) {
	g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 3, Rate: 20_000, Burst: 5, Gap: 10 * time.Microsecond})
	var busy, most, admitted, polled atomic.Int64
	work := func() {
		most.Store(max(most.Load(), busy.Add(1)))
		time.Sleep(10 * time.Microsecond)
		busy.Add(-1)
	}
	options := []smartpoll.Option{smartpoll.WithMaxRunning(4), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute})}
	for key := range 5 {
		options = append(options, start(key), smartpoll.WithTask(key, func(context.Context) (hook, error) {
			work()
			polled.Add(1)
			return func(_ context.Context, i *internal) error { i.Schedule(key, 0); return nil }, nil
		}, smartpoll.In(g)))
	}
	s := mustNew(t, options...)
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for ctx.Err() == nil {
				patience, stop := context.WithTimeout(ctx, time.Duration(n)*100*time.Microsecond)
				if done, err := s.Admit(patience, g); err == nil {
					work()
					done()
					admitted.Add(1)
				}
				stop()
			}
		})
	}
	for range 10 {
		r := run(s)
		time.Sleep(50 * time.Millisecond)
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		_ = r.stop()
	}
	cancel()
	all.Wait()
	if wrong := smartpoll.Check(s); wrong != "" {
		t.Error(wrong)
	}
	if most.Load() > 3 || admitted.Load() == 0 || polled.Load() == 0 {
		t.Errorf("%d at once, %d admissions, %d polls, want at most 3 at once and some of both",
			most.Load(), admitted.Load(), polled.Load())
	}
}
