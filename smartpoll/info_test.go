package smartpoll_test

import (
	"context"
	"errors"
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

// The last end is that of a run, however it ended, and the last error stays.
func TestLastEndAndLastError(t *testing.T) {
	const s = time.Second
	for _, observed := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var options []smartpoll.Option
			if observed {
				options = append(options, smartpoll.WithObserver(&smartpoll.Observer{}))
			}
			errHook := errors.New("hook")
			results := make(chan func() (hook, error), 1)
			x := mustNew(t, append(options, smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}), smartpoll.WithTask("k",
				func(context.Context) (hook, error) { time.Sleep(s); return (<-results)() },
				smartpoll.Overlap(smartpoll.Skip), smartpoll.Retry(smartpoll.Backoff{Min: time.Hour})))...)
			var begin time.Time
			want := func(what string, ended, errAt time.Duration, err error) {
				t.Helper()
				synctest.Wait()
				at := func(d time.Duration) time.Time {
					if d < 0 {
						return time.Time{}
					}
					return begin.Add(d)
				}
				if !observed {
					ended = -1
				}
				info, _ := x.Info("k")
				if !info.Ended.Equal(at(ended)) || !info.ErrAt.Equal(at(errAt)) || info.Err != err {
					t.Errorf("%s: ended %v, error %v at %v, want %v, %v at %v", what, info.Ended, info.Err, info.ErrAt, at(ended), err, at(errAt))
				}
			}
			r := run(x)
			synctest.Wait()
			begin = time.Now()
			want("before it runs", -1, -1, nil)
			x.Schedule("k", 0)
			results <- func() (hook, error) {
				return func(context.Context, *internal) error { time.Sleep(2 * s); return nil }, nil
			}
			time.Sleep(2 * s)
			want("in its hook", -1, -1, nil)
			time.Sleep(2 * s)
			want("after its hook", 3*s, -1, nil)
			x.Schedule("k", 0)
			time.Sleep(2 * s)
			x.Schedule("k", 0) // skipped
			want("while it runs again", 3*s, -1, nil)
			results <- func() (hook, error) { return nil, errFlaky }
			want("after it failed", 6*s, 6*s, errFlaky)
			x.Schedule("k", 0)
			results <- func() (hook, error) { return nil, nil }
			time.Sleep(2 * s)
			want("after a success", 7*s, 6*s, errFlaky)
			x.Schedule("k", 0)
			time.Sleep(2 * s)
			x.Cancel("k")
			results <- func() (hook, error) { return nil, errHook }
			want("after it was cancelled", 10*s, 6*s, errFlaky)
			x.Pause("k")
			x.Schedule("k", 0)
			time.Sleep(s)
			x.Schedule("k", -1)
			x.Resume("k")
			want("after a due time without a run", 10*s, 6*s, errFlaky)
			x.Schedule("k", 0)
			results <- func() (hook, error) {
				return func(context.Context, *internal) error { time.Sleep(s); return errHook }, nil
			}
			time.Sleep(3 * s)
			if err := r.stop(); err != errHook {
				t.Errorf("Run() = %v, want %v", err, errHook)
			}
			want("after a hook that ended Run", 13*s, 13*s, errHook)
			r = run(x)
			x.Schedule("k", 0)
			synctest.Wait()
			r.cancel()
			time.Sleep(2 * s)
			results <- func() (hook, error) { return nil, errFlaky }
			r.stop()
			want("after the end of Run", 16*s, 13*s, errHook)
		})
	}
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
