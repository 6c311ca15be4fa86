// Package own lets a process read what it has written.
//
// A store may tell its followers late, so a topic of the hub, which a follower fills, may lag behind
// what this process has put into the store. [Store] remembers the newest state of each topic that
// the process has claimed. [Store.Latest] returns that, and the topic's newest event for all other
// topics. So a client that was answered with a state never reads an older one afterwards, and no
// answer waits for the store.
//
// The rule for users of this package: decisions and answers use Latest; streams, and code that only
// has to be woken by a change, use the topic. A topic changes after Latest does, so a reader that
// calls Latest whenever the topic has changed misses nothing.
package own

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// A Store is a [snapshot.Store] that remembers the newest state of each topic that is claimed through it. It keeps the
// data that the store and the topics share, and makes no copy. Its methods may be called from any goroutine. It owns no
// goroutine.
//
// Make one with [New].
type Store struct {
	inner   snapshot.Store
	maxData int                             // of inner
	written func(topic string, data []byte) // nil: nobody is told

	mu     sync.Mutex // guards the fields below; after all other locks, the store's included
	claims map[string]*claim
	ending int           // claims in the map that are finished
	news   chan struct{} // closed when a follower has heard of a claim; nil: nobody waits
	heard  chan struct{} // closed when ending has become 0; nil: nobody waits
}

// New returns a Store on inner.
func New(inner snapshot.Store) *Store {
	return &Store{inner: inner, maxData: inner.MaxData(), claims: make(map[string]*claim)}
}

// OnWrite has f told of each state that this process writes, in the order of each topic; those of a claim that is lost or over
// are none. f must neither block nor call the store. OnWrite is called before there are claims.
func (s *Store) OnWrite(f func(topic string, data []byte)) { s.written = f }

// tell tells of a state.
func (c *claim) tell(data []byte) {
	if c.of.written != nil && data != nil && !c.isLost() {
		c.of.written(c.topic, data)
	}
}

// A claim is one of this process that the follower has not heard the end of.
type claim struct {
	snapshot.Claim
	of    *Store
	topic string

	writing sync.Mutex // makes the order of what is remembered that of what is written; before all other locks

	// The fields below are guarded by Store.mu.

	n        uint64 // of the newest put, counted on from the entry that was claimed
	data     []byte // nil: nothing has been written
	told     uint64 // of the newest that a follower has heard of
	ended    bool   // what is put has no effect
	stored   bool   // data is the end, and the store has it
	released bool   // what is put has no effect
}

// Claim implements [snapshot.Store].
func (s *Store) Claim(
	ctx context.Context, topic string, opts snapshot.ClaimOptions,
) (snapshot.Claim, snapshot.Entry, error) {
	inner, entry, err := s.inner.Claim(ctx, topic, opts)
	if inner == nil || err != nil {
		return nil, entry, err
	}
	c := &claim{Claim: inner, of: s, topic: topic, n: entry.N, data: entry.Data}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked(s.claims[topic])
	s.claims[topic] = c
	return c, entry, nil
}

// Follow implements [snapshot.Store].
func (s *Store) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	return s.inner.Follow(ctx, fn, synced)
}

// Forget implements [snapshot.Store]. When it returns, a follower of ForHub has been told, so that Latest has nothing
// left of the run.
func (s *Store) Forget(ctx context.Context, topic, run string) error {
	return s.inner.Forget(ctx, topic, run)
}

// Sync implements [snapshot.Store].
func (s *Store) Sync(ctx context.Context) error { return s.inner.Sync(ctx) }

// MaxData implements [snapshot.Store].
func (s *Store) MaxData() int { return s.maxData }

// ForHub returns s for the one that brings the topics of the hub to what the store says: what it has heard is then read
// from the topics.
func (s *Store) ForHub() snapshot.Store { return forHub{s} }

type forHub struct{ *Store }

// Follow implements [snapshot.Store].
func (h forHub) Follow(ctx context.Context, fn func(snapshot.Entry), synced func()) error {
	s := h.Store
	return s.inner.Follow(ctx, func(e snapshot.Entry) {
		s.heardOf(e)
		fn(e)
		s.mu.Lock()
		defer s.mu.Unlock()
		if c := s.claims[e.Topic]; c != nil && (c.Run() != e.Run || e.State != snapshot.Live) {
			s.dropLocked(c) // from here on the topic is right
		}
	}, synced)
}

// heardOf takes note of an end before readers of the topic are told of it.
func (s *Store) heardOf(e snapshot.Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[e.Topic]
	if c == nil {
		return
	}
	if c.Run() == e.Run {
		if c.told = max(c.told, e.N); e.State == snapshot.Final {
			c.endsLocked(e.Data)
		}
	}
	if s.news != nil { // also that somebody else has the topic
		close(s.news)
		s.news = nil
	}
}

// Stored waits until what this process has written last of some topics is in the store, and survives the process if the store does.
// The error is [snapshot.ErrLost] if it may never be, as this process has no claim on one of them any more, or ctx's, or why a disk
// does not take it now. It needs a follower of ForHub.
func (s *Store) Stored(ctx context.Context, topics ...string) error {
	for _, topic := range topics {
		if err := s.heardOfLast(ctx, topic); err != nil {
			return err
		}
	}
	if disk, ok := s.inner.(interface{ Stored(context.Context) error }); ok {
		return disk.Stored(ctx)
	}
	return s.inner.Sync(ctx)
}

// heardOfLast waits until a follower has heard of what this process has written last of a topic.
func (s *Store) heardOfLast(ctx context.Context, topic string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[topic]
	if c == nil {
		return snapshot.ErrLost
	}
	for n := c.n; c.told < n; {
		if s.claims[topic] != c || c.isLost() {
			return snapshot.ErrLost
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if s.news == nil {
			s.news = make(chan struct{})
		}
		news := s.news
		s.mu.Unlock()
		select {
		case <-news:
		case <-c.Lost():
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
	return nil
}

// endsLocked takes note that the store has the end.
func (c *claim) endsLocked(data []byte) { c.stored, c.data = true, data }

// Latest returns the newest event of a topic: what this process has written last, if the topic is its own, or else what
// the topic holds. The ID names this state among all that Latest returns of the topic. Data must not be modified.
func (s *Store) Latest(topic *sse.Topic) (sse.Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.claims[topic.Name()]
	switch {
	case c == nil || c.data == nil || c.isLost():
		return topic.Latest()
	case c.stored:
		return sse.Event{ID: c.Run() + "-end", Data: c.data}, true
	}
	return sse.Event{ID: c.Run() + "-" + strconv.FormatUint(c.n, 10), Data: c.data}, true
}

// isLost reports whether somebody else may write the topic by now, so that the topic is right.
func (c *claim) isLost() bool {
	select {
	case <-c.Lost():
		return true
	default:
		return false
	}
}

// Heard waits until the topics have the ends of all claims that are finished, or until ctx ends.
func (s *Store) Heard(ctx context.Context) error {
	s.mu.Lock()
	if s.ending == 0 {
		s.mu.Unlock()
		return nil
	}
	if s.heard == nil {
		s.heard = make(chan struct{})
	}
	heard := s.heard
	s.mu.Unlock()
	select {
	case <-heard:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// dropLocked forgets a claim, if it is remembered.
func (s *Store) dropLocked(c *claim) {
	if c == nil || s.claims[c.topic] != c {
		return
	}
	delete(s.claims, c.topic)
	if c.ended {
		s.ending--
	}
	if s.ending == 0 && s.heard != nil {
		close(s.heard)
		s.heard = nil
	}
}

// Put implements [snapshot.Claim].
func (c *claim) Put(data []byte) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.of.mu.Lock()
	counts := !c.ended && !c.released && len(data) <= c.of.maxData
	if counts {
		c.n++
		c.data = data
	}
	c.of.mu.Unlock()
	if counts {
		c.tell(data)
	}
	c.Claim.Put(data)
}

// Finish implements [snapshot.Claim].
func (c *claim) Finish(ctx context.Context, data []byte, retention time.Duration) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	s := c.of
	s.mu.Lock()
	first := !c.ended && !c.released && s.claims[c.topic] == c && len(data) <= s.maxData
	if first {
		c.ended = true // before the store's: the follower may hear of it before that returns
		s.ending++
	}
	s.mu.Unlock()
	err := c.Claim.Finish(ctx, data, retention)
	if !first {
		return err
	}
	if err == nil && first && c.of.written != nil && data != nil {
		c.of.written(c.topic, data) // the claim is over, as it should be
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.dropLocked(c) // nobody will hear of it
		return err
	}
	c.endsLocked(data) // not before: a process that dies until now has not ended the run
	return nil
}

// Release implements [snapshot.Claim]. What was written last is remembered until the follower has heard of it.
func (c *claim) Release(ctx context.Context) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.of.mu.Lock()
	c.released = true
	c.of.mu.Unlock()
	return c.Claim.Release(ctx)
}
