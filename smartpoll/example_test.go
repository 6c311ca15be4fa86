package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A value is polled every 10 ms; what the hook stores needs no lock.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	level := 0
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", func(ctx context.Context) (smartpoll.TaskHook, error) {
			reading := level + 10 // the slow part, in the background
			return func(ctx context.Context, internal *smartpoll.Internal) error {
				level = reading // the result, one hook at a time
				fmt.Println("level", level)
				internal.Schedule("tank", 10*time.Millisecond)
				if level == 30 {
					cancel()
				}
				return nil
			}, nil
		}),
		smartpoll.WithRunHook(func(ctx context.Context, internal *smartpoll.Internal) error {
			internal.Schedule("tank", 0)
			return nil
		}),
	)
	fmt.Println(err)
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// <nil>
	// level 10
	// level 20
	// level 30
	// context canceled
}

// A flaky upstream is polled with retries, and never by more than two tasks at
// once.
func ExamplePoll() {
	ctx, cancel := context.WithCancel(context.Background())
	upstream := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 2, Rate: 1000, Burst: 10})
	attempts := 0
	fetch := func(ctx context.Context) (int, error) {
		if attempts++; attempts < 3 {
			return 0, errors.New("503 Service Unavailable")
		}
		return 42, nil
	}
	commit := func(ctx context.Context, internal *smartpoll.Internal, value int, err error) error {
		if err != nil {
			fmt.Println("failed:", err, "- next try is scheduled:", !internal.Next("plant").IsZero())
			return nil
		}
		fmt.Println("value:", value)
		cancel() // a real one would internal.Schedule("plant", time.Minute)
		return nil
	}
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("plant", smartpoll.Poll(fetch, commit),
			smartpoll.In(upstream),
			smartpoll.Retry(smartpoll.Backoff{Min: time.Millisecond, Max: time.Second, Jitter: 0.2})),
		smartpoll.WithDrain(smartpoll.Drain{Wait: time.Second}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("plant", 0) // from outside: any goroutine, any time
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// failed: 503 Service Unavailable - next try is scheduled: true
	// failed: 503 Service Unavailable - next try is scheduled: true
	// value: 42
	// context canceled
}

// A channel hook reacts to what happens elsewhere.
func ExampleWithHook() {
	ctx, cancel := context.WithCancel(context.Background())
	doorbell := make(chan string)
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("camera", func(ctx context.Context) (smartpoll.TaskHook, error) {
			fmt.Println("picture taken")
			cancel()
			return nil, nil
		}),
		smartpoll.WithHook(doorbell, func(ctx context.Context, internal *smartpoll.Internal, who string, ok bool) error {
			fmt.Println("ring:", who)
			internal.Schedule("camera", 0)
			return nil
		}),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() { doorbell <- "front" }()
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// ring: front
	// picture taken
	// context canceled
}
