//go:build unix

package smartpoll_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

type (
	hook     = smartpoll.TaskHook
	internal = smartpoll.Internal
)

var smartpollContender = contender{
	name: "smartpoll",

	hotCycle: func(tb testing.TB, n int, more func() bool) { smartpollHotCycle(tb, n, more) },

	schedule: func(tb testing.TB, n int, more func() bool) {
		s := start(tb, idle(n)...)
		d := elsewhere()
		for more() {
			s.Schedule(0, d())
		}
	},

	every: func(tb testing.TB, n int, d time.Duration, second func(int, time.Time)) {
		options := make([]smartpoll.Option, n)
		for key := range n {
			options[key] = smartpoll.WithTask(key, func(context.Context) (hook, error) {
				started := time.Now()
				return func(_ context.Context, i *internal) error {
					second(key, started)
					i.Schedule(key, d)
					return nil
				}, nil
			})
		}
		s := start(tb, options...)
		for key := range n {
			s.Schedule(key, d*time.Duration(key)/time.Duration(n))
		}
	},

	deliver: func(tb testing.TB, n int, more func() bool) { smartpollDeliver(tb, n, more) },

	hold: func(tb testing.TB, n int) { start(tb, idle(n)...) },
}

// The hot cycle and the delivery must not depend on the number of hooks either.
func BenchmarkHooks(b *testing.B) {
	for _, workload := range []struct {
		name string
		run  func(testing.TB, int, func() bool, ...smartpoll.Option)
	}{{"cycle", smartpollHotCycle}, {"deliver", smartpollDeliver}} {
		b.Run(workload.name, func(b *testing.B) {
			for _, hooks := range []int{0, 1, 4, 16, 64} {
				options := make([]smartpoll.Option, hooks)
				for i := range options {
					options[i] = smartpoll.WithHook(make(chan int), ignore)
				}
				b.Run(fmt.Sprintf("hooks=%d", hooks), func(b *testing.B) {
					b.ReportAllocs()
					workload.run(b, 100, b.Loop, options...)
				})
			}
		})
	}
}

func smartpollHotCycle(tb testing.TB, n int, more func() bool, options ...smartpoll.Option) {
	ctx, cancel := context.WithCancel(tb.Context())
	const key = "hot"
	s := newScheduler(tb, append(append(idle(n-1), smartpoll.WithTask(key, func(context.Context) (hook, error) {
		return func(_ context.Context, i *internal) error {
			if more() {
				i.Schedule(key, 0)
			} else {
				cancel()
			}
			return nil
		}, nil
	})), options...)...)
	s.Schedule(key, 0)
	s.Run(ctx)
}

func smartpollDeliver(tb testing.TB, n int, more func() bool, options ...smartpoll.Option) {
	ch := make(chan int)
	start(tb, append(append(idle(n), smartpoll.WithHook(ch, ignore)), options...)...)
	for more() {
		ch <- 1
	}
}

func ignore(context.Context, *internal, int, bool) error { return nil }

// idle returns n tasks, 0 to n-1, scheduled far ahead.
func idle(n int) []smartpoll.Option {
	options := make([]smartpoll.Option, 0, n+1)
	for key := range n {
		options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) { return nil, nil }))
	}
	return append(options, smartpoll.WithRunHook(func(_ context.Context, i *internal) error {
		for key := range n {
			i.Schedule(key, farAhead(key))
		}
		return nil
	}))
}

func newScheduler(tb testing.TB, options ...smartpoll.Option) *smartpoll.Scheduler {
	s, err := smartpoll.New(options...)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// start returns a Scheduler that runs, its RunHooks being over, until the benchmark ends.
func start(tb testing.TB, options ...smartpoll.Option) *smartpoll.Scheduler {
	started := make(chan struct{})
	s := newScheduler(tb, append(options, smartpoll.WithRunHook(func(context.Context, *internal) error {
		close(started)
		return nil
	}))...)
	ctx, cancel := context.WithCancel(tb.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	tb.Cleanup(func() { cancel(); <-ended })
	<-started
	return s
}
