package smartpoll_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

func TestInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("k", func(context.Context) (hook, error) {
			time.Sleep(time.Minute)
			return func(context.Context, *internal) error { time.Sleep(time.Minute); return nil }, nil
		}))
		if _, ok := s.Info("unknown"); ok {
			t.Error("Info() of an unknown key says that it is known")
		}
		r := run(s)
		synctest.Wait()
		begin := time.Now()
		s.Schedule("k", time.Minute)
		for _, want := range []struct {
			state   smartpoll.State
			text    string
			runs    uint64
			started time.Time
		}{
			{smartpoll.Waiting, "waiting", 0, time.Time{}},
			{smartpoll.Running, "running", 1, begin.Add(time.Minute)},
			{smartpoll.Hooking, "hook", 1, begin.Add(time.Minute)}, // answered while it blocks
			{smartpoll.Idle, "idle", 1, begin.Add(time.Minute)},
		} {
			got, ok := s.Info("k")
			if !ok || got.State != want.state || got.State.String() != want.text || got.Runs != want.runs || !got.Started.Equal(want.started) {
				t.Errorf("Info() after %v = %+v, %v, want %+v", since(begin), got, ok, want)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		r.stop()
	})
}

// Started is when a task has started, also if it became due long before.
func TestStartedAfterARunThatTookLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, start("k"), smartpoll.WithDrain(smartpoll.Drain{Wait: 2 * time.Hour}), smartpoll.WithTask("k", func(context.Context) (hook, error) { time.Sleep(time.Hour); return nil, nil }))
		r := run(s)
		synctest.Wait()
		s.Schedule("k", 0)
		time.Sleep(90 * time.Minute)
		if info, _ := s.Info("k"); time.Since(info.Started) != 30*time.Minute {
			t.Errorf("Started %v ago, want 30m", time.Since(info.Started))
		}
		r.stop()
	})
}

// The loop over Tasks may call all methods, and end early; tasks come and go
// meanwhile.
func TestTasks(t *testing.T) {
	const n = 1000
	s := mustNew(t, smartpoll.WithDynamic())
	for key := range n {
		mustAdd(t, s, key, nothing)
	}
	seen := make(map[any]int)
	for info := range s.Tasks() {
		seen[info.Key]++
		if key := info.Key.(int); key < n {
			s.Schedule(key, time.Hour)
			if key%2 == 0 {
				s.Remove(key)
			}
			mustAdd(t, s, n+key, nothing)
		}
	}
	for key := range n {
		if key%2 == 1 && seen[key] != 1 {
			t.Errorf("Tasks() had key %d %d times, want once", key, seen[key])
		}
	}
	for range s.Tasks() {
		break
	}
	count := 0
	for range s.Tasks() {
		count++
	}
	if count != n+n/2 {
		t.Errorf("Tasks() has %d tasks, want %d", count, n+n/2)
	}
}
