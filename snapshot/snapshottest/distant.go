package snapshottest

import (
	"context"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// Distant returns a [snapshot.Store] that keeps its entries in store and whose followers get each change delay later,
// in order, as with a store on another machine. It promises no more than the contract does: Put, Finish and Release
// return before followers get their change, while Claim and Forget return after followers got the changes of the topic,
// which then overtake those of other topics that are still to come, and Sync after they got all. No entry is skipped.
// Code that passes its tests on Distant does not rely on followers being called at once.
//
// A Distant owns one goroutine for each Follow, which ends with it. It works in a [testing/synctest] bubble.
func Distant(store snapshot.Store, delay time.Duration) snapshot.Store {
	return &distant{Store: store, delay: delay, backlogs: make(map[*backlog]struct{})}
}

type distant struct {
	snapshot.Store
	delay time.Duration

	mu       sync.Mutex // guards the field below
	backlogs map[*backlog]struct{}
}

// Claim implements [snapshot.Store].
func (d *distant) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	claim, entry, err := d.Store.Claim(ctx, topic, opts)
	if err != nil {
		return nil, snapshot.Entry{}, err
	}
	d.deliverTopic(topic)
	return claim, entry, nil
}

// Forget implements [snapshot.Store].
func (d *distant) Forget(ctx context.Context, topic, run string) error {
	if err := d.Store.Forget(ctx, topic, run); err != nil {
		return err
	}
	d.deliverTopic(topic)
	return nil
}

// Sync implements [snapshot.Store].
func (d *distant) Sync(ctx context.Context) error {
	if err := d.Store.Sync(ctx); err != nil {
		return err
	}
	d.deliver(func(b *backlog) { b.deliver(func(snapshot.Entry) bool { return true }) })
	return nil
}

// deliverTopic has all followers get the waiting entries of a topic now.
func (d *distant) deliverTopic(topic string) {
	d.deliver(func(b *backlog) { b.deliver(func(e snapshot.Entry) bool { return e.Topic == topic }) })
}

// deliver calls f for the backlog of each follower.
func (d *distant) deliver(f func(*backlog)) {
	d.mu.Lock()
	backlogs := make([]*backlog, 0, len(d.backlogs))
	for b := range d.backlogs {
		backlogs = append(backlogs, b)
	}
	d.mu.Unlock()
	for _, b := range backlogs {
		f(b)
	}
}

// Follow implements [snapshot.Store].
func (d *distant) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	b := &backlog{delay: d.delay, fn: fn, arrived: make(chan struct{}, 1)}
	d.mu.Lock()
	d.backlogs[b] = struct{}{}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.backlogs, b)
	}()
	defer b.cut()
	over := make(chan error, 1)
	go func() { over <- d.Store.Follow(ctx, b.hear, func() { b.open(synced) }) }()
	for {
		select {
		case err := <-over:
			return err
		case <-b.arrived:
		case <-b.deliverDue():
		}
	}
}

// A backlog holds the changes that a follower has not got yet.
type backlog struct {
	delay   time.Duration
	fn      func(snapshot.Entry)
	arrived chan struct{} // of 1: an entry is waiting

	delivering sync.Mutex // held while fn is called; before mu
	isCut      bool       // fn is not called any more; guarded by delivering

	mu      sync.Mutex // guards the fields below; nothing is locked under it
	opened  bool       // the current entries have been delivered
	waiting []late
}

// late is an entry that is not due yet.
type late struct {
	snapshot.Entry
	due time.Time
}

// open ends the replay of the current entries, which are delivered without delay.
func (b *backlog) open(synced func()) {
	if synced != nil {
		synced()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.opened = true
}

// hear is called by the store itself, within its locks.
func (b *backlog) hear(e snapshot.Entry) {
	b.mu.Lock()
	opened := b.opened
	if opened {
		b.waiting = append(b.waiting, late{e, time.Now().Add(b.delay)})
	}
	b.mu.Unlock()
	if !opened {
		b.fn(e)
		return
	}
	select {
	case b.arrived <- struct{}{}:
	default:
	}
}

// deliverDue delivers the entries that are due, and returns a channel that fires when the next one is: never if none
// waits.
func (b *backlog) deliverDue() <-chan time.Time {
	b.delivering.Lock()
	defer b.delivering.Unlock()
	for {
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.mu.Unlock()
			return nil
		}
		next := b.waiting[0]
		if left := time.Until(next.due); left > 0 {
			b.mu.Unlock()
			return time.After(left)
		}
		b.waiting[0] = late{} // what was delivered is not kept
		if b.waiting = b.waiting[1:]; len(b.waiting) == 0 {
			b.waiting = nil
		}
		b.mu.Unlock()
		b.deliverLocked(next.Entry)
	}
}

// deliver delivers the waiting entries that match now.
func (b *backlog) deliver(match func(snapshot.Entry) bool) {
	b.delivering.Lock()
	defer b.delivering.Unlock()
	b.mu.Lock()
	var now, rest []late
	for _, e := range b.waiting {
		if match(e.Entry) {
			now = append(now, e)
		} else {
			rest = append(rest, e)
		}
	}
	b.waiting = rest
	b.mu.Unlock()
	for _, e := range now {
		b.deliverLocked(e.Entry)
	}
}

func (b *backlog) deliverLocked(e snapshot.Entry) {
	if !b.isCut {
		b.fn(e)
	}
}

// cut ends the calls of fn.
func (b *backlog) cut() {
	b.delivering.Lock()
	defer b.delivering.Unlock()
	b.isCut = true
}
