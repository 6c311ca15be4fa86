//go:build unix

package smartpoll_test

import (
	"sync"
	"testing"
	"time"
)

// The yardstick: timers of the runtime, one a task, and a mutex that makes second stages exclude each other. It knows
// no keys, no errors and no end.
var afterFuncContender = contender{
	name: "AfterFunc",

	hotCycle: func(tb testing.TB, n int, more func() bool) {
		timers(tb, n-1)
		var mu sync.Mutex // the second stage
		done := make(chan struct{})
		var cycle func()
		cycle = func() {
			mu.Lock()
			defer mu.Unlock()
			if more() {
				time.AfterFunc(0, cycle)
			} else {
				close(done)
			}
		}
		time.AfterFunc(0, cycle)
		<-done
	},

	schedule: func(tb testing.TB, n int, more func() bool) {
		timer := timers(tb, n)[0]
		d := elsewhere()
		for more() {
			timer.Reset(d())
		}
	},

	every: func(tb testing.TB, n int, d time.Duration, second func(int, time.Time)) {
		var mu sync.Mutex // the second stage
		stopped := false
		for key := range n {
			var timer *time.Timer
			mu.Lock()
			timer = time.AfterFunc(d*time.Duration(key)/time.Duration(n), func() {
				started := time.Now()
				mu.Lock()
				defer mu.Unlock()
				if second(key, started); !stopped {
					timer.Reset(d)
				}
			})
			mu.Unlock()
		}
		tb.Cleanup(func() { mu.Lock(); defer mu.Unlock(); stopped = true })
	},

	// A goroutine that takes what is sent under the mutex.
	deliver: func(tb testing.TB, n int, more func() bool) {
		timers(tb, n)
		var mu sync.Mutex // the second stage
		ch, sum := make(chan int), 0
		go func() {
			for v := range ch {
				mu.Lock()
				sum += v
				mu.Unlock()
			}
		}()
		for more() {
			ch <- 1
		}
		close(ch)
	},

	hold: func(tb testing.TB, n int) { timers(tb, n) },
}

// The same cycle where whoever reschedules has kept the timer of the task.
var resetContender = contender{
	name: "Timer.Reset",

	hotCycle: func(tb testing.TB, n int, more func() bool) {
		timers(tb, n-1)
		var mu sync.Mutex // the second stage
		var timer *time.Timer
		done := make(chan struct{})
		mu.Lock()
		timer = time.AfterFunc(0, func() {
			mu.Lock()
			defer mu.Unlock()
			if more() {
				timer.Reset(0)
			} else {
				close(done)
			}
		})
		mu.Unlock()
		<-done
	},
}

// timers starts n timers that are far ahead.
func timers(tb testing.TB, n int) []*time.Timer {
	all := make([]*time.Timer, n)
	for key := range all {
		all[key] = time.AfterFunc(farAhead(key), func() {})
	}
	tb.Cleanup(func() {
		for _, timer := range all {
			timer.Stop()
		}
	})
	return all
}
