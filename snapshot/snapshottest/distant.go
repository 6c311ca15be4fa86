package snapshottest

import (
	"context"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// Distant returns a [snapshot.Store] that keeps its entries in store and whose followers hear of each change delay
// later, in order, as they do from a store that is on another machine. It takes all the time that the contract allows
// and makes no other promise than that: Put and Finish return long before a follower has heard of them, while Claim
// returns after the followers have been told of its topic, and then ahead of what they are still to hear of other
// topics. No entry is skipped. Code that passes its tests on it does not rely on followers that are told at once.
//
// A Distant owns one goroutine for each Follow, which ends with that. It works in a [testing/synctest] bubble.
func Distant(store snapshot.Store, delay time.Duration) snapshot.Store {
	return &distant{Store: store, delay: delay, lines: make(map[*line]struct{})}
}

type distant struct {
	snapshot.Store
	delay time.Duration

	mu    sync.Mutex // guards the field below
	lines map[*line]struct{}
}

// Claim implements [snapshot.Store].
func (d *distant) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	claim, entry, err := d.Store.Claim(ctx, topic, opts)
	if err != nil {
		return nil, snapshot.Entry{}, err
	}
	d.mu.Lock()
	lines := make([]*line, 0, len(d.lines))
	for l := range d.lines {
		lines = append(lines, l)
	}
	d.mu.Unlock()
	for _, l := range lines {
		l.tellOf(topic)
	}
	return claim, entry, nil
}

// Follow implements [snapshot.Store].
func (d *distant) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	l := &line{delay: d.delay, fn: fn, arrived: make(chan struct{}, 1)}
	d.mu.Lock()
	d.lines[l] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.lines, l)
	}()
	defer l.cut()
	over := make(chan error, 1)
	go func() { over <- d.Store.Follow(ctx, l.hear, func() { l.open(synced) }) }()
	for {
		select {
		case err := <-over:
			return err
		case <-l.arrived:
		case <-l.tellDue():
		}
	}
}

// A line is what a follower is still to hear.
type line struct {
	delay   time.Duration
	fn      func(snapshot.Entry)
	arrived chan struct{} // of 1: something is waiting

	telling sync.Mutex // held while fn is called; before mu
	isCut   bool       // fn is not called any more; guarded by telling

	mu      sync.Mutex // guards the fields below; nothing is locked under it
	opened  bool       // the current entries have been told
	waiting []late
}

// late is an entry that waits for its time.
type late struct {
	snapshot.Entry
	due time.Time
}

// open ends the replay of the current entries, which are told as they come.
func (l *line) open(synced func()) {
	if synced != nil {
		synced()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = true
}

// hear is told by the store itself, within its locks.
func (l *line) hear(e snapshot.Entry) {
	l.mu.Lock()
	opened := l.opened
	if opened {
		l.waiting = append(l.waiting, late{e, time.Now().Add(l.delay)})
	}
	l.mu.Unlock()
	if !opened {
		l.fn(e)
		return
	}
	select {
	case l.arrived <- struct{}{}:
	default:
	}
}

// tellDue tells what is due, and returns what fires when the next entry is: never if none waits.
func (l *line) tellDue() <-chan time.Time {
	l.telling.Lock()
	defer l.telling.Unlock()
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.mu.Unlock()
			return nil
		}
		next := l.waiting[0]
		if left := time.Until(next.due); left > 0 {
			l.mu.Unlock()
			return time.After(left)
		}
		l.waiting = l.waiting[1:]
		l.mu.Unlock()
		l.tellLocked(next.Entry)
	}
}

// tellOf tells now what waits of a topic.
func (l *line) tellOf(topic string) {
	l.telling.Lock()
	defer l.telling.Unlock()
	l.mu.Lock()
	var now, rest []late
	for _, e := range l.waiting {
		if e.Topic == topic {
			now = append(now, e)
		} else {
			rest = append(rest, e)
		}
	}
	l.waiting = rest
	l.mu.Unlock()
	for _, e := range now {
		l.tellLocked(e.Entry)
	}
}

func (l *line) tellLocked(e snapshot.Entry) {
	if !l.isCut {
		l.fn(e)
	}
}

// cut ends the calls of fn.
func (l *line) cut() {
	l.telling.Lock()
	defer l.telling.Unlock()
	l.isCut = true
}
