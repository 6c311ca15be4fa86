package smartpoll

import "time"

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
	h.h.push(e)
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
		case n.at != n.e.at:
			return "a node has another order than its entry"
		case i > 0 && h[(i-1)/arity].at > n.at:
			return "a child is earlier than its parent"
		}
	}
	return ""
}

// TimerIsSet tells whether the timer of s is going to fire, and stops it.
func TimerIsSet(s *Scheduler) bool { return s.timer.Stop() }

// TimedLen returns how many entries are in the heap of s.
func TimedLen(s *Scheduler) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.timed)
}

// Check returns what is wrong with the state of s, or "". It may be called at
// any time.
func Check(s *Scheduler) string {
	c := &s.control
	c.mu.Lock()
	defer c.mu.Unlock()
	if wrong := c.timed.check(); wrong != "" {
		return wrong
	}
	inList := make(map[*entry]*list)
	walk := func(l *list) (n int) {
		for e := l.head; e != nil; e = e.succ {
			inList[e] = l
			n++
		}
		return n
	}
	walk(&c.ready)
	running := 0
	members := make(map[*Group]int)
	offers := make(map[*Group]int)
	for _, e := range c.tasks {
		if e.running {
			running++
		}
		if e.member == nil {
			continue
		}
		if g := e.member.offer; g != nil {
			offers[g]++
			if e.list != &c.ready && (e.pos == 0 || len(e.member.starts) == 0) {
				return "a place is kept for an entry that waits elsewhere"
			}
		}
		for _, g := range e.member.groups {
			if inList := walk(&g.parked); inList > 0 && g.running+g.offered < g.places {
				return "an entry is parked though a place is free"
			}
			members[g] += 0
			if e.running {
				members[g]++
			}
		}
	}
	if running != c.inflight {
		return "inflight is not the number of running entries"
	}
	for g, n := range members {
		switch {
		case g.running != n:
			return "a group's running is not the number of its members that run"
		case g.offered != offers[g]:
			return "a group's offered is not the number of places that are kept"
		case g.places > 0 && n > g.places:
			return "more members run than the group has places"
		}
	}
	for _, e := range c.tasks {
		somewhere := 0
		if e.pos != 0 {
			somewhere++
		}
		if e.list != nil {
			somewhere++
		}
		switch {
		case e.list != inList[e]:
			return "an entry is not in the list that it says"
		case e.scheduled() != (e.ready || e.pos != 0):
			return "an entry is scheduled and nowhere, or the reverse"
		case somewhere > 1:
			return "an entry is in two places"
		case e.ready && !e.running && somewhere == 0:
			return "a ready entry waits nowhere"
		case e.list != nil && (!e.ready || e.running):
			return "an entry in a list is not ready, or runs"
		case e.pos != 0 && e.ready && (e.member == nil || len(e.member.starts) == 0):
			return "a ready entry waits for no reserved start"
		case !e.ready && e.member != nil && len(e.member.starts) > 0:
			return "an entry keeps a start and is not ready"
		}
	}
	return ""
}
