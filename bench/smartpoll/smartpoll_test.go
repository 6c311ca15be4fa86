//go:build unix

// Package smartpoll_test measures smartpoll beside what else schedules in Go, the same workloads for all of them. The
// command in ../report runs it and compares the results with the bars.
package smartpoll_test

import (
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A contender is a scheduler that is measured. What it leaves running it ends in a Cleanup. A function that is nil
// measures something that the contender does not have.
type contender struct {
	name string

	// most is the number of tasks beyond which setting them up takes too long. Zero means none.
	most int

	// hotCycle runs one task again and again, among n-1 that are scheduled far ahead. Its first stage does nothing,
	// its second one, which excludes every other second stage, is to call more, and to end when that is false.
	hotCycle func(tb testing.TB, n int, more func() bool)

	// schedule gives one of n tasks that are scheduled far ahead another time, as long as more returns true.
	schedule func(tb testing.TB, n int, more func() bool)

	// every runs n tasks every d, spread evenly over d. The second stage calls second with the key of the task, from
	// 0 to n-1, and with the time at which the first stage began.
	every func(tb testing.TB, n int, d time.Duration, second func(key int, started time.Time))

	// deliver hands the loop of a scheduler with n tasks something as long as more returns true: to smartpoll a value
	// for a hook. Peers have no such thing: they are asked when a task runs next, which is answered by their loop too.
	deliver func(tb testing.TB, n int, more func() bool)

	// hold keeps n tasks scheduled far ahead.
	hold func(tb testing.TB, n int)
}

var contenders = []contender{smartpollContender, afterFuncContender, resetContender, gocronContender, robfigContender, quartzContender}

var sizes = []int{10, 100, 1000, 10_000, 50_000}

// farAhead is when the idle task with this key is due.
func farAhead(key int) time.Duration { return time.Hour + time.Duration(key)*time.Millisecond }

// elsewhere returns times for one task among many: all over the next three hours.
func elsewhere() func() time.Duration {
	i := 0
	return func() time.Duration { i++; return time.Hour + time.Duration(i*7919%10_000)*time.Second }
}

// each runs f for every contender and size, unless it returns nil.
func each(b *testing.B, sizes []int, f func(contender) func(b *testing.B, n int)) {
	for _, c := range contenders {
		run := f(c)
		if run == nil {
			continue
		}
		b.Run(c.name, func(b *testing.B) {
			for _, n := range sizes {
				if c.most > 0 && n > c.most {
					continue
				}
				b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { run(b, n) })
			}
		})
	}
}

// looped is a workload that repeats itself as long as b.Loop says so. Besides the time it takes, which includes waiting
// for a processor, it tells the processor time of the process.
func looped(run func(tb testing.TB, n int, more func() bool)) func(b *testing.B, n int) {
	if run == nil {
		return nil
	}
	return func(b *testing.B, n int) {
		b.ReportAllocs()
		var cpu time.Duration
		run(b, n, func() bool {
			if cpu == 0 {
				cpu = processTime()
			}
			return b.Loop()
		})
		b.ReportMetric(float64(processTime()-cpu)/float64(b.N), "cpu-ns/op")
	}
}

// One task that schedules itself at once, among n-1 that are far ahead: the time of a cycle of both stages.
func BenchmarkHotCycle(b *testing.B) {
	each(b, sizes, func(c contender) func(*testing.B, int) { return looped(c.hotCycle) })
}

// Another time for a task that is scheduled but does not run, among n.
func BenchmarkSchedule(b *testing.B) {
	each(b, sizes, func(c contender) func(*testing.B, int) { return looped(c.schedule) })
}

// From a send on an unbuffered channel of a hook until the next can be sent.
func BenchmarkDeliver(b *testing.B) {
	each(b, sizes, func(c contender) func(*testing.B, int) { return looped(c.deliver) })
}

// Tasks that run every 10 ms each. An iteration is a tenth of a second. Counting begins when all have run once, or have
// had three seconds to do so.
func BenchmarkEvery10ms(b *testing.B) {
	const every, iteration = 10 * time.Millisecond, 100 * time.Millisecond
	each(b, sizes, func(c contender) func(*testing.B, int) {
		if c.every == nil {
			return nil
		}
		return func(b *testing.B, n int) {
			r := runs{every: every, last: make([]time.Time, n)}
			c.every(b, n, every, r.add)
			for begin := time.Now(); !r.reset() && time.Since(begin) < 3*time.Second; {
				time.Sleep(iteration)
			}
			begin, cpu := time.Now(), processTime()
			for b.Loop() {
				time.Sleep(iteration)
			}
			late := r.take()
			took, cpu := time.Since(begin), processTime()-cpu
			count := float64(len(late))
			b.ReportMetric(0, "ns/op") // an iteration takes as long as it takes
			b.ReportMetric(count/took.Seconds(), "runs/s")
			b.ReportMetric(100*count*every.Seconds()/took.Seconds()/float64(n), "%ideal")
			if len(late) > 0 {
				slices.Sort(late)
				b.ReportMetric(late[len(late)/2].Seconds()*1e3, "p50-ms")
				b.ReportMetric(late[len(late)*99/100].Seconds()*1e3, "p99-ms")
				b.ReportMetric(cpu.Seconds()*1e6/count, "cpu-us/run")
			}
		}
	})
}

// runs records when tasks ran.
type runs struct {
	every time.Duration

	mu   sync.Mutex // guards the fields below
	last []time.Time
	late []time.Duration // by how much two starts of a task were further apart than every, for each but its first run
}

func (r *runs) add(key int, started time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last[key].IsZero() {
		r.late = append(r.late, max(0, started.Sub(r.last[key])-r.every))
	}
	r.last[key] = started
}

// reset forgets how late the tasks were, and reports whether each has run.
func (r *runs) reset() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.late = r.late[:0]
	return !slices.ContainsFunc(r.last, time.Time.IsZero)
}

func (r *runs) take() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.late)
}

// processTime is the processor time that this process has used.
func processTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
