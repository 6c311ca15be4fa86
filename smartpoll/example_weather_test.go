package smartpoll_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// forecast is what a weather API answers.
type forecast struct{ celsius int64 }

func (f forecast) Equal(other forecast) bool { return f == other }

// weatherAPIs are three upstreams, and what they answered last.
type weatherAPIs [3]struct{ celsius, answered atomic.Int64 }

func (apis *weatherAPIs) fetch(ctx context.Context, n int) (forecast, error) {
	celsius := apis[n].celsius.Load() // a real one would ask over the network
	apis[n].answered.Store(celsius)
	return forecast{celsius}, ctx.Err()
}

// Imagine you are building a weather application, that aggregates data from
// multiple weather APIs, to provide a more accurate forecast. Each time any of the
// input data changes, the aggregate is regenerated, and the result published.
//
// This is the example of go-smartpoll's README, with its placeholders filled in.
func Example_weather() {
	var apis weatherAPIs
	apis[0].celsius.Store(19)
	apis[1].celsius.Store(20)
	apis[2].celsius.Store(24)
	var lastResult1, lastResult2, lastResult3 forecast
	ctx, cancel := context.WithCancel(context.Background())

	weatherAPI1Task := func(ctx context.Context) (smartpoll.TaskHook, error) {
		// running in a separate goroutine...
		// assume backoff / retries baked into retrieving the result
		result, err := apis.fetch(ctx, 0)
		if err != nil {
			// fatal error, will terminate the control loop
			return nil, err
		}

		return func(ctx context.Context, internal *smartpoll.Internal) error {
			// synchronised with the control loop...

			// reschedule as desired
			internal.ScheduleSooner("weatherAPI1", time.Second*10)

			if !result.Equal(lastResult1) {
				// schedule a publish task, if not already scheduled
				internal.Schedule("publish", 0)
			}

			lastResult1 = result
			return nil
		}, nil
	}
	weatherAPI2Task := func(ctx context.Context) (smartpoll.TaskHook, error) {
		result, err := apis.fetch(ctx, 1)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, internal *smartpoll.Internal) error {
			internal.ScheduleSooner("weatherAPI2", time.Second*30)
			if !result.Equal(lastResult2) {
				internal.Schedule("publish", 0)
			}
			lastResult2 = result
			return nil
		}, nil
	}
	weatherAPI3Task := func(ctx context.Context) (smartpoll.TaskHook, error) {
		result, err := apis.fetch(ctx, 2)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, internal *smartpoll.Internal) error {
			internal.ScheduleSooner("weatherAPI3", time.Minute)
			if !result.Equal(lastResult3) {
				internal.Schedule("publish", 0)
			}
			lastResult3 = result
			return nil
		}, nil
	}

	publishTask := func(ctx context.Context) (smartpoll.TaskHook, error) {
		// we are running in a separate goroutine - the answers are atomics
		sum := int64(0)
		for n := range apis {
			answered := apis[n].answered.Load()
			if answered == 0 {
				return nil, nil // not all of them have answered
			}
			sum += answered
		}
		aggregateResult := sum / int64(len(apis))

		// ... perform IO etc, to publish the aggregate result
		fmt.Println("forecast:", aggregateResult, "°C")
		cancel()

		return nil, nil // TaskHook is omitted - nothing to synchronise with the control loop
	}

	scheduler, _ := smartpoll.New(
		smartpoll.WithRunHook(func(ctx context.Context, internal *smartpoll.Internal) error {
			// schedule the first invocation of each polling task, after which they manage their own lifecycle
			internal.Schedule("weatherAPI1", 0)
			internal.Schedule("weatherAPI2", 0)
			internal.Schedule("weatherAPI3", 0)
			return nil
		}),
		smartpoll.WithTask("weatherAPI1", weatherAPI1Task),
		smartpoll.WithTask("weatherAPI2", weatherAPI2Task),
		smartpoll.WithTask("weatherAPI3", weatherAPI3Task),
		// scheduled by each weather api task, as necessary (singleflight)
		smartpoll.WithTask("publish", publishTask),
	)

	fmt.Println(scheduler.Run(ctx))
	// Output:
	// forecast: 21 °C
	// context canceled
}
