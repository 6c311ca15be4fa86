package smartpoll_test

import (
	"context"
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Ended tasks leave their hook and go: with a goroutine each that waits for the
// turn, throughput at saturation is halved.
func TestPitfallNobodyWaitsForTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 1000
		hooks := 0
		options := []smartpoll.Option{start("blocks"), smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithTask("blocks", func(context.Context) (hook, error) {
				time.Sleep(time.Second) // until all have been started
				return func(context.Context, *internal) error { time.Sleep(time.Hour); return nil }, nil
			})}
		for key := range n {
			options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
				time.Sleep(time.Minute)
				return func(context.Context, *internal) error { hooks++; return nil }, nil
			}), start(key))
		}
		before := runtime.NumGoroutine()
		r := run(mustNew(t, options...))
		time.Sleep(30 * time.Minute)
		if got := runtime.NumGoroutine() - before; got > n/10 {
			t.Errorf("%d goroutines while %d ended tasks have hooks to run, want a handful", got, n)
		}
		time.Sleep(time.Hour)
		if r.stop(); hooks != n {
			t.Errorf("%d hooks ran, want %d", hooks, n)
		}
	})
}

// The queue of hooks never gets empty here, and the key is due nevertheless.
func TestPitfallDueWhileHooksQueueUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var ran []time.Duration
		options := []smartpoll.Option{smartpoll.WithTask("due", func(context.Context) (hook, error) {
			ran = append(ran, since(begin))
			return nil, nil
		})}
		for key := range 3 {
			options = append(options, start(key), smartpoll.WithTask(key, then(func(i *internal) error {
				i.Schedule(key, 0)
				if begin.Equal(time.Now()) {
					i.Schedule("due", 9500*time.Millisecond)
				}
				time.Sleep(time.Second)
				return nil
			})))
		}
		r := run(mustNew(t, options...))
		time.Sleep(time.Minute)
		r.stop()
		wantRan(t, "a key that is due while hooks queue up", ran, 10*time.Second)
	})
}

// A sum that overflows would be due at once.
func TestPitfallOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustNew(t, smartpoll.WithTask("k", then(func(*internal) error { t.Error("ran"); return nil })))
		r := run(s)
		for _, schedule := range []func(){
			func() { s.Schedule("k", math.MaxInt64) },
			func() { s.ScheduleSooner("k", math.MaxInt64) },
			func() { s.ScheduleAt("k", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)) },
			func() { s.ScheduleAtSooner("k", time.Unix(1<<40, 0)) },
		} {
			s.Schedule("k", -1)
			schedule()
			time.Sleep(200 * 365 * 24 * time.Hour / 100)
			if s.Next("k").Before(time.Now()) || s.StopTimer("k") {
				t.Errorf("Next() = %v, want it far ahead", s.Next("k"))
			}
		}
		r.stop()
	})
}

// The bubble's clock is another than that by which the scheduler was made.
func TestSchedulerOfAnotherClock(t *testing.T) {
	var ran []time.Duration
	var begin time.Time
	s := mustNew(t, smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}), smartpoll.WithTask("k", then(func(i *internal) error {
		ran = append(ran, since(begin))
		i.ScheduleAt("k", time.Now().Add(time.Minute))
		return nil
	})))
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			begin, ran = time.Now(), nil
			r := run(s)
			synctest.Wait()
			s.Schedule("k", time.Second)
			time.Sleep(2 * time.Minute)
			r.stop()
			wantRan(t, "in a bubble", ran, time.Second, 61*time.Second)
		})
	}
}

// What a timer of an old Run does when it fires late concerns the next one only
// in that it looks at what is due.
func TestPitfallTimerOfAnOldRun(t *testing.T) {
	s := mustNew(t, onRun(func(i *internal) { i.Schedule("k", 20*time.Microsecond) }), smartpoll.WithTask("k", nothing))
	for n := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(n%40)*time.Microsecond, cancel)
		if got := s.Run(ctx); got != context.Canceled {
			t.Fatalf("Run() = %v, want %v", got, context.Canceled)
		}
		if !s.Next("k").IsZero() {
			t.Fatal("a schedule survived Run")
		}
	}
}
