package smartpoll_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// Now, and then every hour; while the level is high, more often.
func ExampleInternal_SetSchedule() {
	ctx, cancel := context.WithCancel(context.Background())
	levels := []int{97, 95, 40}
	fetch := func(context.Context) (int, error) { return levels[0], nil }
	commit := func(_ context.Context, internal *smartpoll.Internal, level int, err error) error {
		fmt.Println("level", level)
		if levels = levels[1:]; level > 90 {
			internal.SetSchedule("tank", smartpoll.Every(10*time.Millisecond))
		} else {
			internal.SetSchedule("tank", smartpoll.Every(time.Hour))
			cancel()
		}
		return err
	}
	scheduler, err := smartpoll.New(smartpoll.WithTask("tank", smartpoll.Poll(fetch, commit),
		smartpoll.On(smartpoll.Every(time.Hour).AtOnce())))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// level 97
	// level 95
	// level 40
	// context canceled
}

// Twice more after a failure, then never mind until the next planned time.
func ExampleBackoff() {
	ctx, cancel := context.WithCancel(context.Background())
	failures := 0
	report := func(context.Context) (smartpoll.TaskHook, error) {
		failures++
		return nil, fmt.Errorf("failure %d", failures)
	}
	scheduler, err := smartpoll.New(smartpoll.WithTask("report", report,
		smartpoll.On(smartpoll.Every(24*time.Hour).AtOnce()),
		smartpoll.Retry(smartpoll.Backoff{Min: time.Millisecond, MaxFailures: 3}),
		smartpoll.OnError(func(_ context.Context, internal *smartpoll.Internal, key any, err error) error {
			next := internal.Next(key)
			fmt.Println(err, "- is retried:", !next.IsZero())
			if next.IsZero() {
				cancel() // without it, the Schedule would continue
			}
			return nil
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// failure 1 - is retried: true
	// failure 2 - is retried: true
	// failure 3 - is retried: false
	// context canceled
}
