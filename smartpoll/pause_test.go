package smartpoll_test

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// wantRuns compares how often tasks have run.
func wantRuns(t *testing.T, s *smartpoll.Scheduler, when string, want map[string]uint64) {
	t.Helper()
	if wrong := smartpoll.Check(s); wrong != "" {
		t.Errorf("%s: %s", when, wrong)
	}
	for key, want := range want {
		if info, _ := s.Info(key); info.Runs != want {
			t.Errorf("%s: %s has run %d times, want %d", when, key, info.Runs, want)
		}
	}
}

// Pauses for different reasons, and of different things, do not lift each other; Info tells them all.
func TestPausesDoNotLiftEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := smartpoll.NewGroup(smartpoll.GroupConfig{})
		s := mustNew(t, smartpoll.WithTask("in", nothing, smartpoll.In(g)), smartpoll.WithTask("out", nothing))
		g.Pause("group")
		r := run(s)
		synctest.Wait()
		s.PauseAll("all")
		s.PauseAll("all")
		s.PauseAll("all, too")
		s.Pause("in")
		s.Pause("in", "reason", "another")
		g.Pause("group, too")
		s.Schedule("in", 0)
		s.Schedule("out", time.Minute)
		time.Sleep(2 * time.Minute)
		info, _ := s.Info("in")
		want := []smartpoll.Pause{{Reason: ""}, {Reason: "reason"}, {Reason: "another"}, {Reason: "group", Group: g}, {Reason: "group, too", Group: g},
			{Reason: "all", All: true}, {Reason: "all, too", All: true}}
		if !info.Paused || !reflect.DeepEqual(info.Pauses, want) || info.State != smartpoll.Ready {
			t.Errorf("Info() = %+v, want it paused for %v", info, want)
		}
		for _, step := range []struct {
			what string
			do   func()
			in   uint64
			out  uint64
		}{
			{"a reason that there is not", func() { s.ResumeAll("group"); g.Resume("all"); s.Resume("in", "all"); s.Resume("out") }, 0, 0},
			{"one of all", func() { s.ResumeAll("all") }, 0, 0},
			{"the other one of all", func() { s.ResumeAll("all, too") }, 0, 1},
			{"one of the group", func() { g.Resume("group") }, 0, 1},
			{"that without a reason", func() { s.Resume("in") }, 0, 1},
			{"two", func() { s.Resume("in", "reason", "another") }, 0, 1},
			{"the last one", func() { g.Resume("group, too") }, 1, 1},
			{"none", func() { g.Resume("group, too"); s.ResumeAll("all"); s.Resume("in") }, 1, 1},
		} {
			step.do()
			synctest.Wait()
			wantRuns(t, s, step.what, map[string]uint64{"in": step.in, "out": step.out})
		}
		if info, _ := s.Info("in"); info.Paused || info.Pauses != nil {
			t.Errorf("Info() = %+v, want it not paused", info)
		}
		r.stop()
	})
}

// Pauses remain over Runs, schedules do not. They hold tasks that are added later, too.
func TestPausesRemain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		s := mustNew(t, smartpoll.WithTask("in", nothing, smartpoll.In(g)), smartpoll.WithTask("out", nothing), start("in", "out"))
		s.PauseAll("standby")
		g.Pause("maintenance")
		for range 2 {
			r := run(s)
			time.Sleep(time.Minute)
			r.stop()
		}
		wantRuns(t, s, "after two Runs", map[string]uint64{"in": 0, "out": 0})
		s.ResumeAll("standby")
		r := run(s)
		time.Sleep(time.Minute)
		mustAdd(t, s, "added", nothing, smartpoll.In(g))
		s.Schedule("added", 0)
		synctest.Wait()
		wantRuns(t, s, "in a third one", map[string]uint64{"in": 0, "out": 1, "added": 0})
		g.Resume("maintenance")
		synctest.Wait()
		wantRuns(t, s, "after it", map[string]uint64{"in": 1, "out": 1, "added": 1})
		r.stop()
	})
}

// A member of a paused group is not in the way of others: neither where it would have waited, nor with what it kept.
func TestAPausedMemberKeepsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slot, rest := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}), smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1, Rate: 0.1})
		takes := func(d time.Duration) smartpoll.Task {
			return func(context.Context) (hook, error) { time.Sleep(d); return nil, nil }
		}
		s := mustNew(t, smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithTask("rest", takes(time.Minute), smartpoll.In(rest)),
			smartpoll.WithTask("both", takes(time.Second), smartpoll.In(slot), smartpoll.In(rest)),
			smartpoll.WithTask("slot", takes(time.Second), smartpoll.In(slot)))
		r := run(s)
		synctest.Wait()
		s.Schedule("rest", 0)
		time.Sleep(time.Second)
		s.Schedule("both", 0) // waits for rest, and keeps the slot
		time.Sleep(time.Second)
		s.Schedule("slot", 0)
		time.Sleep(time.Second)
		wantRuns(t, s, "while both waits", map[string]uint64{"rest": 1, "both": 0, "slot": 0})
		rest.Pause("")
		time.Sleep(time.Second)
		wantRuns(t, s, "while both is paused", map[string]uint64{"rest": 1, "both": 0, "slot": 1})
		time.Sleep(2 * time.Minute)
		if smartpoll.TimerIsSet(s) {
			t.Error("the timer is set, though everything that is due is paused")
		}
		s.Schedule("both", time.Second)
		time.Sleep(2 * time.Second)
		s.Schedule("slot", 0)
		time.Sleep(time.Second)
		wantRuns(t, s, "due while paused", map[string]uint64{"both": 0, "slot": 2})
		rest.Resume("")
		synctest.Wait()
		wantRuns(t, s, "after it", map[string]uint64{"both": 1})
		time.Sleep(time.Minute)
		r.stop()
	})
}

// A member that waited for one of its groups when another one was paused is no longer in the way there, even while it
// could not start for other reasons.
func TestAPausedMemberLeavesTheQueueOfAnotherGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const s = time.Second
		a, b := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1}), smartpoll.NewGroup(smartpoll.GroupConfig{})
		var j journal
		begin := time.Now()
		x := mustNew(t, smartpoll.WithMaxRunning(2), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			works(&j, begin, "first", 10*s, smartpoll.In(a)), works(&j, begin, "both", s, smartpoll.In(a), smartpoll.In(b)),
			works(&j, begin, "long", time.Minute), works(new(journal), begin, "other", time.Minute))
		r := run(x)
		synctest.Wait()
		for _, key := range []string{"first", "both", "long", "other"} {
			x.Schedule(key, 0)
			synctest.Wait()
		}
		admits(t, &j, begin, x, a, "admission", s)
		b.Pause("")
		time.Sleep(20 * s)
		j.want(t, "first 0s", "long 0s", "admission 10s")
		if wrong := smartpoll.Check(x); wrong != "" {
			t.Error(wrong)
		}
		b.Resume("")
		time.Sleep(time.Minute)
		j.want(t, "first 0s", "long 0s", "admission 10s", "both 1m0s")
		r.stop()
	})
}

// An admission that waits for a start when its group is paused goes on waiting, and the timer is not set for it.
func TestAGroupIsPausedWhileAnAdmissionWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Rate: 0.1})
		begin := time.Now()
		var j journal
		s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(g)))
		r := run(s)
		synctest.Wait()
		admits(t, &j, begin, s, g, "first", 0)
		admits(t, &j, begin, s, g, "second", 0)
		time.Sleep(time.Second)
		g.Pause("")
		if wrong := smartpoll.Check(s); wrong != "" {
			t.Error(wrong)
		}
		time.Sleep(time.Minute)
		j.want(t, "first 0s")
		g.Resume("")
		synctest.Wait()
		j.want(t, "first 0s", "second 1m1s")
		r.stop()
	})
}

// An admission waits while its group is paused, but not while all tasks are.
func TestAdmitObeysAPausedGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		s := mustNew(t, smartpoll.WithTask("k", nothing, smartpoll.In(g)))
		r := run(s)
		synctest.Wait()
		s.PauseAll("standby")
		s.Schedule("k", 0)
		done, err := s.Admit(t.Context(), g)
		if err != nil {
			t.Fatalf("Admit() while all tasks are paused = %v, want nil", err)
		}
		done()
		g.Pause("maintenance")
		var j journal
		go func() {
			done, err := s.Admit(t.Context(), g)
			j.add("admitted %v", err)
			done()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := s.Admit(ctx, g); err != context.DeadlineExceeded {
			t.Errorf("Admit() while its group is paused = %v, want %v", err, context.DeadlineExceeded)
		}
		j.want(t)
		g.Resume("maintenance")
		synctest.Wait()
		j.want(t, "admitted <nil>")
		wantRuns(t, s, "after it", map[string]uint64{"k": 0})
		r.stop()
	})
}

// Due while a pause of whatever kind is on: once, not at all, or all.
func TestMissedDuringPausesOfAnyKind(t *testing.T) {
	const s = time.Second
	for name, kind := range map[string]func(x *smartpoll.Scheduler, g *smartpoll.Group) (pause, resume func()){
		"group": func(_ *smartpoll.Scheduler, g *smartpoll.Group) (pause, resume func()) {
			return func() { g.Pause("x") }, func() { g.Resume("x") }
		},
		"all": func(x *smartpoll.Scheduler, _ *smartpoll.Group) (pause, resume func()) {
			return func() { x.PauseAll("x") }, func() { x.ResumeAll("x") }
		},
		"two": func(x *smartpoll.Scheduler, g *smartpoll.Group) (pause, resume func()) {
			return func() { g.Pause("x"); x.PauseAll("x"); x.Pause("k") }, func() { x.Resume("k"); g.Resume("x"); time.Sleep(s); x.ResumeAll("x") }
		},
	} {
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
				g := smartpoll.NewGroup(smartpoll.GroupConfig{})
				x := mustNew(t, takes(&ran, begin, nil, smartpoll.On(smartpoll.Every(10*s)), smartpoll.Missed(test.policy), smartpoll.In(g)))
				pause, resume := kind(x, g)
				r := run(x)
				time.Sleep(15 * s)
				pause()
				time.Sleep(29 * s)
				if name != "two" {
					time.Sleep(s)
				}
				resume()
				time.Sleep(16 * s)
				synctest.Wait()
				wantRan(t, name, ran, test.want...)
				if info, _ := x.Info("k"); info.Skipped != test.skip {
					t.Errorf("%s, %v: %d skipped, want %d", name, test.policy, info.Skipped, test.skip)
				}
				r.stop()
			})
		}
	}
}

// Many are due at the end of a pause, in the order in which they became due.
func TestTasksResumeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		g := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
		var options []smartpoll.Option
		var order []int
		for key := range n {
			options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) { order = append(order, key); return nil, nil }, smartpoll.In(g)))
		}
		s := mustNew(t, options...)
		r := run(s)
		synctest.Wait()
		g.Pause("")
		for key := range n {
			s.Schedule(key, time.Duration(n-key)*time.Millisecond)
		}
		time.Sleep(time.Minute)
		g.Resume("")
		synctest.Wait()
		if len(order) != n || order[0] != n-1 || order[n-1] != 0 {
			t.Errorf("%d tasks have started, want %d in the order of their times", len(order), n)
		}
		r.stop()
	})
}
