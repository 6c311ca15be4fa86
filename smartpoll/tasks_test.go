package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// manager is what manages tasks, alike on both.
type manager interface {
	Add(key any, task smartpoll.Task, opts ...smartpoll.TaskOption) error
	Remove(key any) bool
	Cancel(key any) bool
	Pause(key any, reason ...string)
	Resume(key any, reason ...string)
	PauseAll(reason string)
	ResumeAll(reason string)
	SetSchedule(key any, s smartpoll.Schedule)
	Info(key any) (smartpoll.TaskInfo, bool)
}

var (
	_ manager = (*smartpoll.Internal)(nil)
	_ manager = (*smartpoll.Scheduler)(nil)
)

// empty is a scheduler that waits for tasks, and for those at the end.
func empty(t *testing.T, options ...smartpoll.Option) *smartpoll.Scheduler {
	return mustNew(t, append(options, smartpoll.WithDynamic(), smartpoll.WithDrain(smartpoll.Drain{Wait: 1000 * time.Hour}))...)
}

func mustAdd(t *testing.T, m manager, key any, task smartpoll.Task, opts ...smartpoll.TaskOption) {
	t.Helper()
	if err := m.Add(key, task, opts...); err != nil {
		t.Fatalf("Add(%v) = %v, want nil", key, err)
	}
}

// untilCancelled is a task that runs until its context ends, and writes the cause.
func untilCancelled(j *journal) smartpoll.Task {
	return func(ctx context.Context) (hook, error) {
		<-ctx.Done()
		j.add("%v: %v", ctx.Err(), context.Cause(ctx))
		return func(context.Context, *internal) error { j.add("hook"); return nil }, errFlaky
	}
}

func TestDynamicTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := empty(t)
		r := run(s)
		synctest.Wait()
		mustAdd(t, s, "a", then(func(i *internal) error {
			j.add("a")
			mustAdd(t, i, "b", then(func(i *internal) error { j.add("b"); return nil }))
			i.Schedule("b", time.Second)
			return nil
		}))
		time.Sleep(time.Minute)
		j.want(t) // nothing is scheduled by Add
		s.Schedule("a", 0)
		time.Sleep(time.Minute)
		j.want(t, "a", "b")
		r.stop()
		if _, ok := s.Info("b"); !ok {
			t.Error("a task that was added is gone after Run")
		}
	})
}

func TestAddRefuses(t *testing.T) {
	s := mustNew(t, smartpoll.WithTask("k", nothing))
	err := s.Add("k", nothing)
	if want := "smartpoll: task exists already: string: k"; !errors.Is(err, smartpoll.ErrTaskExists) || err.Error() != want {
		t.Errorf("Add() of a known key = %v, want %s", err, want)
	}
	for _, test := range []struct {
		key  any
		task smartpoll.Task
		opts []smartpoll.TaskOption
		want string
	}{
		{"new", nil, nil, "smartpoll: task func must not be nil"},
		{[]int{}, nothing, nil, "smartpoll: task key type []int is not comparable"},
		{math.NaN(), nothing, nil, "smartpoll: task key type float64 is not comparable"},
		{"new", nothing, []smartpoll.TaskOption{nil}, "smartpoll: option of task new must not be nil"},
		{"new", nothing, []smartpoll.TaskOption{smartpoll.Timeout(-1)}, "smartpoll: timeout -1ns is not positive, leave the option out for none"},
		{"new", nothing, []smartpoll.TaskOption{smartpoll.OnError(nil)}, "smartpoll: OnError func must not be nil"},
		{"new", nothing, []smartpoll.TaskOption{smartpoll.HeadStart(0)}, "smartpoll: head start 0s is not positive, leave the option out for none"},
		{"new", nothing, []smartpoll.TaskOption{smartpoll.On(nil)}, "smartpoll: schedule must not be nil"},
		{"new", nothing, []smartpoll.TaskOption{smartpoll.Overlap(-7)}, "smartpoll: overlap policy -7 is none, use Coalesce, Queue, Skip or Replace"},
		{"new", nothing, []smartpoll.TaskOption{smartpoll.Missed(-7)}, "smartpoll: missed policy -7 is none, use MissedOnce, MissedSkip or MissedAll"},
	} {
		if err := s.Add(test.key, test.task, test.opts...); err == nil || err.Error() != test.want {
			t.Errorf("Add(%v) = %v, want %s", test.key, err, test.want)
		}
	}
	for want, f := range map[string]func(){
		"smartpoll: Queue(0) would keep nothing, use a positive number, or Skip":                   func() { smartpoll.Queue(0) },
		"smartpoll: MissedAll(-1) would make up for nothing, use a positive number, or MissedSkip": func() { smartpoll.MissedAll(-1) },
		"smartpoll: Every(0s) would never come to an end, use a positive duration":                 func() { smartpoll.Every(0) },
		"smartpoll: Jitter(1) is not a part of the interval, use a number from 0 to less than 1":   func() { smartpoll.Every(1).Jitter(1, "") },
		"smartpoll: Jitter(NaN) is not a part of the interval, use a number from 0 to less than 1": func() { smartpoll.Every(1).Jitter(math.NaN(), "") },
		"smartpoll: task not found: string: unknown":                                               func() { s.Cancel("unknown") },
		"smartpoll: task not found: <nil>: <nil>":                                                  func() { s.Pause(nil) },
		"smartpoll: task not found: int: 3":                                                        func() { s.Resume(3) },
		"smartpoll: Do needs a func":                                                               func() { s.Do(t.Context(), nil) },
	} {
		if got := caught(f); got != want {
			t.Errorf("panic = %v, want %s", got, want)
		}
	}
	for _, f := range []func(){func() { s.Info([]int{}) }, func() { s.Remove([]int{}) }, func() { s.Cancel([]int{}) }} {
		if _, ok := caught(f).(runtime.Error); !ok {
			t.Error("an uncomparable key has not made the runtime panic")
		}
	}
	s.Schedule("k", 0) // none of it has left a lock
	for option, want := range map[*smartpoll.Option]string{
		ptr(smartpoll.WithMaxRunning(0)): "smartpoll: max running 0 admits nothing, use a positive number, or leave the option out",
		ptr(smartpoll.WithObserver(nil)): "smartpoll: observer must not be nil",
	} {
		if _, err := smartpoll.New(smartpoll.WithDynamic(), *option); err == nil || err.Error() != want {
			t.Errorf("New() = %v, want %s", err, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

// A group that was claimed for a task which was refused is free again, and one that
// had been before remains.
func TestAddClaimsGroups(t *testing.T) {
	free, used := smartpoll.NewGroup(smartpoll.GroupConfig{}), smartpoll.NewGroup(smartpoll.GroupConfig{})
	mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(used)))
	s := mustNew(t, smartpoll.WithDynamic())
	if err := s.Add("k", nothing, smartpoll.In(free), smartpoll.In(used)); err == nil {
		t.Error("Add() with the group of another scheduler = nil, want an error")
	}
	if _, ok := s.Info("k"); ok {
		t.Error("a task that was refused is known")
	}
	mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(free)))
}

func TestRemoveAtEachPhase(t *testing.T) {
	for phase, test := range map[string]struct {
		after time.Duration // from when k is due until it is removed
		want  []string
	}{
		"waiting":   {-30 * time.Second, nil}, // before it is due
		"parked":    {30 * time.Second, nil},
		"stage one": {30 * time.Second, []string{"one", "context canceled: smartpoll: task removed"}},
		"queued":    {30 * time.Second, []string{"one"}},
		"hook":      {30 * time.Second, []string{"one", "hook", "end of hook"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var j journal
			in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
			blocked := make(chan int)
			s := empty(t,
				smartpoll.WithTask("in group", func(context.Context) (hook, error) { time.Sleep(time.Hour); return nil, nil }, in),
				smartpoll.WithHook(blocked, func(context.Context, *internal, int, bool) error { time.Sleep(time.Minute); return nil }))
			r := run(s)
			if phase == "parked" {
				s.Schedule("in group", 0)
				synctest.Wait()
			} else {
				in = smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{}))
			}
			mustAdd(t, s, "k", func(ctx context.Context) (hook, error) {
				j.add("one")
				switch phase {
				case "stage one":
					return untilCancelled(&j)(ctx)
				case "queued":
					time.Sleep(2 * time.Second)
				}
				return func(context.Context, *internal) error {
					j.add("hook")
					time.Sleep(time.Minute)
					j.add("end of hook")
					return nil
				}, nil
			}, in)
			s.Schedule("k", time.Minute)
			time.Sleep(time.Minute + min(test.after, 0))
			synctest.Wait()
			if phase == "queued" {
				blocked <- 1
			}
			time.Sleep(test.after)
			if !s.Remove("k") || s.Remove("k") {
				t.Errorf("%s: Remove() = false, or true again", phase)
			}
			if _, ok := s.Info("k"); ok {
				t.Errorf("%s: a removed key is known", phase)
			}
			if wrong := smartpoll.Check(s); wrong != "" {
				t.Errorf("%s: %s", phase, wrong)
			}
			time.Sleep(3 * time.Hour)
			if got, want := caught(func() { s.Schedule("k", 0) }), "smartpoll: task not found: string: k"; got != want {
				t.Errorf("%s: Schedule() of a key that was removed long ago panics with %v, want %s", phase, got, want)
			}
			if got := r.stop(); got != context.Canceled {
				t.Errorf("%s: Run() = %v, want the removed task's error dropped", phase, got)
			}
			j.want(t, test.want...)
		})
	}
}

func TestMaxRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		options := []smartpoll.Option{smartpoll.WithMaxRunning(2)}
		for n := range 5 {
			options = append(options, starts(&j, begin, fmt.Sprint(n), 2*time.Second))
		}
		s := mustNew(t, options...)
		r := run(s)
		synctest.Wait()
		for n := range 5 {
			s.Schedule(fmt.Sprint(n), time.Duration(n+1))
		}
		time.Sleep(1500 * time.Millisecond) // in the first hook
		for n := 2; n < 5; n++ {
			info, _ := s.Info(fmt.Sprint(n))
			if info.State != smartpoll.Ready || !s.StopTimer(fmt.Sprint(n)) {
				t.Errorf("State of a task that waits for room = %v, want %v", info.State, smartpoll.Ready)
			}
		}
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		time.Sleep(time.Hour)
		r.stop()
		j.want(t, "0 1ns", "1 2ns", "2 2.000000001s", "3 3.000000001s", "4 4.000000001s")
	})
}

func TestMaxRunningCountsTasksWithoutHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		running, most, runs := 0, 0, 0
		lock := make(chan struct{}, 1)
		options := []smartpoll.Option{smartpoll.WithMaxRunning(3)}
		for n := range 100 {
			options = append(options, start(n), smartpoll.WithTask(n, func(context.Context) (hook, error) {
				lock <- struct{}{}
				running++
				runs++
				most = max(most, running)
				<-lock
				time.Sleep(time.Second)
				lock <- struct{}{}
				running--
				<-lock
				return nil, nil
			}))
		}
		r := run(mustNew(t, options...))
		time.Sleep(time.Minute)
		r.stop()
		if most != 3 || runs != 100 {
			t.Errorf("at most %d ran at once, %d in all, want 3, 100", most, runs)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		s := mustNew(t, smartpoll.WithTask("k", untilCancelled(&j), smartpoll.Retry(smartpoll.Backoff{})), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}))
		if s.Cancel("k") {
			t.Error("Cancel() without a Run = true, want false")
		}
		r := run(s)
		synctest.Wait()
		s.Schedule("k", time.Hour)
		if s.Cancel("k") {
			t.Error("Cancel() of a task that waits = true, want false")
		}
		s.Schedule("k", 0)
		synctest.Wait()
		s.Schedule("k", time.Minute)
		if !s.Cancel("k") || s.Cancel("k") {
			t.Error("Cancel() of a task that runs = false, or true again")
		}
		synctest.Wait()
		j.want(t, "context canceled: smartpoll: task cancelled")
		info, _ := s.Info("k")
		if info.State != smartpoll.Waiting || info.Failures != 0 || info.Err != nil || time.Until(info.Next) != time.Minute {
			t.Errorf("Info() after Cancel = %+v, want the schedule left alone and no failure", info)
		}
		time.Sleep(2 * time.Minute)
		if s.Cancel("k"); !s.Running("k") { // the task has not returned yet
			t.Error("Running() right after Cancel = false, want true until the task returns")
		}
		synctest.Wait()
		if got := r.stop(); got != context.Canceled {
			t.Errorf("Run() = %v, want cancelled errors not to be fatal", got)
		}
	})
}

// Between the decision to start a task and its start, and between its return and
// its hook.
func TestCancelAtTheEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		done := make(chan struct{})
		s := mustNew(t,
			smartpoll.WithTask("blocks", then(func(i *internal) error { time.Sleep(time.Minute); return nil })),
			smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
				j.add("one %v %v", ctx.Err(), context.Cause(ctx))
				return func(_ context.Context, i *internal) error {
					j.add("hook, Cancel %v", i.Cancel("k"))
					close(done)
					return nil
				}, nil
			}))
		r := run(s)
		s.Schedule("k", time.Second)
		s.Schedule("blocks", time.Second-1)
		time.Sleep(30 * time.Second) // k waits to be started while the hook blocks
		j.want(t)
		time.Sleep(time.Minute)
		<-done
		j.want(t, "one <nil> <nil>", "hook, Cancel false")

		s2 := mustNew(t, smartpoll.WithTask("blocks", then(func(*internal) error { time.Sleep(time.Minute); return nil })),
			smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
				time.Sleep(time.Second)
				return func(context.Context, *internal) error { t.Error("the hook of a cancelled task is called"); return nil }, nil
			}), start("k", "blocks"))
		r2 := run(s2)
		time.Sleep(30 * time.Second)
		if info, _ := s2.Info("k"); info.State != smartpoll.Running || !s2.Cancel("k") {
			t.Errorf("a task whose hook waits: State = %v, or Cancel() = false, want %v, true", info.State, smartpoll.Running)
		}
		time.Sleep(time.Hour)
		if info, _ := s2.Info("k"); info.State != smartpoll.Idle {
			t.Errorf("State afterwards = %v, want %v", info.State, smartpoll.Idle)
		}
		r.stop()
		r2.stop()
	})
}

// A task that ignores its context keeps the key, and nothing else.
func TestCancelOfATaskThatNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		others := 0
		s := mustNew(t, start("stuck", "other"), smartpoll.WithDrain(smartpoll.Drain{Grace: time.Minute, Wait: time.Minute}),
			smartpoll.WithTask("stuck", func(context.Context) (hook, error) { <-release; return nil, errFlaky }, smartpoll.Timeout(time.Second)),
			smartpoll.WithTask("other", then(func(i *internal) error { others++; i.Schedule("other", time.Second); return nil })))
		r := run(s)
		time.Sleep(time.Second + 1)
		s.Cancel("stuck")
		s.Schedule("stuck", 0)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		var got []string
		for info := range s.Tasks() {
			got = append(got, fmt.Sprint(info.Key, " ", info.State, " ", time.Since(info.Started)))
		}
		slices.Sort(got)
		if want := []string{"other waiting 0s", "stuck running 11s"}; !slices.Equal(got, want) {
			t.Errorf("Tasks() = %q, want %q", got, want)
		}
		var drain *smartpoll.DrainError
		if err := r.stop(); !errors.As(err, &drain) || !slices.Equal(drain.Keys, []any{"stuck"}) {
			t.Errorf("Run() = %v, want a DrainError that names the task", err)
		}
		if others < 10 {
			t.Errorf("another task ran %d times in 10 s, want it each second", others)
		}
		close(release)
	})
}

func TestPauseAndResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		s := mustNew(t, smartpoll.WithMaxRunning(1), starts(&j, begin, "k", 0), starts(&j, begin, "other", 2*time.Second))
		r := run(s)
		synctest.Wait()
		s.Pause("k")
		s.Pause("k")
		for range 3 {
			s.Schedule("k", time.Second)
			time.Sleep(2 * time.Second)
		}
		info, _ := s.Info("k")
		if !info.Paused || info.State != smartpoll.Ready || !s.StopTimer("k") {
			t.Errorf("Info() of a paused key that is due = %+v, want it paused and ready", info)
		}
		j.want(t)
		s.Resume("k")
		s.Resume("k")
		synctest.Wait()
		j.want(t, "k 6s") // once

		s.Schedule("other", 0)
		synctest.Wait()
		s.Schedule("k", 0) // waits for room
		s.Pause("k")       // and gives way
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		time.Sleep(time.Minute)
		r.stop()
		r = run(s)
		s.Schedule("k", 0)
		time.Sleep(time.Minute)
		j.want(t, "k 6s", "other 6s") // still paused
		s.Resume("k")
		synctest.Wait()
		j.want(t, "k 6s", "other 6s", "k 2m6s")
		r.stop()
	})
}

// Whoever is paused while a group keeps a place for it gives that to the next.
func TestPauseGivesItsPlaceAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Rate: 1}))
		s := mustNew(t, starts(&j, begin, "a", 0, in), starts(&j, begin, "b", 0, in), starts(&j, begin, "c", 0, in))
		r := run(s)
		for _, key := range []string{"a", "b", "c"} {
			s.Schedule(key, 0)
			synctest.Wait()
		}
		time.Sleep(time.Millisecond)
		if info, _ := s.Info("b"); info.State != smartpoll.Parked {
			t.Errorf("State of a task that waits for its start = %v, want %v", info.State, smartpoll.Parked)
		}
		s.Pause("b")
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		time.Sleep(time.Hour)
		j.want(t, "a 0s", "c 1s")
		s.Resume("b")
		time.Sleep(time.Hour)
		j.want(t, "a 0s", "c 1s", "b 1h0m0.001s")
		r.stop()
	})
}

// A key that is added again does not start before the old invocation has returned.
func TestAddAgainWhileTheOldOneRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var j journal
		in := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
		stubborn := func(name string, d time.Duration) smartpoll.Task {
			return func(context.Context) (hook, error) {
				j.add("%s %v", name, since(begin))
				time.Sleep(d)
				return func(context.Context, *internal) error { j.add("hook of %s", name); return nil }, nil
			}
		}
		s := empty(t, smartpoll.WithTask("k", stubborn("first", time.Minute), in), smartpoll.WithTask("member", stubborn("member", 0), in))
		r := run(s)
		s.Schedule("k", 0)
		synctest.Wait()
		s.Schedule("member", 0)
		s.Remove("k")
		mustAdd(t, s, "k", stubborn("second", 0))
		s.Remove("k")
		mustAdd(t, s, "k", stubborn("third", time.Second))
		s.Schedule("k", 0)
		if info, _ := s.Info("k"); info.State != smartpoll.Running || s.Cancel("k") {
			t.Errorf("State of a key whose old task runs = %v, or Cancel() = true, want %v, false", info.State, smartpoll.Running)
		}
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		time.Sleep(time.Hour)
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		got := j.got()
		slices.Sort(got)
		want := []string{"first 0s", "hook of member", "hook of third", "member 1m0s", "third 1m0s"}
		if !slices.Equal(got, want) {
			t.Errorf("journal = %q, want %q", got, want)
		}
		r.stop()
	})
}

// A hook in progress may go on to use a key that somebody removes.
func TestRemoveUnderAHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch := make(chan int)
		s := empty(t, smartpoll.WithTask("k", nothing), smartpoll.WithHook(ch, func(_ context.Context, i *internal, _ int, _ bool) error {
			time.Sleep(time.Minute) // while it is removed
			i.Schedule("k", 0)
			i.ScheduleAt("k", time.Now())
			i.ScheduleSooner("k", 1)
			i.ScheduleAtSooner("k", time.Now())
			i.Pause("k")
			i.Resume("k")
			if !i.Next("k").IsZero() || i.Running("k") || i.StopTimer("k") || i.Cancel("k") || i.Remove("k") {
				t.Error("a removed key can be scheduled, runs, or can be removed again")
			}
			return nil
		}))
		r := run(s)
		ch <- 1
		time.Sleep(time.Second)
		if !s.Remove("k") {
			t.Error("Remove() = false, want true")
		}
		time.Sleep(time.Hour)
		if got, want := caught(func() { s.Schedule("k", 0) }), "smartpoll: task not found: string: k"; got != want {
			t.Errorf("Schedule() after that hook = %v, want %v", got, want)
		}
		if got := r.stop(); got != context.Canceled {
			t.Errorf("Run() = %v, want %v", got, context.Canceled)
		}
	})
}

// What was removed can be collected, and the map does not grow.
func TestRemovedTasksAreCollected(t *testing.T) {
	s := empty(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	collected := make(chan struct{})
	func() {
		held := new([1 << 10]int)
		runtime.AddCleanup(held, func(struct{}) { close(collected) }, struct{}{})
		ran := make(chan struct{})
		mustAdd(t, s, held, func(context.Context) (hook, error) { held[0]++; close(ran); return nil, nil })
		s.Schedule(held, 0)
		<-ran
		s.Remove(held)
	}()
	for begin := time.Now(); ; runtime.GC() {
		select {
		case <-collected:
		case <-time.After(time.Millisecond):
			if time.Since(begin) < 20*time.Second {
				continue
			}
			t.Error("a removed task is still reachable")
		}
		break
	}
	cancel()
	<-done
	if got := smartpoll.Known(s); got != 0 {
		t.Errorf("%d tasks are known, want 0", got)
	}
}

// Whoever is taken back while a group keeps a place for it, and another one has it
// wait for its start, gives that place to the next at once.
func TestTakenBackGivesItsPlaceAway(t *testing.T) {
	for name, take := range map[string]func(s *smartpoll.Scheduler){
		"Pause":    func(s *smartpoll.Scheduler) { s.Pause("b") },
		"Remove":   func(s *smartpoll.Scheduler) { s.Remove("b") },
		"Schedule": func(s *smartpoll.Scheduler) { s.Schedule("b", -1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			var j journal
			place := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}))
			hourly := smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 1.0 / 3600}))
			s := empty(t, starts(&j, begin, "first", 0, hourly), starts(&j, begin, "long", time.Second, place),
				starts(&j, begin, "b", 0, place, hourly), starts(&j, begin, "c", 0, place))
			r := run(s)
			for _, key := range []string{"first", "long", "b", "c"} {
				s.Schedule(key, 0)
				synctest.Wait()
			}
			time.Sleep(10 * time.Second)
			take(s)
			synctest.Wait()
			if wrong := smartpoll.Check(s); wrong != "" {
				t.Errorf("%s: %s", name, wrong)
			}
			j.want(t, "first 0s", "long 0s", "c 10s")
			r.stop()
		})
	}
}

// The context of a run that was cancelled says so for ever, whoever asks first when.
func TestCancelledContextKeepsItsCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		s := empty(t, smartpoll.WithTask("k", func(ctx context.Context) (hook, error) {
			kept = ctx
			time.Sleep(time.Minute)
			return nil, nil
		}), start("k"))
		r := run(s)
		time.Sleep(time.Second)
		s.Cancel("k")
		time.Sleep(time.Hour)
		r.stop()
		if err, cause := kept.Err(), context.Cause(kept); err != context.Canceled || cause != smartpoll.ErrTaskCancelled {
			t.Errorf("Err() and Cause() long after = %v, %v, want %v, %v", err, cause, context.Canceled, smartpoll.ErrTaskCancelled)
		}
	})
}
