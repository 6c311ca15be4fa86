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
	wait chan bool // not nil: the turn is handed over by a send of true, which never blocks; or refused
}

// ring is a FIFO of items that keeps its memory.
type ring struct {
	items []item // its length is a power of two
	head  int
	n     int
}

func (r *ring) push(it item) {
	if r.n == len(r.items) {
		grown := make([]item, max(16, 2*len(r.items)))
		for i := range r.n {
			grown[i] = r.items[(r.head+i)&(len(r.items)-1)]
		}
		r.items, r.head = grown, 0
	}
	r.items[(r.head+r.n)&(len(r.items)-1)] = it
	r.n++
}

// pop must not be called on an empty ring.
func (r *ring) pop() item {
	it := r.items[r.head]
	r.items[r.head] = item{} // lets go of what the hook holds
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	return it
}

// withdraw takes back the item of who waits by wait, and tells whether it was
// there still.
func (r *ring) withdraw(wait chan bool) bool {
	for i := range r.n {
		if it := &r.items[(r.head+i)&(len(r.items)-1)]; it.wait == wait {
			*it = item{} // for the loop to pass over
			return true
		}
	}
	return false
}
