package smartpoll_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

var soak = flag.Duration("soak", 1500*time.Millisecond, "how long the soak takes")

// Everything at once, restarted all the time: errors, Goexit and panics in all
// places, all options of tasks, calls of all methods and sends from outside.
func TestSoak(t *testing.T) {
	const keys = 20
	before := runtime.NumGoroutine()
	boom := errors.New("boom")
	crash := new(int)
	var overlap [keys]atomic.Int32
	var hooks, runs, sent, received atomic.Int64
	paused := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 3, Rate: 20_000, Burst: 5})
	groups := []smartpoll.TaskOption{
		smartpoll.In(smartpoll.NewGroup(smartpoll.GroupConfig{Running: 2})),
		smartpoll.In(paused),
	}
	// end ends a call in one of the ways there are, seldom in an unusual one.
	end := func(places ...func() error) error {
		if n := rand.IntN(4000); n < len(places) {
			return places[n]()
		}
		return nil
	}
	fail := func() error { return boom }
	exit := func() error { runtime.Goexit(); return nil }
	blow := func() error { panic(crash) }
	// byKey calls methods by a key that may be unknown, which panics.
	byKey := func(f func()) {
		if value := caught(f); value != nil && !contains(fmt.Errorf("%v", value), "smartpoll: task not found") {
			t.Errorf("panic: %v", value)
		}
	}
	call := func(i *internal, key int, d time.Duration) {
		switch rand.IntN(6) {
		case 0:
			i.ScheduleSooner(key, d+1)
		case 1:
			i.ScheduleAt(key, time.Now().Add(d-100*time.Microsecond))
		case 2:
			i.StopTimer(key)
			if i.Cancel(key) && rand.IntN(2) == 0 {
				i.Schedule(key, 0)
			}
		case 3:
			i.Schedule(key, d)
		default:
			i.Schedule(key, 0)
		}
	}
	inHook := func(i *internal, places ...func() error) error {
		if hooks.Add(1) != 1 {
			t.Error("two hooks at once")
		}
		defer hooks.Add(-1)
		for range 1 + rand.IntN(2) {
			d := time.Duration(rand.IntN(300)) * time.Microsecond
			key := rand.IntN(keys)
			byKey(func() { call(i, key, d) })
		}
		return end(places...)
	}
	ch, shared := make(chan int), make(chan int)
	take := func(_ context.Context, i *internal, _ int, _ bool) error {
		received.Add(1)
		return inHook(i, fail, exit, blow)
	}
	options := []smartpoll.Option{
		smartpoll.WithDynamic(), smartpoll.WithMaxRunning(9),
		smartpoll.WithHook(ch, take), smartpoll.WithHook(shared, take), smartpoll.WithHook(shared, take),
		smartpoll.WithRunHook(func(_ context.Context, i *internal) error {
			for key := range keys {
				byKey(func() { i.Schedule(key, 0) })
			}
			return inHook(i, fail, exit, blow)
		}),
	}
	task := func(key int) (any, smartpoll.Task, []smartpoll.TaskOption) {
		var opts []smartpoll.TaskOption
		for n, in := range groups {
			if key%4 == n || key%4 == 2 {
				opts = append(opts, in)
			}
		}
		if key%3 == 0 {
			opts = append(opts, smartpoll.Retry(smartpoll.Backoff{Min: time.Microsecond, Max: time.Millisecond, Jitter: 1}))
		}
		switch key % 7 {
		case 0:
			opts = append(opts, smartpoll.HeadStart(100*time.Microsecond))
		case 1:
			opts = append(opts, smartpoll.Overlap(smartpoll.Replace), smartpoll.On(smartpoll.Every(200*time.Microsecond)))
		case 2:
			opts = append(opts, smartpoll.Overlap(smartpoll.Skip), smartpoll.Timeout(100*time.Microsecond))
		case 3:
			opts = append(opts, smartpoll.Overlap(smartpoll.Queue(3)), smartpoll.OnError(func(_ context.Context, i *internal, _ any, err error) error {
				if rand.IntN(2) == 0 {
					return err
				}
				return inHook(i)
			}))
		case 4:
			opts = append(opts, smartpoll.On(smartpoll.Every(time.Millisecond).Jitter(0.5, "soak")), smartpoll.Missed(smartpoll.MissedAll(3)))
		case 5:
			opts = append(opts, smartpoll.On(smartpoll.Every(time.Millisecond)), smartpoll.Missed(smartpoll.MissedSkip))
		}
		return key, func(ctx context.Context) (hook, error) {
			runs.Add(1)
			if overlap[key].Add(1) != 1 {
				t.Errorf("two invocations of key %d at once", key)
			}
			left := false
			leave := func() { left = true; overlap[key].Add(-1) }
			defer func() {
				if !left {
					leave()
				}
			}()
			switch rand.IntN(20) {
			case 0:
				time.Sleep(time.Duration(rand.IntN(500)) * time.Microsecond)
			case 1:
				select {
				case <-ctx.Done():
				case <-time.After(50 * time.Microsecond):
				}
			}
			if err := end(fail, exit); err != nil {
				return nil, err
			}
			if rand.IntN(4) == 0 {
				return nil, nil
			}
			return func(_ context.Context, i *internal) error { return inHook(i, fail, exit) }, nil
		}, opts
	}
	for key := range keys {
		key, task, opts := task(key)
		options = append(options, smartpoll.WithTask(key, task, opts...))
	}
	s := mustNew(t, options...)

	quit := make(chan struct{})
	var outside sync.WaitGroup
	for _, to := range []chan int{ch, shared, shared} {
		outside.Go(func() {
			for {
				select {
				case to <- 1:
					sent.Add(1)
				case <-quit:
					return
				}
				if rand.IntN(8) == 0 {
					time.Sleep(100 * time.Microsecond)
				}
			}
		})
	}
	var did, added, removed, cancelled atomic.Int64
	for range 2 {
		outside.Go(func() {
			for {
				select {
				case <-quit:
					return
				default:
				}
				if wrong := smartpoll.Check(s); wrong != "" {
					t.Error(wrong)
					return
				}
				key := rand.IntN(keys)
				switch rand.IntN(17) {
				case 0:
					if s.Remove(key) {
						removed.Add(1)
					}
				case 1:
					key, task, opts := task(key)
					if s.Add(key, task, opts...) == nil {
						added.Add(1)
					}
				case 2:
					byKey(func() {
						if s.Cancel(key) {
							cancelled.Add(1)
						}
					})
				case 3:
					byKey(func() { s.Pause(key) })
				case 4, 5, 6:
					byKey(func() { s.Resume(key) })
				case 10:
					paused.Pause("soak")
				case 11:
					paused.Resume("soak")
				case 12:
					s.PauseAll("soak")
					s.ResumeAll("soak")
				case 7:
					for info := range s.Tasks() {
						s.Info(info.Key)
						if rand.IntN(30) == 0 {
							break
						}
					}
				case 8:
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(300))*time.Microsecond)
					switch err := s.Do(ctx, func(_ context.Context, i *internal) error { return inHook(i) }); err {
					case nil:
						did.Add(1)
					case context.DeadlineExceeded, smartpoll.ErrNotRunning:
					default:
						t.Errorf("Do() = %v", err)
					}
					cancel()
				case 9:
					byKey(func() {
						if rand.IntN(2) == 0 {
							s.SetSchedule(key, smartpoll.Every(time.Duration(1+rand.IntN(300))*time.Microsecond))
						} else {
							s.SetSchedule(key, nil)
						}
					})
				default:
					byKey(func() {
						s.Schedule(key, time.Duration(rand.IntN(200)-10)*time.Microsecond)
						s.StopTimer(key)
						s.ScheduleAt(key, time.Now().Round(0).Add(time.Duration(rand.IntN(100))*time.Microsecond))
						s.Next(key)
						s.Running(key)
					})
				}
				if rand.IntN(4) == 0 {
					time.Sleep(20 * time.Microsecond)
				}
			}
		})
	}

	ends := make(map[any]int)
	for deadline := time.Now().Add(*soak); time.Now().Before(deadline); {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(20_000))*time.Microsecond)
		done := make(chan any, 1)
		go func() {
			var result any = "Goexit"
			defer func() {
				if value := recover(); value != nil {
					result = value
				}
				done <- result
			}()
			result = s.Run(ctx)
		}()
		select {
		case result := <-done:
			ends[result]++
			switch result {
			case boom, smartpoll.ErrPanicInTask, context.DeadlineExceeded, crash, "Goexit":
			default:
				t.Fatalf("Run() ended with %v", result)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("Run() has not returned 20 s after its context")
		}
		cancel()
	}
	close(quit)
	outside.Wait()
	if sent.Load() != received.Load() {
		t.Errorf("%d values were sent, and %d reached their hook, want as many", sent.Load(), received.Load())
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines at the end, want %d as before", got, before)
	}
	for what, n := range map[string]*atomic.Int64{"run": &runs, "Do": &did, "Add": &added, "Remove": &removed, "Cancel": &cancelled} {
		if n.Load() == 0 {
			t.Errorf("no %s has succeeded", what)
		}
		t.Logf("%d %s", n.Load(), what)
	}
	t.Logf("%d values, Run ended %v", sent.Load(), ends)
}

// A batch that was taken from the ready ones is started, also if Run ends at that
// moment: otherwise its keys would be running for ever.
func TestPitfallStopDropsNothingThatWasTaken(t *testing.T) {
	const keys = 40 // more than a batch
	var options []smartpoll.Option
	for key := range keys {
		options = append(options, smartpoll.WithTask(key, then(func(i *internal) error { i.Schedule(key, 0); return nil })), start(key))
	}
	s := mustNew(t, options...)
	for n := range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Duration(n)*time.Microsecond, cancel)
		s.Run(ctx)
	}
	// Waits for whatever the last one has left.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for key := range keys {
		for s.Running(key) && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		if s.Running(key) {
			t.Errorf("key %d runs for ever", key)
		}
	}
}
