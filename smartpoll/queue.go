package smartpoll

import "time"

// queue holds entries in the order in which they became due, those with a [HeadStart] as if that had happened so much
// earlier. An entry is in one queue at most, and can leave from the middle.
type queue struct {
	head, tail *entry // those without a head start: a FIFO, linked through them
	ahead      heap   // those with one
	n          int    // of both
}

func (q *queue) empty() bool { return q.head == nil && len(q.ahead) == 0 }

func (q *queue) push(e *entry) {
	e.queue = q
	q.n++
	if e.extra != nil && e.extra.headStart > 0 {
		q.ahead.push(e, e.order())
		return
	}
	e.prev, e.succ = q.tail, nil
	if q.tail != nil {
		q.tail.succ = e
		e.at = max(e.at, q.tail.at) // an entry that arrives late has not waited here for longer
	} else {
		q.head = e
	}
	q.tail = e
}

// putBack pushes an entry that was the first.
func (q *queue) putBack(e *entry) {
	if q.head == nil || e.extra != nil && e.extra.headStart > 0 {
		q.push(e)
		return
	}
	e.queue = q
	q.n++
	e.prev, e.succ = nil, q.head
	e.at = min(e.at, q.head.at)
	q.head.prev = e
	q.head = e
}

// each calls f for each entry, those with a head start last. It must not change the queue.
func (q *queue) each(f func(*entry)) {
	for e := q.head; e != nil; e = e.succ {
		f(e)
	}
	for _, n := range q.ahead {
		f(n.e)
	}
}

// first returns nil if the queue is empty.
func (q *queue) first() *entry {
	if len(q.ahead) > 0 && (q.head == nil || q.ahead[0].at < q.head.at) {
		return q.ahead[0].e
	}
	return q.head
}

// pop must not be called on an empty queue.
func (q *queue) pop() *entry {
	e := q.first()
	q.remove(e)
	return e
}

// before calls f for each entry that will be popped before e, which is in the queue or
// would be now.
func (q *queue) before(e *entry, f func(*entry)) {
	order := e.order()
	for o := q.head; o != nil && o != e && (order == e.at || o.at <= order); o = o.succ {
		f(o)
	}
	for _, n := range q.ahead {
		if n.e != e && n.at < order {
			f(n.e)
		}
	}
}

// order is the key by which entries in a queue are ordered; equal ones are ordered by their arrival.
func (e *entry) order() int64 {
	if e.extra == nil {
		return e.at
	}
	return saturate(e.at, -time.Duration(e.extra.headStart))
}

func (q *queue) remove(e *entry) {
	e.queue = nil
	q.n--
	if e.pos != 0 {
		q.ahead.remove(e)
		return
	}
	if e.prev != nil {
		e.prev.succ = e.succ
	} else {
		q.head = e.succ
	}
	if e.succ != nil {
		e.succ.prev = e.prev
	} else {
		q.tail = e.prev
	}
	e.prev, e.succ = nil, nil
}

// item waits for the turn: the result of an ended invocation, or a goroutine that wants to run a hook of its own.
type item struct {
	e    *entry
	hook TaskHook
	err  error
	wait *waiter // not nil: the turn is handed over
}

// waiter is a goroutine that waits for the turn. It may wait again afterwards.
type waiter struct {
	turn   chan bool // true: it has the turn, false: the turn is refused; the send never blocks
	queued bool      // guarded by control.mu, like gone
	gone   bool      // it has given up
}

func newWaiter() *waiter { return &waiter{turn: make(chan bool, 1)} }

// ring is a FIFO of items that keeps its memory. Items of waiters that have given up are skipped, and are always fewer
// than the others.
type ring struct {
	items []item // its length is a power of two
	head  int
	used  int
	n     int // without the items of waiters that have given up
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
		*at = item{} // releases what the hook holds
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

// withdraw makes w give up, and reports whether it was still waiting. It clears up after the waiters that have given up
// since the last time, at an amortised cost of at most two moves each.
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
