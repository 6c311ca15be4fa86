//go:build unix

package smartpoll_test

import (
	"testing"
	"time"
)

// The bar on BenchmarkHotCycle: at most twice the time among 10,000 tasks. The best of several rounds counts, taken in
// turns, so that what else the machine does matters little.
func TestHotCycleIsFlat(t *testing.T) {
	const cycles = 30_000
	round := func(n int) time.Duration {
		var begin time.Time
		done := 0
		smartpollHotCycle(t, n, func() bool {
			if done == 0 {
				begin = time.Now()
			}
			done++
			return done < cycles
		})
		return time.Since(begin) / cycles
	}
	few, many := time.Hour, time.Hour
	for range 8 {
		few, many = min(few, round(10)), min(many, round(10_000))
	}
	t.Logf("a cycle takes %v among 10 tasks, %v among 10,000", few, many)
	if many > 2*few {
		t.Errorf("a cycle takes %v among 10,000 tasks and %v among 10, want at most twice as long", many, few)
	}
}
