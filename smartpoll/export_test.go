package smartpoll

import (
	"runtime"
	"slices"
	"time"
)

// NormalBackoff returns b with its defaults filled in.
func NormalBackoff(b Backoff) (Backoff, error) { return b.normal() }

// BackoffDelay returns the delay of b after n failures, for a random number.
func BackoffDelay(b Backoff, n int, random float64) time.Duration {
	b, err := b.normal()
	if err != nil {
		panic(err)
	}
	return b.delay(n, random)
}

// Heap is the heap of entries, for tests by number instead of by entry.
type Heap struct {
	h       heap
	entries map[int]*entry
}

// Push adds entry n at the given order.
func (h *Heap) Push(n int, at int64) {
	if h.entries == nil {
		h.entries = make(map[int]*entry)
	}
	e := &entry{key: n, at: at}
	h.entries[n] = e
	h.h.push(e, at)
}

// Remove takes entry n out.
func (h *Heap) Remove(n int) {
	e := h.entries[n]
	delete(h.entries, n)
	h.h.remove(e)
}

// Min returns the first entry and its order.
func (h *Heap) Min() (n int, at int64) { return h.h[0].e.key.(int), h.h[0].at }

// Len returns the number of entries.
func (h *Heap) Len() int { return len(h.h) }

// Check returns what is wrong with the heap, or "".
func (h *Heap) Check() string { return h.h.check() }

func (h heap) check() string {
	for i, n := range h {
		switch {
		case int(n.e.pos) != i+1:
			return "an entry does not know its position"
		case n.e.queue == nil && n.at != n.e.at:
			return "a node has another order than its entry"
		case i > 0 && h[(i-1)/arity].at > n.at:
			return "a child is earlier than its parent"
		}
	}
	return ""
}

// TimerIsSet tells whether the timer of s is going to fire, and stops it.
func TimerIsSet(s *Scheduler) bool { return s.timer.Stop() }

// Starts is the FIFO of started entries, for tests by number instead of by entry.
type Starts struct{ s starts }

// Push adds a number, which is not negative.
func (s *Starts) Push(n int) { s.s.push(&entry{runs: uint64(n)}) }

// Pop returns -1 if there is none.
func (s *Starts) Pop() int {
	e := s.s.pop()
	if e == nil {
		return -1
	}
	return int(e.runs)
}

// Cap returns for how many entries it has memory.
func (s *Starts) Cap() int { return cap(s.s.entries) }

// TimedLen returns how many entries are in the heap of s.
func TimedLen(s *Scheduler) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.timed)
}

// Check returns what is wrong with the state of s, or "". It may be called at
// any time. The groups given may have had a higher limit before.
func Check(s *Scheduler, lowered ...*Group) string {
	c := &s.control
	c.mu.Lock()
	defer c.mu.Unlock()
	if wrong := c.timed.check(); wrong != "" {
		return wrong
	}
	inQueue := make(map[*entry]*queue)
	counted := true // queues know their length
	walk := func(l *queue) (n int) {
		for e := l.head; e != nil; e = e.succ {
			inQueue[e] = l
			if e.succ != nil && e.succ.at < e.at {
				n = -1 << 30
			}
			n++
		}
		for _, node := range l.ahead {
			inQueue[node.e] = l
			n++
		}
		counted = counted && (n < 0 || n == l.n)
		return n
	}
	wrong := ""
	if walk(&c.ready) < 0 || walk(&c.plans) < 0 || walk(&c.pause.held) < 0 {
		return "a queue is out of order"
	}
	entries := make(map[*entry]bool) // known, removed and running ones
	blocked := make(map[*entry]bool)
	for _, e := range c.tasks {
		entries[e] = true
	}
	for old, heir := range c.heirs {
		entries[old] = true
		blocked[heir] = true
		if !old.running || !old.removed || !heir.running || heir.run != nil {
			return "an heir of one that does not run, or that runs itself"
		}
	}
	running, walls, present, parked := 0, 0, 0, 0
	members := make(map[*Group]int)
	enrolled := make(map[*Group]int)
	kept, due := make(map[*Group]int), make(map[*Group]int)
	admissions := make(map[*Group]bool) // those in queue are counted
	for e := range entries {
		if e.running && !blocked[e] {
			running++
		}
		if e.wall {
			walls++
		}
		if !e.removed {
			present++
		}
		if q := e.queue; q != nil && q != &c.ready && q != &c.plans && !c.isInPause(e) {
			parked++
		}
		if e.extra == nil || e.extra.member == nil {
			continue
		}
		m := e.extra.member
		if m.due != (e.ready && !e.running && !e.paused() && !c.isInPause(e)) {
			return "an entry is due and not counted, or the reverse"
		}
		if m.kept > 0 && !m.due {
			return "a place is kept for an entry that does not wait"
		}
		for i, g := range m.groups {
			if walk(&g.queue) < 0 || walk(&g.pause.held) < 0 {
				return "a group's queue is out of order"
			}
			if !admissions[g] {
				admissions[g] = true
				for e := g.queue.head; e != nil; e = e.succ {
					if e.extra.admitted != nil {
						due[g]++
					}
				}
			}
			if !g.queue.empty() && g.free() && g.bell.pos == 0 {
				return "an entry is in queue though nothing is missing"
			}
			if g.bell.pos != 0 && (g.queue.empty() || !g.free()) {
				return "a bell is set for nobody"
			}
			if !e.removed {
				enrolled[g]++
			}
			members[g] += 0
			if e.running && !blocked[e] {
				members[g]++
			}
			if i < m.kept {
				kept[g]++
			}
			if m.due {
				due[g]++
			}
		}
	}
	if running != c.inflight {
		return "inflight is not the number of running entries"
	}
	if present != c.present || parked != c.parked || !counted {
		return "the number of tasks, of parked ones or of those in a queue is wrong"
	}
	for _, e := range c.starts.entries[c.starts.first:] {
		if !e.running || e.run == nil {
			return "an entry is in starts and does not run"
		}
	}
	if !c.starts.empty() && !c.helping {
		return "nobody is on the way to starts"
	}
	if walls != c.walls {
		return "walls is not the number of entries due by the wall clock"
	}
	if c.limit > 0 && c.inflight > c.limit {
		return "more tasks run than WithMaxRunning says"
	}
	if !c.busy && !c.stopped && c.stop.Err() == nil && c.room() && !c.ready.empty() {
		return "entries are ready and nobody starts them"
	}
	for g, n := range members {
		switch {
		case g.members != enrolled[g]:
			return "a group's members are miscounted"
		case g.running-g.visits != n:
			return "a group's running is not the number of its members that run"
		case g.kept != kept[g] || g.waiting != due[g]:
			return "a group's kept or waiting is not the number of its members that it keeps a place for, or that wait"
		case g.startKept && g.kept == 0:
			return "a start is kept for nobody"
		case (g.kept > 0) != g.startKept && g.limiter != nil:
			return "a slot is kept in a group with a rate, and no start"
		case g.startKept && g.limiter == nil:
			return "a start is kept in a group without a rate"
		case g.limits.Running > 0 && g.running > g.limits.Running && !slices.Contains(lowered, g):
			return "more members run than the group has places"
		}
	}
	for e := range entries {
		timed := e.pos != 0 && e.queue == nil
		planning := e.queue == &c.plans
		switch {
		case e.queue != inQueue[e]:
			wrong = "an entry is not in the queue that it says"
		case e.removed && (e.scheduled() || e.queue != nil):
			wrong = "a removed entry is scheduled"
		case e.scheduled() != (e.ready || timed):
			wrong = "an entry is scheduled and nowhere, or the reverse"
		case e.ready && !e.running && !e.paused() && e.queue == nil:
			wrong = "a ready entry waits nowhere"
		case planning && e.scheduled():
			wrong = "a scheduled entry waits to be planned"
		case e.queue != nil && !planning && (!e.ready || e.running || e.paused()):
			wrong = "an entry in a queue is not ready, or runs, or is paused"
		case c.isInPause(e) && c.pauseOf(e) == nil:
			wrong = "an entry waits for the end of a pause that is over"
		case timed && e.ready:
			wrong = "a ready entry waits for its time"
		case e.wall && !timed:
			wrong = "an entry is due by the wall clock and not in the heap"
		case (e.run != nil) != (e.running && !blocked[e]):
			wrong = "an entry runs without an invocation, or the reverse"
		}
		if wrong != "" {
			return wrong
		}
	}
	return ""
}

// isInPause tells whether e waits in the queue of a pause.
func (c *control) isInPause(e *entry) bool {
	if e.queue == &c.pause.held {
		return true
	}
	return e.extra != nil && e.extra.member != nil &&
		slices.ContainsFunc(e.extra.member.groups, func(g *Group) bool { return e.queue == &g.pause.held })
}

// SetWallClock makes now what s takes for its wall clock, given the time.
func SetWallClock(s *Scheduler, now func(time.Time) time.Time) { s.now = now }

// TimerIsCapped tells whether the timer of s is set no further ahead than the
// wall clock has to be looked at.
func TimerIsCapped(s *Scheduler) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capped
}

// Known returns how many tasks are remembered, removed ones included.
func Known(s *Scheduler) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tasks)
}

// Unlocked tells whether the caller's code runs without the mutex of s: it gets free,
// if another goroutine has it for a moment.
func Unlocked(s *Scheduler) bool {
	for range 1_000_000 {
		if s.mu.TryLock() {
			s.mu.Unlock()
			return true
		}
		runtime.Gosched()
	}
	return false
}

// Since is the order that s gives a reading of the clock.
func Since(s *Scheduler, now time.Time) time.Duration { return time.Duration(s.control.since(now)) }

// Reading returns the time as s derives it.
func Reading(s *Scheduler) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading()
}

// QueueLen returns how many results and goroutines wait for the turn.
func QueueLen(s *Scheduler) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.q.used
}
