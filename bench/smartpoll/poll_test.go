//go:build unix && !baseline

package smartpoll_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

// The cycle of a task with what a poll needs: a fetch that waits for its context too, Retry and an Observer.
func BenchmarkPollCycle(b *testing.B) {
	looped(func(tb testing.TB, n int, more func() bool) {
		ctx, cancel := context.WithCancel(tb.Context())
		const key = "poll"
		answer := make(chan int, 1)
		fetch := func(ctx context.Context) (int, error) {
			answer <- 1
			select {
			case n := <-answer:
				return n, nil
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		commit := func(_ context.Context, i *internal, _ int, err error) error {
			if more() {
				i.Schedule(key, 0)
			} else {
				cancel()
			}
			return err
		}
		started, done := 0, 0
		s := newScheduler(tb, append(idle(n-1),
			smartpoll.WithTask(key, smartpoll.Poll(fetch, commit), smartpoll.Retry(smartpoll.Backoff{})),
			smartpoll.WithObserver(&smartpoll.Observer{
				OnStart: func(any, time.Duration, time.Duration) { started++ },
				OnDone:  func(any, time.Duration, error) { done++ },
			}))...)
		s.Schedule(key, 0)
		s.Run(ctx)
		if started != done {
			tb.Errorf("an Observer was told of %d starts and %d ends, want the same", started, done)
		}
	})(b, 100)
}
