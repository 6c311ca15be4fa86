package smartpoll_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidewire/tidewire/smartpoll"
)

// The lateness of the scheduler is told apart from the time for which a task could not start.
func TestLateAndHeld(t *testing.T) {
	const s = time.Second
	running := smartpoll.GroupConfig{Running: 1}
	slow := smartpoll.GroupConfig{Rate: rate.Every(10 * s)}
	for _, test := range []struct {
		name       string
		group      smartpoll.GroupConfig
		room       int
		do         func(*smartpoll.Scheduler, *smartpoll.Group) // "k" is in the group, "other", which takes 10 s, too
		late, held time.Duration
	}{
		{"on time", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) { x.Schedule("k", s) }, 0, 0},
		{"a hook blocks", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("k", s)
			block(x, 5*s)
		}, 4 * s, 0},
		{"a hook blocks, and it is paused", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Pause("k")
			x.Schedule("k", s)
			go block(x, 5*s)
			time.Sleep(3 * s)
			x.Resume("k")
		}, 2 * s, 2 * s},
		{"paused", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Pause("k")
			x.Schedule("k", s)
			time.Sleep(5 * s)
			x.Resume("k")
		}, 0, 4 * s},
		{"a hook blocks, and all are paused", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.PauseAll("")
			x.Schedule("k", s)
			go block(x, 5*s)
			time.Sleep(3 * s)
			x.ResumeAll("")
		}, 2 * s, 2 * s},
		{"its group is paused", running, 9, func(x *smartpoll.Scheduler, g *smartpoll.Group) {
			g.Pause("")
			x.Schedule("k", s)
			time.Sleep(5 * s)
			g.Resume("")
		}, 0, 4 * s},
		{"its own run", smartpoll.GroupConfig{}, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			synctest.Wait()
			x.Schedule("other", 3*s)
		}, 0, 7 * s},
		{"its own hook", smartpoll.GroupConfig{}, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			_ = x.Add("blocks", func(context.Context) (hook, error) {
				return func(context.Context, *internal) error { time.Sleep(5 * s); return nil }, nil
			})
			x.Schedule("blocks", 0)
			time.Sleep(s)
			x.Schedule("blocks", s)
		}, 0, 3 * s},
		{"the task that had its key", smartpoll.GroupConfig{}, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			synctest.Wait()
			x.Remove("other")
			_ = x.Add("other", nothing)
			x.Schedule("other", 3*s)
		}, 0, 7 * s},
		{"no slot", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
		}, 0, 9 * s},
		{"no slot, and then a hook blocks", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
			time.Sleep(8 * s)
			block(x, 5*s)
		}, 3 * s, 9 * s},
		{"an admission", running, 9, func(x *smartpoll.Scheduler, g *smartpoll.Group) {
			done, _ := x.Admit(context.Background(), g)
			x.Schedule("k", s)
			time.Sleep(3 * s)
			done()
		}, 0, 2 * s},
		{"no start", slow, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
		}, 0, 9 * s},
		{"no start, and then a hook blocks", slow, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
			time.Sleep(8 * s)
			block(x, 5*s)
		}, 3 * s, 9 * s},
		{"a gap", smartpoll.GroupConfig{Running: 1, Gap: 4 * s}, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
		}, 0, 13 * s},
		{"no room", smartpoll.GroupConfig{}, 1, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
		}, 0, 9 * s},
		{"no room, and then a hook blocks", smartpoll.GroupConfig{}, 1, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
			time.Sleep(8 * s)
			block(x, 5*s)
		}, 3 * s, 9 * s},
		{"a higher limit", running, 9, func(x *smartpoll.Scheduler, g *smartpoll.Group) {
			x.Schedule("other", 0)
			x.Schedule("k", s)
			time.Sleep(3 * s)
			g.SetLimit(smartpoll.GroupConfig{})
		}, 0, 2 * s},
		{"the past", running, 9, func(x *smartpoll.Scheduler, _ *smartpoll.Group) {
			x.ScheduleAt("k", time.Now().Add(-time.Hour))
		}, 0, time.Hour},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := smartpoll.NewGroup(test.group)
				var mu sync.Mutex
				var late, held time.Duration
				var j journal
				x := mustNew(t, smartpoll.WithMaxRunning(test.room), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
					works(&j, time.Now(), "other", 10*s, smartpoll.In(g)), works(&j, time.Now(), "k", s, smartpoll.In(g)),
					smartpoll.WithObserver(&smartpoll.Observer{OnStart: func(_ any, l, h time.Duration) {
						mu.Lock()
						defer mu.Unlock()
						late, held = l, h
					}}))
				x.Schedule("k", 0)
				time.Sleep(s)
				r := run(x)
				synctest.Wait()
				mu.Lock()
				if late != 0 || held != s {
					t.Errorf("before Run: late %v, held %v, want 0s and 1s", late, held)
				}
				mu.Unlock()
				time.Sleep(time.Minute)
				test.do(x, g)
				time.Sleep(time.Minute)
				r.stop()
				mu.Lock()
				defer mu.Unlock()
				if late != test.late || held != test.held {
					t.Errorf("late %v, held %v, want %v and %v", late, held, test.late, test.held)
				}
			})
		})
	}
}

// block occupies the loop of x for so long.
func block(x *smartpoll.Scheduler, d time.Duration) {
	_ = x.Do(context.Background(), func(context.Context, *internal) error { time.Sleep(d); return nil })
}

// Tasks that are due at once and keep the processor busy are late, since they wait for it after they were started.
func TestLateForAProcessorThatIsBusy(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const n = 30
	begin := time.Now()
	var untold atomic.Int64
	ran := make(chan struct{}, n)
	options := []smartpoll.Option{smartpoll.WithObserver(&smartpoll.Observer{OnStart: func(_ any, late, held time.Duration) {
		untold.Store(max(untold.Load(), int64(time.Since(begin)-late-held)))
	}})}
	for key := range n {
		options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
			for end := time.Now().Add(10 * time.Millisecond); time.Now().Before(end); {
			}
			ran <- struct{}{}
			return nil, nil
		}))
	}
	s := mustNew(t, append(options, onRun(func(i *internal) {
		begin = time.Now()
		for key := range n {
			i.ScheduleAt(key, begin)
		}
	}))...)
	r := run(s)
	for range n {
		<-ran
	}
	took := time.Since(begin)
	r.stop()
	if got := time.Duration(untold.Load()); got > took/2 {
		t.Errorf("a task started %v later than OnStart was told, of %v for all", got, took)
	}
	var late time.Duration
	for info := range s.Tasks() {
		late = max(late, info.Late)
	}
	if late < took/2 {
		t.Errorf("the last task to start was %v late, of %v for all, want most of that", late, took)
	}
}
