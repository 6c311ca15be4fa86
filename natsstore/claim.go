package natsstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// claim implements [snapshot.Claim]. It has a goroutine while there is something to write, which has one request in
// flight; what is put meanwhile is written after that, the newest only.
type claim struct {
	s     *Store
	se    *session
	key   string
	topic string
	run   string
	gone  chan struct{} // closed when the claim is lost
	kick  chan struct{} // of 1: ends the pause of the writer

	mu sync.Mutex // guards the fields below; after mirror.mu

	n       uint64
	data    []byte
	dirty   bool // n and data have not been written
	writing bool // the goroutine runs
	lost    bool
	end     *ending // by Finish or Release; nil while there is none
	rev     uint64  // what the stream has; only the writer changes it
	last    time.Time
}

// ending is the end of a claim.
type ending struct {
	state snapshot.State // Final, Gone (without retention) or Orphan
	ttl   string
	done  chan struct{} // closed when it is written or cannot be
	err   error         // of that
}

// Run implements [snapshot.Claim].
func (c *claim) Run() string { return c.run }

// Lost implements [snapshot.Claim].
func (c *claim) Lost() <-chan struct{} { return c.gone }

// Put implements [snapshot.Claim].
func (c *claim) Put(data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.end != nil || c.lost || len(data) > c.s.opts.MaxData {
		return
	}
	c.n++
	c.data = data
	c.dirty = true
	c.startLocked()
}

// Finish implements [snapshot.Claim]. If ctx ends before the end is stored, it is still written as long as the lease
// lasts.
func (c *claim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	e := &ending{state: snapshot.Final, ttl: ttlOf(retention)}
	if retention <= 0 {
		e.state, e.ttl = snapshot.Gone, ttlOf(markerTTL)
	}
	c.mu.Lock()
	err := c.writableLocked()
	if err == nil && len(data) > c.s.opts.MaxData {
		err = fmt.Errorf("natsstore: finish %.100q: %d bytes of data, want at most %d", c.topic, len(data), c.s.opts.MaxData)
	}
	if err == nil {
		c.n++
		c.data = data
		c.endLocked(e)
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.wait(ctx, e, "finish")
}

// Release implements [snapshot.Claim].
func (c *claim) Release(ctx context.Context) error {
	e := &ending{state: snapshot.Orphan}
	c.mu.Lock()
	err := c.writableLocked()
	if err == nil {
		c.endLocked(e)
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.wait(ctx, e, "release")
}

// writableLocked returns why the claim can no longer write, nil if it can.
func (c *claim) writableLocked() error {
	switch {
	case c.end != nil && c.end.state != snapshot.Orphan && !c.lost:
		return fmt.Errorf("%w: run %s of %.100q", snapshot.ErrOver, c.run, c.topic)
	case c.end != nil || c.lost:
		return fmt.Errorf("%w: run %s of %.100q", snapshot.ErrLost, c.run, c.topic)
	}
	return nil
}

// endLocked has the writer write an end.
func (c *claim) endLocked(e *ending) {
	e.done = make(chan struct{})
	c.end = e
	c.startLocked()
	c.hurry()
}

// wait waits until an end is written.
func (c *claim) wait(ctx context.Context, e *ending, what string) error {
	select {
	case <-e.done:
		return e.err
	case <-ctx.Done():
		return fmt.Errorf("natsstore: %s %.100q: it is not known to be stored yet: %w", what, c.topic, c.s.because(ctx))
	}
}

// startLocked starts the writer unless it runs.
func (c *claim) startLocked() {
	if !c.writing {
		c.writing = true
		c.s.work(1)
		go c.write()
	}
}

// hurry ends the pause of the writer.
func (c *claim) hurry() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// lose ends the claim: it writes nothing any more. It may be called with mirror.mu held.
func (c *claim) lose() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.lost && (c.end == nil || !c.end.isDone()) {
		c.lost = true
		close(c.gone)
		c.hurry()
	}
}

func (e *ending) isDone() bool { return isClosed(e.done) }

// write writes until there is nothing left to be written.
func (c *claim) write() {
	defer c.s.work(-1)
	for {
		r, e, wait := c.take()
		switch {
		case wait > 0:
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-c.kick:
			case <-c.s.ending: // Close waits for the newest data
			}
			t.Stop()
			continue
		case r == nil:
			return
		}
		w := c.s.message(c.key, c.rev, r)
		if e != nil {
			w.ttl = e.ttl
		}
		w.once = true
		rev, err := c.s.write(c.se.ctx, c.se.ctx, w, false)
		if errors.As(err, new(notStored)) {
			c.mu.Lock()
			c.dirty, c.last = true, time.Time{}
			c.mu.Unlock()
			continue
		}
		if err == nil {
			err = c.s.mirror.written(c, rev, *r, e)
		}
		if err != nil {
			c.s.mirror.drop(c)
			c.lose()
			continue
		}
		c.mu.Lock()
		c.rev = rev
		c.mu.Unlock()
	}
}

// take returns what is to be written next: nothing, or nothing yet, or a record, with the end if it is one.
func (c *claim) take() (r *record, e *ending, wait time.Duration) {
	valid := c.s.mirror.current() == c.se
	c.mu.Lock()
	defer c.mu.Unlock()
	if !valid && !c.lost && (c.end == nil || !c.end.isDone()) {
		c.lost = true
		close(c.gone)
	}
	switch {
	case c.lost || c.end != nil && c.end.isDone() || c.end == nil && !c.dirty:
		c.writing = false
		if c.end != nil && !c.end.isDone() {
			c.end.err = fmt.Errorf("%w: run %s of %.100q", snapshot.ErrLost, c.run, c.topic)
			close(c.end.done)
		}
		return nil, nil, 0
	case c.end == nil:
		if wait := c.s.opts.Pace - time.Since(c.last); wait > 0 && !isClosed(c.s.ending) {
			return nil, nil, wait
		}
	}
	r = &record{
		Entry: snapshot.Entry{Topic: c.topic, Run: c.run, N: c.n, State: snapshot.Live, Data: c.data},
		owner: c.se.owner,
	}
	if c.end != nil {
		r.State = c.end.state
	}
	c.dirty = false
	c.last = time.Now()
	return r, c.end, 0
}

// written tells the followers what a claim has written, unless its session has ended meanwhile.
func (m *mirror) written(c *claim, rev uint64, r record, e *ending) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != c.se {
		return errLeaseLost
	}
	if e != nil {
		delete(m.session.claims, c.key)
	}
	m.applyLocked(rev, c.key, r)
	if e == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		return errLeaseLost
	}
	close(e.done)
	return nil
}

// drop forgets a claim that is lost.
func (m *mirror) drop(c *claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.session; s != nil && s.claims[c.key] == c {
		delete(s.claims, c.key)
	}
}
