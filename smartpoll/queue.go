package smartpoll

// list is a FIFO of entries, linked through them, so that one can leave from
// the middle. An entry is in one list at most.
type list struct {
	head, tail *entry
}

func (l *list) push(e *entry) {
	e.list, e.prev, e.succ = l, l.tail, nil
	if l.tail != nil {
		l.tail.succ = e
	} else {
		l.head = e
	}
	l.tail = e
}

// pop returns nil if the list is empty.
func (l *list) pop() *entry {
	e := l.head
	if e != nil {
		l.remove(e)
	}
	return e
}

func (l *list) remove(e *entry) {
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
	e.list, e.prev, e.succ = nil, nil, nil
}

// item is what waits for the turn: the result of an ended invocation, or a
// goroutine that wants to run a hook of its own.
type item struct {
	e    *entry
	hook TaskHook
	err  error
	wait chan struct{} // not nil: the turn is handed over by a send, which never blocks
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
