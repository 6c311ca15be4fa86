package smartpoll

// heap orders entries by an instant.
//
// It is 4-ary and indexed: each entry holds its position, so postponing or withdrawing one leaves nothing behind,
// however often it happens. The keys are stored beside the pointers, because a comparison that follows a pointer costs
// a cache miss at each level.
type heap []node

type node struct {
	at int64
	e  *entry
}

const arity = 4

// push adds e, which must not be in a heap.
func (h *heap) push(e *entry, at int64) {
	*h = append(*h, node{at: at, e: e})
	h.up(len(*h) - 1)
}

// remove takes e, which must be in the heap, out of it.
func (h *heap) remove(e *entry) {
	s := *h
	i, last := int(e.pos)-1, len(s)-1
	moved := s[last]
	s[last] = node{}
	*h = s[:last]
	e.pos = 0
	if i == last {
		return
	}
	s[i] = moved
	if !h.down(i) {
		h.up(i)
	}
}

// up moves the node at i towards the root until its parent is not later.
func (h heap) up(i int) {
	n := h[i]
	for i > 0 {
		parent := (i - 1) / arity
		if h[parent].at <= n.at {
			break
		}
		h.place(i, h[parent])
		i = parent
	}
	h.place(i, n)
}

// down moves the node at i away from the root until no child is earlier, and reports whether it moved.
func (h heap) down(i int) bool {
	n, start := h[i], i
	for {
		first := i*arity + 1
		if first >= len(h) {
			break
		}
		least := first
		for j := first + 1; j < min(first+arity, len(h)); j++ {
			if h[j].at < h[least].at {
				least = j
			}
		}
		if n.at <= h[least].at {
			break
		}
		h.place(i, h[least])
		i = least
	}
	h.place(i, n)
	return i > start
}

func (h heap) place(i int, n node) {
	h[i] = n
	n.e.pos = int32(i + 1)
}

// build restores the heap after its keys have changed.
func (h heap) build() {
	for i := len(h)/arity + 1; i >= 0; i-- {
		if i < len(h) {
			h.down(i)
		}
	}
}
