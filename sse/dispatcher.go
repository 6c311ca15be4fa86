package sse

import (
	"context"
	"sync"
)

// dispatcher wakes the readers of topics that have changed, so that a publisher does not have to. One goroutine runs it.
type dispatcher struct {
	kick chan struct{} // of 1

	mu sync.Mutex // guards the field below; nothing is locked under it

	queue []*Topic
}

// add queues t, whose dirty flag the caller has set.
func (d *dispatcher) add(t *Topic) {
	d.mu.Lock()
	d.queue = append(d.queue, t)
	d.mu.Unlock()
	poke(d.kick)
}

func (d *dispatcher) run(ctx context.Context) {
	var topics []*Topic
	var watchers []*watcher
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.kick:
		}
		d.mu.Lock()
		topics, d.queue = d.queue, topics[:0]
		d.mu.Unlock()
		for _, t := range topics {
			// Cleared before the readers are told to look: a frame stored after they looked queues the topic again.
			t.dirty.Store(false)
			t.mu.Lock() // for the copy alone: a publisher waits some 10 µs for 10,000 readers, not for their wake-ups
			watchers = append(watchers[:0], t.watchers...)
			t.mu.Unlock()
			for _, w := range watchers {
				poke(w.wake)
			}
			clear(watchers)
		}
		clear(topics)
	}
}

// poke sends on a channel of 1 unless that is full: whoever receives has yet to look then, and will see everything.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
