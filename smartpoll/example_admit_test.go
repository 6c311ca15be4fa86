package smartpoll_test

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// A request that somebody triggers takes its turn with the polls of the same upstream, which serves one at a time.
func ExampleScheduler_Admit() {
	ctx, cancel := context.WithCancel(context.Background())
	upstream := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
	started := make(chan struct{})
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", say("poll", cancel), smartpoll.In(upstream)),
		smartpoll.WithRunHook(func(context.Context, *smartpoll.Internal) error { close(started); return nil }))
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		<-started
		done, err := scheduler.Admit(ctx, upstream)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer done()
		scheduler.Schedule("tank", 0) // waits until done is called
		fmt.Println("request, running:", upstream.Info().Running)
	}()
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// request, running: 1
	// poll
	// context canceled
}

// Now, and then every hour.
func ExampleInterval_AtOnce() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	polled := make(chan struct{})
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", say("poll", func() { close(polled) }),
			smartpoll.On(smartpoll.Every(time.Hour).AtOnce())))
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		<-polled
		_ = scheduler.Do(ctx, func(_ context.Context, internal *smartpoll.Internal) error {
			fmt.Println("again in", time.Until(internal.Next("tank")).Round(time.Minute))
			return nil
		})
		cancel()
	}()
	fmt.Println(scheduler.Run(ctx))
	// Output:
	// poll
	// again in 1h0m0s
	// context canceled
}
