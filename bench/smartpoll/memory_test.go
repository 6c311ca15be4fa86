//go:build unix

package smartpoll_test

import (
	"runtime"
	"testing"
)

// What a scheduled task occupies among n: heap and stacks, its closure included.
func BenchmarkMemory(b *testing.B) {
	each(b, []int{10_000}, func(c contender) func(*testing.B, int) {
		if c.hold == nil {
			return nil
		}
		return func(b *testing.B, n int) {
			before := occupied()
			c.hold(b, n)
			for b.Loop() { // once is enough, and more does no harm
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric((occupied()-before)/float64(n), "B/task")
		}
	})
}

// occupied returns how many bytes are in use.
func occupied() float64 {
	var stats runtime.MemStats
	for range 3 { // what finalizers and pools hold on to is gone after the next ones
		runtime.GC()
	}
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}
