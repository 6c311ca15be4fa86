package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

var registered = []int{10, 100, 1000, 10_000, 50_000}

// idle returns a task that nobody runs, n-1 of them, scheduled far ahead.
func idle(n int) []smartpoll.Option {
	options := make([]smartpoll.Option, 0, n+8)
	for key := 1; key < n; key++ {
		options = append(options, smartpoll.WithTask(key, func(context.Context) (smartpoll.TaskHook, error) { return nil, nil }))
	}
	return append(options, smartpoll.WithRunHook(func(_ context.Context, internal *smartpoll.Internal) error {
		for key := 1; key < n; key++ {
			internal.Schedule(key, time.Hour+time.Duration(key)*time.Millisecond)
		}
		return nil
	}))
}

func mustNew(b *testing.B, options ...smartpoll.Option) *smartpoll.Scheduler {
	s, err := smartpoll.New(options...)
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// One task that schedules itself at once, among n-1 that are far ahead: the cost
// of a two-stage cycle must not depend on n.
func BenchmarkHotCycle(b *testing.B) {
	for _, n := range registered {
		b.Run(fmt.Sprintf("registered=%d", n), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			const key = 0
			s := mustNew(b, append(idle(n), smartpoll.WithTask(key, func(context.Context) (smartpoll.TaskHook, error) {
				return func(_ context.Context, internal *smartpoll.Internal) error {
					if b.Loop() {
						internal.Schedule(key, 0)
					} else {
						cancel()
					}
					return nil
				}, nil
			}), smartpoll.WithRunHook(func(_ context.Context, internal *smartpoll.Internal) error {
				internal.Schedule(key, 0)
				return nil
			}))...)
			b.ReportAllocs()
			s.Run(ctx)
		})
	}
}

// The bar on BenchmarkHotCycle: at most twice the time among 10,000 tasks. The best
// of several rounds counts, taken in turns, so that what else the machine does
// matters little.
func TestHotCycleIsFlat(t *testing.T) {
	const key, cycles = 0, 100_000
	errEnough := errors.New("enough")
	round := func(n int) time.Duration {
		left, begin := cycles, time.Time{}
		s, err := smartpoll.New(append(idle(n), smartpoll.WithTask(key, func(context.Context) (smartpoll.TaskHook, error) {
			return func(_ context.Context, internal *smartpoll.Internal) error {
				if begin.IsZero() {
					begin = time.Now()
				}
				if left--; left == 0 {
					return errEnough
				}
				internal.Schedule(key, 0)
				return nil
			}, nil
		}))...)
		if err != nil {
			t.Fatal(err)
		}
		s.Schedule(key, 0)
		if got := s.Run(t.Context()); got != errEnough {
			t.Fatalf("Run() = %v, want %v", got, errEnough)
		}
		return time.Since(begin) / cycles
	}
	few, many := time.Hour, time.Hour
	for range 8 {
		few, many = min(few, round(10)), min(many, round(10_000))
	}
	t.Logf("a cycle takes %v among 10 tasks, %v among 10,000", few, many)
	if many > 2*few {
		t.Errorf("a cycle takes %v among 10,000 tasks and %v among 10, want at most twice as long", many, few)
	}
}

// The yardstick: the same cycle on a timer of the runtime and a mutex, with one
// timer a task.
func BenchmarkHotCycleAfterFunc(b *testing.B) {
	for _, n := range registered {
		b.Run(fmt.Sprintf("registered=%d", n), func(b *testing.B) {
			for key := 1; key < n; key++ {
				defer time.AfterFunc(time.Hour+time.Duration(key)*time.Millisecond, func() {}).Stop()
			}
			b.ReportAllocs()
			var mu sync.Mutex // the second stage
			done := make(chan struct{})
			var cycle func()
			cycle = func() {
				mu.Lock()
				defer mu.Unlock()
				if b.Loop() {
					time.AfterFunc(0, cycle)
				} else {
					close(done)
				}
			}
			time.AfterFunc(0, cycle)
			<-done
		})
	}
}

func BenchmarkSchedule(b *testing.B) {
	for _, n := range registered {
		b.Run(fmt.Sprintf("registered=%d", n), func(b *testing.B) {
			inHook(b, n, func(internal *smartpoll.Internal) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					internal.Schedule(0, time.Hour+time.Duration(i*7919%10_000)*time.Second)
				}
			})
		})
	}
}

// inHook runs f as a hook among n tasks, 0 being idle.
func inHook(b *testing.B, n int, f func(*smartpoll.Internal)) {
	ctx, cancel := context.WithCancel(b.Context())
	s := mustNew(b, append(idle(n), smartpoll.WithTask(0, func(context.Context) (smartpoll.TaskHook, error) { return nil, nil }),
		smartpoll.WithRunHook(func(_ context.Context, internal *smartpoll.Internal) error {
			f(internal)
			cancel()
			return nil
		}))...)
	s.Run(ctx)
}

// From an unbuffered send until the next can be sent.
func BenchmarkHookDelivery(b *testing.B) {
	for _, n := range registered {
		b.Run(fmt.Sprintf("registered=%d", n), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			ch, ended := make(chan int), make(chan struct{})
			s := mustNew(b, append(idle(n+1), smartpoll.WithHook(ch, func(context.Context, *smartpoll.Internal, int, bool) error { return nil }))...)
			go func() { defer close(ended); s.Run(ctx) }()
			ch <- 0
			b.ReportAllocs()
			for b.Loop() {
				ch <- 1
			}
			cancel()
			<-ended
		})
	}
}

// Tasks that run every 10 ms each: an iteration is 100 ms, the ideal is 10 runs a
// task.
func BenchmarkEvery10ms(b *testing.B) {
	const every, span = 10 * time.Millisecond, 100 * time.Millisecond
	for _, n := range []int{10, 100, 1000, 10_000} {
		report := func(b *testing.B, runs int64, took time.Duration) {
			b.ReportMetric(float64(runs)/took.Seconds(), "runs/s")
			b.ReportMetric(100*float64(runs)*every.Seconds()/took.Seconds()/float64(n), "%ideal")
		}
		b.Run(fmt.Sprintf("scheduler/tasks=%d", n), func(b *testing.B) {
			ctx, cancel := context.WithCancel(b.Context())
			var runs atomic.Int64
			var options []smartpoll.Option
			for key := range n {
				options = append(options, smartpoll.WithTask(key, func(context.Context) (smartpoll.TaskHook, error) {
					runs.Add(1)
					return func(_ context.Context, internal *smartpoll.Internal) error { internal.Schedule(key, every); return nil }, nil
				}))
			}
			s := mustNew(b, append(options, smartpoll.WithRunHook(func(_ context.Context, internal *smartpoll.Internal) error {
				for key := range n {
					internal.Schedule(key, every*time.Duration(key)/time.Duration(n))
				}
				return nil
			}))...)
			ended := make(chan struct{})
			go func() { defer close(ended); s.Run(ctx) }()
			time.Sleep(span)
			before, begin := runs.Load(), time.Now()
			for b.Loop() {
				time.Sleep(span)
			}
			report(b, runs.Load()-before, time.Since(begin))
			cancel()
			<-ended
		})
		b.Run(fmt.Sprintf("AfterFunc/tasks=%d", n), func(b *testing.B) {
			var mu sync.Mutex
			var runs int64
			stopped := false
			for key := range n {
				var timer *time.Timer
				mu.Lock()
				timer = time.AfterFunc(every*time.Duration(key)/time.Duration(n), func() {
					mu.Lock()
					defer mu.Unlock()
					if runs++; !stopped {
						timer.Reset(every)
					}
				})
				mu.Unlock()
			}
			count := func() int64 { mu.Lock(); defer mu.Unlock(); return runs }
			time.Sleep(span)
			before, begin := count(), time.Now()
			for b.Loop() {
				time.Sleep(span)
			}
			report(b, count()-before, time.Since(begin))
			mu.Lock()
			stopped = true
			mu.Unlock()
		})
	}
}
