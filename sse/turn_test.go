package sse_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// Readers that were woken run before many more are, unless those who want to run take long.
func TestWokenRun(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, tt := range []struct {
		takes time.Duration
		most  int64
	}{
		{0, 160},
		{5 * time.Millisecond, 5}, // of 10 opportunities
	} {
		var ran atomic.Int64
		var over atomic.Bool
		go func() {
			for !over.Load() {
				ran.Add(1)
				for began := time.Now(); time.Since(began) < tt.takes; {
				}
				runtime.Gosched()
			}
		}()
		turn := sse.NewTurn()
		for range 160 {
			turn.Woke()
		}
		if n := ran.Load(); n < 1 || n > tt.most {
			t.Errorf("while 160 readers were woken, another goroutine ran %d times for %v, want 1 to %d", n, tt.takes, tt.most)
		}
		over.Store(true)
	}
}

// A dispatcher rests after a long turn if a publisher does not pause, and otherwise it does not.
func TestRestAfterLongTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // one dispatcher
	for _, tt := range []struct {
		write     time.Duration
		published int // during the first write, if that takes any time
		rest      time.Duration
	}{
		{0, 1000, 0},
		{10 * time.Microsecond, 1000, 0},
		{200 * time.Microsecond, 1000, 2 * time.Millisecond},
		{time.Millisecond, 1000, 5 * time.Millisecond},
		{2 * time.Millisecond, 1000, 0},
		{200 * time.Microsecond, 1, 0},
		{time.Millisecond, 10, 0}, // one a millisecond
	} {
		synctest.Test(t, func(t *testing.T) {
			hub := newHub(t, nil)
			hub.TakeMemorySockets()
			topic := hub.Topic("a", sse.TopicOptions{})
			const streams = 10
			var writes []time.Time
			for range streams {
				handOff(t, hub, topic, &stub{tryWrite: func(p []byte) (int, error) {
					time.Sleep(tt.write)
					writes = append(writes, time.Now())
					return len(p), nil
				}})
			}
			synctest.Wait() // all have been looked at
			publish(t, topic, "1")
			synctest.Wait()
			time.Sleep(tt.write / 2)
			for range tt.published {
				publish(t, topic, "2")
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := writes[streams].Sub(writes[streams-1]) - tt.write; got != tt.rest {
				t.Errorf("10 writes of %v, %d events meanwhile, then a rest of %v, want %v", tt.write, tt.published, got, tt.rest)
			}
		})
	}
}
