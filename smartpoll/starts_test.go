package smartpoll_test

import (
	"context"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// What is started first is called first, and a FIFO that is never empty does not grow.
func TestStartsAreInOrder(t *testing.T) {
	for _, kept := range []int{0, 1, 7, 100} {
		var s smartpoll.Starts
		pushed, popped := 0, 0
		for range 1000 {
			for ; pushed-popped <= kept; pushed++ {
				s.Push(pushed)
			}
			for ; pushed-popped > kept; popped++ {
				if got := s.Pop(); got != popped {
					t.Fatalf("with %d kept: pop() = %d, want %d", kept, got, popped)
				}
			}
		}
		if got, most := s.Cap(), 4*(kept+1); got > most {
			t.Errorf("with %d kept: memory for %d, want at most %d", kept, got, most)
		}
		for ; popped < pushed; popped++ {
			s.Pop()
		}
		if got := s.Pop(); got != -1 {
			t.Errorf("with %d kept: pop() of none = %d, want -1", kept, got)
		}
	}
}

// Tasks that were started wait neither for each other, nor for what the holder of the turn does next.
func TestTasksThatWereStartedDoNotWait(t *testing.T) {
	const n = 30
	for next, arrive := range map[string]func(s *smartpoll.Scheduler, ch chan int, wait func()){
		"TaskHook": func(s *smartpoll.Scheduler, _ chan int, _ func()) {}, // that of "slow"
		"Hook":     func(_ *smartpoll.Scheduler, ch chan int, _ func()) { ch <- 1 },
		"Do": func(s *smartpoll.Scheduler, _ chan int, wait func()) {
			s.Do(context.Background(), func(context.Context, *internal) error { wait(); return nil })
		},
		"Next": func(s *smartpoll.Scheduler, _ chan int, wait func()) {
			s.Add("planned", nothing, smartpoll.On(scheduleFunc(func(t time.Time) time.Time { wait(); return t.Add(time.Hour) })))
		},
		"nothing": func(_ *smartpoll.Scheduler, _ chan int, wait func()) { wait() },
	} {
		t.Run(next, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var begun sync.WaitGroup
				begun.Add(n)
				waited := 0
				wait := func() { begun.Wait(); waited++ }
				ch := make(chan int)
				slow := func(context.Context) (hook, error) {
					if next != "TaskHook" {
						return nil, nil
					}
					time.Sleep(time.Second)
					return func(context.Context, *internal) error { wait(); return nil }, nil
				}
				options := []smartpoll.Option{
					start("first", "slow"),
					smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}),
					smartpoll.WithHook(ch, func(context.Context, *internal, int, bool) error { wait(); return nil }),
					smartpoll.WithTask("slow", slow),
					smartpoll.WithTask("first", then(func(i *internal) error {
						time.Sleep(time.Minute) // meanwhile the next one arrives
						for key := range n {
							i.Schedule(key, 0)
						}
						return nil
					})),
				}
				for key := range n {
					options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
						begun.Done()
						begun.Wait()
						return nil, nil
					}))
				}
				s := mustNew(t, options...)
				r := run(s)
				time.Sleep(30 * time.Second)
				go arrive(s, ch, wait)
				time.Sleep(time.Minute)
				synctest.Wait()
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Error(wrong)
				}
				if waited != 1 {
					t.Errorf("what comes after the starts has ended %d times, want 1", waited)
				}
				r.stop()
			})
		})
	}
}

// A goroutine that does not return leaves what was started to others.
func TestGoexitAmongTasksThatWereStarted(t *testing.T) {
	const n = 100
	for _, stage := range []string{"task", "hook"} {
		synctest.Test(t, func(t *testing.T) {
			var begun atomic.Int64
			keys := make([]any, n)
			options := []smartpoll.Option{smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute})}
			for key := range n {
				keys[key] = key
				options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
					begun.Add(1)
					if key%3 == 1 && stage == "task" {
						runtime.Goexit()
					}
					return func(context.Context, *internal) error {
						if key%3 == 1 && stage == "hook" {
							runtime.Goexit()
						}
						return nil
					}, nil
				}))
			}
			s := mustNew(t, append(options, start(keys...))...)
			for range 10 {
				if err := run(s).wait(); err != smartpoll.ErrPanicInTask {
					t.Errorf("Goexit in a %s: Run() = %v, want %v alone", stage, err, smartpoll.ErrPanicInTask)
				}
			}
			var started uint64
			for info := range s.Tasks() {
				started += info.Runs
			}
			if got := begun.Load(); got != int64(started) {
				t.Errorf("Goexit in a %s: %d tasks were called, %d were started", stage, got, started)
			}
		})
	}
}

// Tasks that return at once need no goroutine each.
func TestCostOfManyTasks(t *testing.T) {
	const n = 1000
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	created := func() uint64 {
		sample := []metrics.Sample{{Name: "/sched/goroutines-created:goroutines"}}
		metrics.Read(sample)
		return sample[0].Value.Uint64()
	}
	keys, runs := make([]any, n), 0
	options := []smartpoll.Option{}
	for key := range n {
		keys[key] = key
		options = append(options, smartpoll.WithTask(key, then(func(*internal) error {
			if runs++; runs == n {
				return errEnough
			}
			return nil
		})))
	}
	s := mustNew(t, append(options, start(keys...))...)
	before := created()
	if err := s.Run(t.Context()); err != errEnough {
		t.Fatalf("Run() = %v, want %v", err, errEnough)
	}
	if got := created() - before; got > n/10 {
		t.Errorf("%d tasks took %d goroutines, want at most %d", n, got, n/10)
	}
}
