package smartpoll_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/smartpoll"
)

var scripts = flag.Int("scripts", 200, "how many random scripts to compare with the naive scheduler")

// scheduler is what a script needs of a hook's Internal.
type scheduler interface {
	Next(key any) time.Time
	Running(key any) bool
	Schedule(key any, d time.Duration)
	ScheduleAt(key any, t time.Time)
	ScheduleSooner(key any, d time.Duration)
	ScheduleAtSooner(key any, t time.Time)
	StopTimer(key any) bool
}

// naive is a scheduler that is simple enough to be believed: it walks all keys at
// each event.
type naive struct {
	mu      sync.Mutex
	keys    [scriptKeys]naiveKey
	arrived []func() // hooks to be run
	wake    chan struct{}
	tasks   sync.WaitGroup
}

type naiveKey struct {
	next           time.Time
	ready, running bool
}

func (n *naive) Next(key any) time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.keys[key.(int)].next
}

func (n *naive) Running(key any) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.keys[key.(int)].running
}

func (n *naive) set(key any, f func(k *naiveKey, now time.Time)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f(&n.keys[key.(int)], time.Now())
}

func (n *naive) Schedule(key any, d time.Duration) {
	n.set(key, func(k *naiveKey, now time.Time) {
		switch {
		case d < 0:
			k.next, k.ready = time.Time{}, false
		case d > 0 || !k.ready:
			k.next, k.ready = now.Add(d), d == 0
		}
	})
}

func (n *naive) ScheduleAt(key any, t time.Time) {
	n.set(key, func(k *naiveKey, now time.Time) {
		k.next, k.ready = t, t != time.Time{} && !t.After(now)
	})
}

func (n *naive) ScheduleSooner(key any, d time.Duration) { n.ScheduleAtSooner(key, time.Now().Add(d)) }

func (n *naive) ScheduleAtSooner(key any, t time.Time) {
	n.set(key, func(k *naiveKey, now time.Time) {
		if k.next == (time.Time{}) || t.Before(k.next) {
			k.next, k.ready = t, k.ready || !t.After(now)
		}
	})
}

func (n *naive) StopTimer(key any) (ready bool) {
	n.set(key, func(k *naiveKey, now time.Time) {
		k.ready = k.ready || k.next != time.Time{} && !k.next.After(now)
		if !k.ready {
			k.next = time.Time{}
		}
		ready = k.ready
	})
	return ready
}

// arrive makes hook run when its turn comes.
func (n *naive) arrive(hook func()) {
	n.mu.Lock()
	n.arrived = append(n.arrived, hook)
	n.mu.Unlock()
	n.poke()
}

func (n *naive) poke() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *naive) ended(key int) {
	n.set(key, func(k *naiveKey, _ time.Time) { k.running = false })
	n.poke()
}

// run is the main loop; task returns a hook or nil.
func (n *naive) run(ctx context.Context, task func(key int) func(scheduler)) {
	for ctx.Err() == nil {
		n.mu.Lock()
		now := time.Now()
		earliest := now.Add(time.Hour)
		for key := range n.keys {
			k := &n.keys[key]
			if k.next != (time.Time{}) && !k.next.After(now) {
				k.ready = true
			}
			if k.ready && !k.running {
				*k = naiveKey{running: true}
				n.tasks.Go(func() {
					if hook := task(key); hook != nil {
						n.arrive(func() { hook(n); n.ended(key) })
					} else {
						n.ended(key)
					}
				})
			}
			if k.next != (time.Time{}) && !k.ready && k.next.Before(earliest) {
				earliest = k.next
			}
		}
		var hook func()
		if len(n.arrived) > 0 {
			hook, n.arrived = n.arrived[0], n.arrived[1:]
		}
		n.mu.Unlock()
		if hook != nil {
			hook()
			continue
		}
		timer := time.NewTimer(time.Until(earliest))
		select {
		case <-n.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	n.tasks.Wait()
}

const (
	scriptKeys = 4
	scriptTime = 400 * time.Millisecond
)

// script is a random program: what each invocation of each task, and each tick,
// does depends on the seed and its number alone.
type script struct {
	seed  uint64
	begin time.Time
	mu    sync.Mutex
	n     [scriptKeys]int // invocations
	lines []scriptLine
}

type scriptLine struct {
	at   time.Duration
	text string
}

func (s *script) log(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := time.Since(s.begin); at < scriptTime {
		s.lines = append(s.lines, scriptLine{at, fmt.Sprintf(format, args...)})
	}
}

// task is stage one.
func (s *script) task(key int) func(scheduler) {
	s.mu.Lock()
	s.n[key]++
	n := s.n[key]
	s.mu.Unlock()
	s.log("task %d.%d starts", key, n)
	r := rand.New(rand.NewPCG(s.seed, uint64(n*scriptKeys+key)))
	time.Sleep(pause(r))
	if r.IntN(5) == 0 {
		s.log("task %d.%d ends", key, n)
		return nil
	}
	return func(x scheduler) { s.hook(x, r, fmt.Sprintf("hook %d.%d", key, n)) }
}

// hook calls methods at random.
func (s *script) hook(x scheduler, r *rand.Rand, name string) {
	for range 1 + r.IntN(4) {
		key := r.IntN(scriptKeys)
		switch r.IntN(9) {
		case 0:
			x.Schedule(key, 0)
		case 1:
			x.Schedule(key, -1)
		case 2:
			x.Schedule(key, pause(r))
		case 3:
			x.ScheduleAt(key, time.Now().Add(pause(r)-10*time.Millisecond))
		case 4:
			x.ScheduleSooner(key, pause(r))
		case 5:
			x.ScheduleAtSooner(key, time.Now().Add(pause(r)-10*time.Millisecond))
		case 6:
			s.log("%s StopTimer %d %v", name, key, x.StopTimer(key))
		case 7:
			if r.IntN(10) == 0 {
				x.ScheduleAt(key, time.Time{})
			}
		case 8:
			time.Sleep(pause(r) / 4)
		}
		for key := range scriptKeys {
			next := time.Duration(-1)
			if t := x.Next(key); !t.IsZero() {
				next = t.Sub(s.begin)
			}
			s.log("%s %d next %v running %v", name, key, next, x.Running(key))
		}
	}
}

// pause returns a duration whose nanoseconds keep events from meeting.
func pause(r *rand.Rand) time.Duration {
	return 1 + time.Duration(r.Int64N(int64(40*time.Millisecond)))
}

// play runs the script in a bubble on the scheduler that run runs, which calls
// tick for each value from ticks, and returns the sorted log.
func (s *script) play(t *testing.T, run func(ctx context.Context, ticks <-chan int, tick func(scheduler, int))) []scriptLine {
	synctest.Test(t, func(t *testing.T) {
		s.begin = time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), scriptTime)
		defer cancel()
		ticks, done := make(chan int), make(chan struct{})
		var ticker sync.WaitGroup
		defer ticker.Wait()
		ticker.Go(func() {
			r := rand.New(rand.NewPCG(s.seed, 0))
			for n := range 1 << 30 {
				time.Sleep(pause(r) / 2)
				select {
				case ticks <- n:
				case <-ctx.Done():
					return
				}
				select {
				case <-done:
				case <-ctx.Done():
					return
				}
			}
		})
		run(ctx, ticks, func(x scheduler, n int) {
			s.hook(x, rand.New(rand.NewPCG(s.seed, 1<<32+uint64(n))), fmt.Sprintf("tick %d", n))
			select {
			case done <- struct{}{}:
			case <-ctx.Done():
			}
		})
	})
	slices.SortFunc(s.lines, func(a, b scriptLine) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		if a.text < b.text {
			return -1
		}
		return 1
	})
	return s.lines
}

// Random scripts on the scheduler, and on a naive one, do the same things at the
// same times.
func TestScriptsAgainstANaiveScheduler(t *testing.T) {
	events := 0
	for n := range *scripts {
		seed := uint64(n)
		if *scripts > 200 { // others each time
			seed = rand.Uint64()
		}
		got := (&script{seed: seed}).playSmart(t)
		want := (&script{seed: seed}).playNaive(t)
		events += len(want)
		for line := range min(len(got), len(want)) {
			if got[line] != want[line] {
				t.Fatalf("script %d, line %d:\ngot  %v\nwant %v", seed, line, got[line], want[line])
			}
		}
		if len(got) != len(want) {
			t.Fatalf("script %d: %d lines, want %d", seed, len(got), len(want))
		}
	}
	t.Logf("%d scripts, %d events", *scripts, events)
	if events < 100**scripts {
		t.Errorf("%d scripts had %d events, want at least 100 each", *scripts, events)
	}
}

func (s *script) playNaive(t *testing.T) []scriptLine {
	return s.play(t, func(ctx context.Context, ticks <-chan int, tick func(scheduler, int)) {
		x := &naive{wake: make(chan struct{}, 1)}
		for key := range scriptKeys {
			x.Schedule(key, 0)
		}
		go func() {
			for {
				select {
				case n := <-ticks:
					x.arrive(func() { tick(x, n) })
				case <-ctx.Done():
					return
				}
			}
		}()
		x.run(ctx, s.task)
	})
}

func (s *script) playSmart(t *testing.T) []scriptLine {
	return s.play(t, func(ctx context.Context, ticks <-chan int, tick func(scheduler, int)) {
		options := []smartpoll.Option{
			smartpoll.WithDrain(smartpoll.Drain{Wait: time.Hour}),
			smartpoll.WithHook(ticks, func(_ context.Context, i *internal, n int, _ bool) error { tick(i, n); return nil }),
		}
		for key := range scriptKeys {
			options = append(options, smartpoll.WithTask(key, func(context.Context) (hook, error) {
				f := s.task(key)
				if f == nil {
					return nil, nil
				}
				return func(_ context.Context, i *internal) error { f(i); return nil }, nil
			}), start(key))
		}
		mustNew(t, options...).Run(ctx)
	})
}
