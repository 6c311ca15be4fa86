package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// say is a task that prints its key, and ends Run when done is called for.
func say(text string, done ...context.CancelFunc) smartpoll.Task {
	return func(context.Context) (smartpoll.TaskHook, error) {
		return func(context.Context, *smartpoll.Internal) error {
			fmt.Println(text)
			for _, end := range done {
				end()
			}
			return nil
		}, nil
	}
}

// Tasks come and go while the scheduler runs.
func ExampleWithDynamic() {
	ctx, cancel := context.WithCancel(context.Background())
	scheduler, err := smartpoll.New(smartpoll.WithDynamic(),
		smartpoll.WithRunHook(func(ctx context.Context, internal *smartpoll.Internal) error {
			for _, device := range []string{"pump", "valve"} {
				if err := internal.Add(device, say("polled "+device, cancel)); err != nil {
					return err
				}
			}
			fmt.Println(errors.Is(internal.Add("pump", say("")), smartpoll.ErrTaskExists))
			fmt.Println(internal.Remove("valve"), internal.Remove("valve"))
			internal.Schedule("pump", 0)
			return nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// true
	// true false
	// polled pump
	// context canceled
}

// At a fixed rate, at offsets that differ from task to task but stay the same over
// restarts, with a random delay that is not carried over.
func ExampleEvery() {
	t := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	for _, task := range []string{"tank", "pump", "valve"} {
		fmt.Println(task, smartpoll.Every(time.Minute).Spread(task).Next(t).Format("15:04:05"))
	}
	quarter := smartpoll.Every(time.Hour).Offset(-15 * time.Minute)
	fmt.Println(quarter.Next(t).Format(time.TimeOnly), quarter.Next(quarter.Next(t)).Format(time.TimeOnly))
	jittery := smartpoll.Every(time.Minute).Jitter(0.2, "tank")
	for range 3 {
		t = jittery.Next(t)
		fmt.Println(t.Format("15:04:05"))
	}
	// Output:
	// tank 12:00:31
	// pump 12:00:29
	// valve 12:00:01
	// 12:45:00 13:45:00
	// 12:00:04
	// 12:01:05
	// 12:02:09
}

// A task that is due every 10 ms, and misses times while it is busy.
func ExampleOn() {
	ctx, cancel := context.WithCancel(context.Background())
	n := 0
	scheduler, err := smartpoll.New(smartpoll.WithTask("report", func(context.Context) (smartpoll.TaskHook, error) {
		if n++; n == 2 {
			time.Sleep(45 * time.Millisecond) // four times are missed
		} else if n == 4 {
			cancel()
		}
		return nil, nil
	}, smartpoll.On(smartpoll.Every(10*time.Millisecond)), smartpoll.Missed(smartpoll.MissedSkip)))
	if err != nil {
		fmt.Println(err)
		return
	}
	begin := time.Now()
	fmt.Println(scheduler.Run(ctx), time.Since(begin) > 75*time.Millisecond)
	// Output:
	// context canceled true
}

// A run that hangs is replaced when the task is due again.
func ExampleOverlap() {
	ctx, cancel := context.WithCancel(context.Background())
	first := true
	scheduler, err := smartpoll.New(smartpoll.WithTask("k", func(ctx context.Context) (smartpoll.TaskHook, error) {
		if first {
			first = false
			<-ctx.Done()
			fmt.Println(context.Cause(ctx))
			return nil, ctx.Err()
		}
		return say("a fresh run", cancel)(ctx)
	}, smartpoll.On(smartpoll.Every(5*time.Millisecond)), smartpoll.Overlap(smartpoll.Replace)))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// smartpoll: task replaced
	// a fresh run
	// context canceled
}

// An upstream hangs; the error is handled, and the task goes on later.
func ExampleTimeout() {
	errHung := errors.New("no answer")
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("plant", func(ctx context.Context) (smartpoll.TaskHook, error) {
			<-ctx.Done() // the upstream never answers
			return nil, fmt.Errorf("%w: %w", errHung, context.Cause(ctx))
		},
			smartpoll.Timeout(time.Millisecond),
			smartpoll.OnError(func(ctx context.Context, internal *smartpoll.Internal, key any, err error) error {
				info, _ := internal.Info(key)
				fmt.Println(info.Failures, err)
				if info.Failures == 2 {
					return errHung // enough
				}
				internal.Schedule(key, time.Millisecond)
				return nil
			})),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("plant", 0)
	fmt.Println(scheduler.Run(context.Background()))
	// Output:
	// 1 no answer: smartpoll: task timed out
	// 2 no answer: smartpoll: task timed out
	// no answer
}

// One at once, and an alarm overtakes what has not waited for long.
func ExampleHeadStart() {
	ctx, cancel := context.WithCancel(context.Background())
	scheduler, err := smartpoll.New(smartpoll.WithMaxRunning(1),
		smartpoll.WithTask("report", say("report", cancel)),
		smartpoll.WithTask("backup", say("backup")),
		smartpoll.WithTask("alarm", say("alarm"), smartpoll.HeadStart(time.Minute)),
		smartpoll.WithRunHook(func(ctx context.Context, internal *smartpoll.Internal) error {
			internal.Schedule("backup", 0)
			internal.Schedule("report", 0)
			internal.Schedule("alarm", 0)
			return nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// alarm
	// backup
	// report
	// context canceled
}

// What goes on is asked and changed from another goroutine.
func ExampleScheduler_Do() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	level := 0 // only hooks touch it
	running := make(chan struct{})
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", func(context.Context) (smartpoll.TaskHook, error) {
			return func(ctx context.Context, internal *smartpoll.Internal) error {
				level += 10
				close(running)
				return nil
			}, nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	nothing := func(context.Context, *smartpoll.Internal) error { return nil }
	fmt.Println(scheduler.Do(ctx, nothing))
	scheduler.Schedule("tank", 0)
	done := make(chan error)
	go func() { done <- scheduler.Run(ctx) }()
	<-running
	scheduler.Do(ctx, func(ctx context.Context, internal *smartpoll.Internal) error {
		fmt.Println("level", level)
		internal.Pause("tank")
		return nil
	})
	for info := range scheduler.Tasks() {
		fmt.Println(info.Key, info.State, info.Runs, info.Paused)
	}
	cancel()
	fmt.Println(<-done)
	// Output:
	// smartpoll: scheduler is not running
	// level 10
	// tank idle 1 true
	// context canceled
}

// A run is cancelled by its key; the scheduler goes on.
func ExampleInternal_Cancel() {
	ctx, cancel := context.WithCancel(context.Background())
	started := make(chan struct{})
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("slow", func(ctx context.Context) (smartpoll.TaskHook, error) {
			close(started)
			<-ctx.Done()
			fmt.Println(context.Cause(ctx))
			cancel()
			return nil, ctx.Err() // dropped, not fatal
		}),
		smartpoll.WithHook(started, func(ctx context.Context, internal *smartpoll.Internal, _ struct{}, ok bool) error {
			fmt.Println(internal.Cancel("slow"))
			return nil
		}),
		smartpoll.WithDrain(smartpoll.Drain{Wait: time.Second}))
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("slow", 0)
	err = scheduler.Run(ctx)
	fmt.Println(err)
	// Unordered output:
	// true
	// smartpoll: task cancelled
	// context canceled
}

// A panic of one task does not end the process.
func ExampleWithRecover() {
	scheduler, err := smartpoll.New(smartpoll.WithRecover(),
		smartpoll.WithTask("parser", func(context.Context) (smartpoll.TaskHook, error) {
			panic("unexpected end of reply")
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("parser", 0)
	err = scheduler.Run(context.Background())
	var panicked *smartpoll.TaskError
	fmt.Println(errors.As(err, &panicked), err)
	// Output:
	// true smartpoll: task parser: panic: unexpected end of reply
}

// Metrics stay outside.
func ExampleWithObserver() {
	ctx, cancel := context.WithCancel(context.Background())
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", say("level 10", cancel)),
		smartpoll.WithObserver(&smartpoll.Observer{
			OnStart: func(key any, late, held time.Duration) { fmt.Println("start", key, late < time.Minute) },
			OnDone:  func(key any, took time.Duration, err error) { fmt.Println("done", key, err) },
			OnHook:  func(key any, took time.Duration, err error) { fmt.Println("hook", key, err) },
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("tank", 0)
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// start tank true
	// done tank <nil>
	// level 10
	// hook tank <nil>
	// context canceled
}
