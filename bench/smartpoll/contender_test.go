//go:build unix

package smartpoll_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// What is measured takes place: each workload asks for more until it is told to stop, from one goroutine at a time.
func TestContenders(t *testing.T) {
	const n, want = 10, 100
	for _, c := range contenders {
		for name, workload := range map[string]func(testing.TB, int, func() bool){"hotCycle": c.hotCycle, "schedule": c.schedule, "deliver": c.deliver} {
			if workload == nil {
				continue
			}
			t.Run(c.name+"/"+name, func(t *testing.T) {
				var within alone
				got := 0
				workload(t, n, func() bool {
					defer within.enter(t)()
					got++
					return got < want
				})
				if got != want {
					t.Errorf("asked for more %d times, want %d", got, want)
				}
			})
		}
		if c.every == nil {
			continue
		}
		t.Run(c.name+"/every", func(t *testing.T) {
			var within alone
			begin, left := time.Now(), n
			runs, all := make([]int, n), make(chan struct{})
			c.every(t, n, 10*time.Millisecond, func(key int, started time.Time) {
				defer within.enter(t)()
				for here := time.Now(); time.Since(here) < time.Millisecond; { // so that the others are due meanwhile
					runtime.Gosched()
				}
				if started.Before(begin) || started.After(time.Now()) {
					t.Errorf("task %d started at %v, which is not between %v and now", key, started, begin)
				}
				if runs[key]++; runs[key] == 3 {
					if left--; left == 0 {
						close(all)
					}
				}
			})
			select {
			case <-all:
			case <-time.After(time.Minute):
				t.Error("not every task has run three times in a minute")
			}
		})
	}
}

// alone notices goroutines that are where only one may be.
type alone struct{ inside atomic.Int32 }

func (a *alone) enter(t *testing.T) (leave func()) {
	if a.inside.Add(1) > 1 {
		t.Error("two second stages at once")
	}
	return func() { a.inside.Add(-1) }
}
