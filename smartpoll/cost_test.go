package smartpoll_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

var errEnough = errors.New("enough")

// A cycle of a task allocates a sixteenth of a slab of contexts, and what the task itself does:
// here, the closure that is its hook.
func TestCostOfACycle(t *testing.T) {
	const cycles = 20_000
	var before, after runtime.MemStats
	n := 0
	s := mustNew(t, start("k"), smartpoll.WithTask("k", func(context.Context) (hook, error) {
		return func(_ context.Context, i *internal) error {
			if n++; n == cycles {
				return errEnough
			}
			i.Schedule("k", 0)
			return nil
		}, nil
	}))
	runtime.ReadMemStats(&before)
	if got := s.Run(t.Context()); got != errEnough {
		t.Fatalf("Run() = %v, want %v", got, errEnough)
	}
	runtime.ReadMemStats(&after)
	if got := float64(after.Mallocs-before.Mallocs) / cycles; got > 1.3 {
		t.Errorf("a cycle allocates %.2f times, want at most 1.3", got)
	}
}

// A method allocates nothing.
func TestCostOfSchedule(t *testing.T) {
	s := mustNew(t, start("k", "f"), smartpoll.WithTask("k", nothing), smartpoll.WithTask("f", then(func(i *internal) error {
		n := 0
		if got := testing.AllocsPerRun(1000, func() {
			n++
			i.Schedule("k", time.Hour+time.Duration(n))
			i.ScheduleSooner("k", time.Hour)
			i.StopTimer("k")
		}); got > 0 {
			t.Errorf("Schedule, ScheduleSooner and StopTimer allocate %v times, want 0", got)
		}
		return errEnough
	})))
	if got := s.Run(t.Context()); got != errEnough {
		t.Fatalf("Run() = %v, want %v", got, errEnough)
	}
}

// What a scheduled task occupies, its closure and its place in a map included.
func TestCostOfATask(t *testing.T) {
	const n = 100_000
	live := func() uint64 {
		runtime.GC()
		runtime.GC() // and what the first one has made unreachable
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	keys := make([]any, n)
	for key := range n {
		keys[key] = key
	}
	options := make([]smartpoll.Option, n)
	before := live()
	for key := range n {
		options[key] = smartpoll.WithTask(keys[key], nothing)
	}
	s := mustNew(t, options...)
	clear(options)
	for _, key := range keys {
		s.Schedule(key, time.Hour)
	}
	got := float64(live()-before) / n
	t.Logf("%.0f bytes a task", got)
	if got > 250 {
		t.Errorf("a scheduled task occupies %.0f bytes, want at most 250", got)
	}
	runtime.KeepAlive(s)
}
