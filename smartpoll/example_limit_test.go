package smartpoll_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// The first task that has to wait for the upstream raises its limit.
func ExampleGroup_SetLimit() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	upstream := smartpoll.NewGroup(smartpoll.GroupConfig{Running: 1})
	var both sync.WaitGroup // until both tasks run
	both.Add(2)
	poll := func(context.Context) (smartpoll.TaskHook, error) {
		both.Done()
		both.Wait()
		return nil, nil
	}
	scheduler, err := smartpoll.New(
		smartpoll.WithTask("tank", poll, smartpoll.In(upstream)),
		smartpoll.WithTask("pump", poll, smartpoll.In(upstream)),
		smartpoll.WithObserver(&smartpoll.Observer{OnPark: func(key any, g *smartpoll.Group) {
			limit := g.Info().Limit
			limit.Running = 2 // the rest stays as it was
			g.SetLimit(limit)
		}}),
		smartpoll.WithDrain(smartpoll.Drain{Wait: time.Minute}))
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("tank", 0)
	scheduler.Schedule("pump", 0)
	go func() { both.Wait(); cancel() }()
	fmt.Println(scheduler.Run(ctx))
	fmt.Println("limit:", upstream.Info().Limit.Running)
	// Output:
	// context canceled
	// limit: 2
}

// When a task ended last, and how: the time of its end is known because there is an Observer.
func ExampleInternal_Info() {
	ctx, cancel := context.WithCancel(context.Background())
	scheduler, err := smartpoll.New(smartpoll.WithObserver(&smartpoll.Observer{}),
		smartpoll.WithTask("tank", func(context.Context) (smartpoll.TaskHook, error) {
			return nil, errors.New("no route to the tank")
		}, smartpoll.OnError(func(context.Context, *smartpoll.Internal, any, error) error {
			cancel()
			return nil
		})))
	if err != nil {
		fmt.Println(err)
		return
	}
	scheduler.Schedule("tank", 0)
	fmt.Println(scheduler.Run(ctx))

	info, _ := scheduler.Info("tank")
	fmt.Println(info.Runs, "run, the last error:", info.Err)
	fmt.Println("ended after the error:", !info.Ended.Before(info.ErrAt))
	// Output:
	// context canceled
	// 1 run, the last error: no route to the tank
	// ended after the error: true
}
