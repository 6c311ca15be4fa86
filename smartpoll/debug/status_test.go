package debug_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/smartpoll/debug"
)

func TestStatus(t *testing.T) {
	upstream := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
	broken := func(context.Context) (smartpoll.TaskHook, error) {
		time.Sleep(20 * time.Millisecond)
		return nil, errors.New("no route")
	}
	runs := 0
	slower := func(ctx context.Context) (smartpoll.TaskHook, error) {
		runs++
		return takes(time.Duration(runs*runs) * time.Second)(ctx)
	}
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		begin := time.Now().UTC()
		s.Pause("paused")
		for _, key := range []string{"broken", "long", "quick", "paused", "slower"} {
			s.Schedule(key, 0)
		}
		s.Schedule("later", time.Hour)
		synctest.Wait()
		s.Schedule("parked", 0)
		time.Sleep(2 * time.Second)
		s.Schedule("slower", 0)
		time.Sleep(time.Second)
		got := look(t, h, "")
		for i := range got.Tasks {
			if got.Tasks[i].ID == "" || got.Tasks[i].Type != "string" {
				t.Errorf("task %+v, want an id, and the type string", got.Tasks[i])
			}
			got.Tasks[i].ID, got.Tasks[i].Type = "", ""
		}
		at := func(d time.Duration) time.Time { return begin.Add(d) }
		want := []task{
			{Key: "broken", State: "waiting", Next: at(10*time.Second + 20*time.Millisecond), Started: begin,
				Ended: at(20 * time.Millisecond), Took: 20, Runs: 1, Failures: 1, Error: "no route", ErrorAt: at(20 * time.Millisecond)},
			{Key: "idle", State: "idle"},
			{Key: "later", State: "waiting", Next: at(time.Hour)},
			{Key: "long", State: "running", Started: begin, Runs: 1},
			{Key: "parked", State: "parked", Next: begin, Overdue: 3000},
			{Key: "paused", State: "ready", Paused: true, Pauses: []struct{ Of, Reason string }{{"task", ""}}, Next: begin},
			{Key: "quick", State: "idle", Started: begin, Ended: at(1500 * time.Microsecond), Took: 1.5, Runs: 1},
			{Key: "slower", State: "running", Started: at(2 * time.Second), Ended: at(time.Second), Took: 1000, Runs: 2},
		}
		if fmt.Sprint(got.Tasks) != fmt.Sprint(want) {
			t.Errorf("tasks\n%+v, want\n%+v", got.Tasks, want)
		}
		if got.Loop.State != "running" || got.Loop.Hook != nil || !got.At.Equal(at(3*time.Second)) {
			t.Errorf("loop %+v at %v, want it running and free at %v", got.Loop, got.At, at(3*time.Second))
		}
		for show, want := range map[string]string{"": "broken idle later long parked paused quick slower",
			"running": "long slower", "failing": "broken", "late": "parked", "paused": "paused"} {
			if got := keys(look(t, h, "&show="+show).Tasks); got != want {
				t.Errorf("show=%s gives %s, want %s", show, got, want)
			}
		}
		if got := keys(look(t, h, "&q=PA").Tasks); got != "parked paused" {
			t.Errorf("q=PA gives %s, want those with pa in their key", got)
		}
		if got := get(t, h, "/?format=json&show=odd", 400).Body.String(); !strings.Contains(got, "running, failing, late or paused") {
			t.Errorf("show=odd gives %s, want what would be right", got)
		}
	},
		smartpoll.WithObserver(&smartpoll.Observer{}),
		smartpoll.WithTask("broken", broken, smartpoll.Retry(smartpoll.Backoff{Min: 10 * time.Second, Jitter: -1})),
		smartpoll.WithTask("idle", takes(0)),
		smartpoll.WithTask("later", takes(0)),
		smartpoll.WithTask("long", takes(time.Hour), smartpoll.In(upstream)),
		smartpoll.WithTask("parked", takes(0), smartpoll.In(upstream)),
		smartpoll.WithTask("paused", takes(0)),
		smartpoll.WithTask("quick", takes(1500*time.Microsecond)),
		smartpoll.WithTask("slower", slower))
}

// What held up a start is told apart from the lateness of the scheduler.
func TestLateAndHeld(t *testing.T) {
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		s.Pause("task")
		s.Schedule("task", time.Second)
		time.Sleep(4 * time.Second)
		release := make(chan struct{})
		go func() {
			_ = s.Do(t.Context(), func(context.Context, *smartpoll.Internal) error { <-release; return nil })
		}()
		synctest.Wait()
		s.Resume("task")
		time.Sleep(2 * time.Second)
		close(release)
		time.Sleep(time.Second)
		if got := find(t, h, "task"); got.Held != 3000 || got.Late != 2000 {
			t.Errorf("held %v ms and late %v ms, want 3000 while it was paused, and 2000 behind the hook", got.Held, got.Late)
		}
		if got := get(t, h, "/", 200).Body.String(); !strings.Contains(got, `2.0 s <small>held 3.0 s</small>`) {
			t.Errorf("page %s, want both", got)
		}
	}, smartpoll.WithObserver(&smartpoll.Observer{}), smartpoll.WithTask("task", takes(time.Millisecond)))
}

// TestStuckHook: a hook that does not return is named, and holds up nobody who looks
// or acts.
func TestStuckHook(t *testing.T) {
	for _, observed := range []bool{false, true} {
		var options []smartpoll.Option
		if observed {
			options = append(options, smartpoll.WithObserver(&smartpoll.Observer{}))
		}
		run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
			release := make(chan struct{})
			stuck := func(context.Context) (smartpoll.TaskHook, error) {
				time.Sleep(2 * time.Second)
				return func(context.Context, *smartpoll.Internal) error { <-release; return nil }, nil
			}
			if err := errors.Join(s.Add("stuck", stuck), s.Add("other", takes(0))); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			s.Schedule("stuck", 0)
			time.Sleep(time.Minute)
			asked := time.Now()
			got := look(t, h, "")
			since := begin
			if observed {
				since = begin.Add(2 * time.Second)
			}
			if got.Loop.State != "busy" || got.Loop.Hook == nil || got.Loop.Hook.Key != "stuck" || !got.Loop.Hook.Since.Equal(since) {
				t.Errorf("loop %+v with %+v, want it busy with the hook of stuck since %v", got.Loop, got.Loop.Hook, since)
			}
			if took := time.Since(asked); took != 100*time.Millisecond {
				t.Errorf("a look took %v, want 100ms", took)
			}
			other := find(t, h, "other")
			asked = time.Now()
			post(t, h, other.ID, "pause", http.StatusOK)
			post(t, h, other.ID, "resume", http.StatusOK)
			post(t, h, other.ID, "run", http.StatusOK)
			post(t, h, got.Loop.Hook.ID, "pause", http.StatusOK)
			if took := time.Since(asked); took != 0 {
				t.Errorf("four actions took %v, want no time", took)
			}
			time.Sleep(time.Minute)
			if got := look(t, h, "&show=late"); keys(got.Tasks) != "other" {
				t.Errorf("late are %s, want other, which is not started", keys(got.Tasks))
			}
			if got := get(t, h, "/", 200).Body.String(); !strings.Contains(got, "The hook of <b dir=\"auto\">stuck</b> has kept the loop") {
				t.Errorf("page %s, want the hook named", got)
			}
			close(release)
			synctest.Wait()
			if got := look(t, h, ""); got.Loop.State != "running" || got.Loop.Hook != nil || got.Tasks[0].Runs != 1 {
				t.Errorf("loop %+v, other %+v, want it running again, and other run", got.Loop, got.Tasks[0])
			}
		}, options...)
	}
}

// TestStuckChannelHook: a hook that is no task's has no name.
func TestStuckChannelHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		values, release := make(chan int, 1), make(chan struct{})
		s, err := smartpoll.New(smartpoll.WithTask("task", takes(0)),
			smartpoll.WithHook(values, func(context.Context, *smartpoll.Internal, int, bool) error { <-release; return nil }))
		if err != nil {
			t.Fatal(err)
		}
		h := debug.Handler(s, nil)
		if got := look(t, h, ""); got.Loop.State != "stopped" || keys(got.Tasks) != "task" {
			t.Errorf("before Run %+v, want a loop that is stopped, and the task", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		values <- 1
		synctest.Wait()
		if got := look(t, h, ""); got.Loop.State != "busy" || got.Loop.Hook != nil {
			t.Errorf("loop %+v, want it busy with a hook without a name", got.Loop)
		}
		if got := get(t, h, "/", 200).Body.String(); !strings.Contains(got, "The hook of a channel") {
			t.Errorf("page %s, want it to say what keeps the loop", got)
		}
		cancel()
		close(release)
		<-ended
		if got := get(t, h, "/", 200).Body.String(); !strings.Contains(got, "Loop stopped") || !strings.Contains(got, "No Run is on") {
			t.Errorf("page %s, want the loop stopped", got)
		}
	})
}

// TestTaskThatNeverReturns is shown since when, and holds up nobody.
func TestTaskThatNeverReturns(t *testing.T) {
	run(t, func(t *testing.T, s *smartpoll.Scheduler, h http.Handler) {
		release := make(chan struct{})
		defer close(release)
		if err := s.Add("deaf", func(context.Context) (smartpoll.TaskHook, error) { <-release; return nil, nil }); err != nil {
			t.Fatal(err)
		}
		s.Schedule("deaf", 0)
		begin := time.Now()
		time.Sleep(26 * time.Hour)
		asked := time.Now()
		deaf := find(t, h, "deaf")
		if deaf.State != "running" || !deaf.Started.Equal(begin) || time.Since(asked) != 0 {
			t.Errorf("deaf %+v after %v, want it running since %v, and at once", deaf, time.Since(asked), begin)
		}
		post(t, h, deaf.ID, "cancel", http.StatusOK) // to no avail
		if got := get(t, h, "/", 200).Body.String(); !strings.Contains(got, "for 1 d 2 h") {
			t.Errorf("page %s, want it to say for how long", got)
		}
	})
}
