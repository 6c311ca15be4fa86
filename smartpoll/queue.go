package smartpoll

import "time"

// line is where entries wait in the order in which they became due, those with a
// [HeadStart] as if they had done so that much earlier. An entry is in one line at
// most, and can leave from the middle.
type line struct {
	head, tail *entry // those without a head start: a FIFO, linked through them
	ahead      heap   // those with one
}

func (l *line) empty() bool { return l.head == nil && len(l.ahead) == 0 }

func (l *line) push(e *entry) {
	e.line = l
	if e.extra != nil && e.extra.headStart > 0 {
		l.ahead.push(e, e.order())
		return
	}
	e.prev, e.succ = l.tail, nil
	if l.tail != nil {
		l.tail.succ = e
		e.at = max(e.at, l.tail.at) // whoever comes late has not waited here for longer
	} else {
		l.head = e
	}
	l.tail = e
}

// putBack pushes an entry that was the first.
func (l *line) putBack(e *entry) {
	if l.head == nil || e.extra != nil && e.extra.headStart > 0 {
		l.push(e)
		return
	}
	e.line = l
	e.prev, e.succ = nil, l.head
	e.at = min(e.at, l.head.at)
	l.head.prev = e
	l.head = e
}

// first returns nil if the line is empty.
func (l *line) first() *entry {
	if len(l.ahead) > 0 && (l.head == nil || l.ahead[0].at < l.head.at) {
		return l.ahead[0].e
	}
	return l.head
}

// pop must not be called on an empty line.
func (l *line) pop() *entry {
	e := l.first()
	l.remove(e)
	return e
}

// before calls f for each entry that will be popped before e, which is in the line or
// would be now.
func (l *line) before(e *entry, f func(*entry)) {
	order := e.order()
	for o := l.head; o != nil && o != e && (order == e.at || o.at <= order); o = o.succ {
		f(o)
	}
	for _, n := range l.ahead {
		if n.e != e && n.at < order {
			f(n.e)
		}
	}
}

// order is what entries in a line are ordered by, and else by when they came.
func (e *entry) order() int64 {
	if e.extra == nil {
		return e.at
	}
	return saturate(e.at, -time.Duration(e.extra.headStart))
}

func (l *line) remove(e *entry) {
	e.line = nil
	if e.pos != 0 {
		l.ahead.remove(e)
		return
	}
	if e.prev != nil {
		e.prev.succ = e.succ
	} else {
		l.head = e.succ
	}
	if e.succ != nil {
		e.succ.prev = e.prev
	} else {
		l.tail = e.prev
	}
	e.prev, e.succ = nil, nil
}

// item is what waits for the turn: the result of an ended invocation, or a
// goroutine that wants to run a hook of its own.
type item struct {
	e    *entry
	hook TaskHook
	err  error
	wait *waiter // not nil: the turn is handed over
}

// waiter is a goroutine that waits for the turn. It may wait again afterwards.
type waiter struct {
	turn   chan bool // true: it has the turn, false: that is refused; the send never blocks
	queued bool      // guarded by control.mu, as gone
	gone   bool      // it has given up
}

func newWaiter() *waiter { return &waiter{turn: make(chan bool, 1)} }

// ring is a FIFO of items that keeps its memory. Those of waiters that have given up are
// passed over, and are always fewer than the others.
type ring struct {
	items []item // its length is a power of two
	head  int
	used  int
	n     int // without those that have given up
}

func (r *ring) at(i int) *item { return &r.items[(r.head+i)&(len(r.items)-1)] }

func (r *ring) push(it item) {
	if r.used == len(r.items) {
		grown := make([]item, max(16, 2*len(r.items)))
		for i := range r.used {
			grown[i] = *r.at(i)
		}
		r.items, r.head = grown, 0
	}
	*r.at(r.used) = it
	r.used++
	r.n++
	if it.wait != nil {
		it.wait.queued = true
	}
}

// pop must not be called on an empty ring.
func (r *ring) pop() item {
	for {
		at := r.at(0)
		it := *at
		*at = item{} // lets go of what the hook holds
		r.head = (r.head + 1) & (len(r.items) - 1)
		r.used--
		if it.wait == nil || !it.wait.gone {
			r.n--
			if it.wait != nil {
				it.wait.queued = false
			}
			return it
		}
	}
}

// withdraw has w give up, and tells whether it waited still. It costs what the others
// that have given up since the last time have left, at most twice each.
func (r *ring) withdraw(w *waiter) bool {
	if !w.queued {
		return false
	}
	w.queued, w.gone = false, true
	if r.n--; r.used < 2*r.n {
		return true
	}
	kept := 0
	for i := range r.used {
		it := *r.at(i)
		*r.at(i) = item{}
		if it.wait == nil || !it.wait.gone {
			*r.at(kept) = it
			kept++
		}
	}
	r.used = kept
	return true
}
