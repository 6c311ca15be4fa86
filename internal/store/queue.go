package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
)

const (
	// batchWithin is how long an op of soon waits for others to share its transaction.
	batchWithin = 50 * time.Millisecond
	// maxBatch is how many ops share a transaction, so that one that fails is repeated in little time.
	maxBatch = 1000
	// maxWaiting is how many ops wait while the disk fails: about half a minute of a thousand polls each second.
	maxWaiting = 32_000
	// stalledAfter is how long a transaction may take before the disk counts as one that does not answer.
	stalledAfter = 5 * time.Second
)

var (
	errClosed  = errors.New("it is closed")
	errFull    = errors.New("too much waits to be written")
	errStalled = errors.New("the disk has not answered for " + clock.Words(stalledAfter))
)

// op is something to be written.
type op struct {
	run  func(*tx) error
	full bool         // must be on disk when done is told
	done chan<- error // has room; nil: nobody waits
}

// queue holds the ops that are to be written, and knows whether the disk takes them.
type queue struct {
	wake chan struct{} // has room for one: the goroutine that writes has something to do at once

	mu sync.Mutex // guards the fields below; nothing else is locked, read or written under it

	waiting []op
	batch   []op        // those of the transaction at work, or of the one that failed; all but done is of the goroutine that writes
	round   uint64      // counts what the disk is asked for
	timer   *time.Timer // wakes batchWithin after the first op of soon; nil until first needed
	armed   bool        // it runs
	failing error       // why nothing can be written now
	since   time.Time   // when that began
	dropped uint64      // ops that found no room, or were wrong by themselves
	lacks   bool        // some found none since lacksOps was last called
	closed  bool
}

// soon has op run with the next transaction, within 50 ms. It never blocks. What it writes survives the process as soon as
// that transaction is over, and a failure of the power some seconds later. While the disk fails, ops wait; if too many do,
// op is dropped and counted. An op that is wrong by itself is logged and dropped alone.
func (d *Dir) soon(run func(*tx) error) { d.queue.add(op{run: run}, false) }

// soonOf is soon of an op that does what take returns when the op runs first: after a failure it runs again, and does the same.
func (d *Dir) soonOf(take func() (write func(*tx) error)) {
	var write func(*tx) error
	d.soon(func(t *tx) error {
		if write == nil {
			write = take()
		}
		return write(t)
	})
}

// now has op run at once, and returns nil when what it wrote is on disk. Others that call it meanwhile share one
// transaction. An error that op has caused is returned, and op is dropped.
//
// If the disk fails, or does not answer for 5 s, now returns that, and returns at once until the disk works again; so it
// does when ctx ends. op still waits then, and is written as soon as that is possible.
func (d *Dir) now(ctx context.Context, run func(*tx) error) error {
	done := make(chan error, 1)
	d.queue.add(op{run: run, full: true, done: done}, true)
	if err := wait(ctx, done); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// wait returns what is told, or why ctx has ended before.
func wait(ctx context.Context, done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// add queues an op. With atOnce it does not wait for others.
func (q *queue) add(o op, atOnce bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		o.tell(errClosed)
		return
	case len(q.waiting) >= maxWaiting && o.done == nil, len(q.waiting) >= 2*maxWaiting:
		q.dropped++
		q.lacks = true
		err := q.failing
		if err == nil { // the disk is slower than what comes
			err = errFull
		}
		o.tell(err)
		return
	}
	if q.failing != nil {
		o.tell(q.failing)
		o.done = nil
	}
	q.waiting = append(q.waiting, o)
	switch {
	case q.failing != nil: // it is tried again once a second
	case atOnce || len(q.waiting) >= maxBatch:
		q.wakeUp()
	case q.armed:
	case q.timer == nil:
		q.armed = true
		q.timer = time.AfterFunc(batchWithin, q.wakeUp)
	default:
		q.armed = true
		q.timer.Reset(batchWithin)
	}
}

// tell tells whoever waits for the op.
func (o *op) tell(err error) {
	if o.done != nil {
		o.done <- err
	}
}

func (q *queue) wakeUp() {
	select {
	case q.wake <- struct{}{}:
	default: // it has not woken up from the last one
	}
}

// take adds the oldest ops that wait to the batch, and returns it with the number of its transaction.
func (q *queue) take() ([]op, uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed = false
	n := min(len(q.waiting), maxBatch-len(q.batch))
	q.batch = append(q.batch, q.waiting[:n]...)
	rest := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[rest:])
	q.waiting = q.waiting[:rest]
	q.round++
	return q.batch, q.round
}

// next ends what could be said of the round before, and returns the number of the next one.
func (q *queue) next() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.round++
	return q.round
}

// written ends a transaction that the disk took. errs has the errors of the ops that were wrong by themselves, nil if none
// was, of which it returns those that nobody was told, and since when the disk had failed, zero if it had not.
func (q *queue) written(errs []error) (untold []error, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.batch {
		var err error
		if errs != nil && errs[i] != nil {
			err = errs[i]
			q.dropped++
		}
		if err != nil && q.batch[i].done == nil {
			untold = append(untold, err)
		}
		q.batch[i].tell(err)
	}
	clear(q.batch)
	q.batch = q.batch[:0]
	q.round++
	return untold, q.worksLocked()
}

// fail notes why nothing can be written now, and tells all that wait. It reports whether that is new. It does nothing if
// round is not 0 and that one is over.
func (q *queue) fail(round uint64, err error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if round != 0 && round != q.round {
		return false
	}
	isNew := q.failing == nil
	if isNew {
		q.since = time.Now()
	}
	q.failing = err
	for _, ops := range [][]op{q.batch, q.waiting} {
		for i := range ops {
			ops[i].tell(err)
			ops[i].done = nil
		}
	}
	return isNew
}

// lacksOps reports whether ops found no room since it was called last.
func (q *queue) lacksOps() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	lacks := q.lacks
	q.lacks = false
	return lacks
}

// works notes that the disk takes what is written. It returns since when it had not, zero if it had.
func (q *queue) works() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.worksLocked()
}

func (q *queue) worksLocked() (since time.Time) {
	since, q.since, q.failing = q.since, time.Time{}, nil
	return since
}

// close has later ops dropped.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
}

// Failing returns why nothing can be written now, and since when; nil if the last transaction was written.
func (d *Dir) Failing() (since time.Time, err error) {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	return d.queue.since, d.queue.failing
}

// Dropped returns how many records were not stored because the disk failed for too long, or because they were wrong.
func (d *Dir) Dropped() uint64 {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	return d.queue.dropped
}
