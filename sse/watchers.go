package sse

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"math/bits"
	"sync"
	"sync/atomic"
)

// shares are the watchers of a topic: one share a dispatcher.
type shares struct {
	queued  [maxDispatchers]atomic.Uint64 // the round for which the share's dispatcher has it queued
	again   [maxDispatchers]atomic.Uint32 // how often it was published while it was queued
	readers atomic.Int32                  // how many watchers are streams or a Watch; written under mu

	// mu guards the fields below. Publishers never take it: however many readers come and leave at once, they do not
	// hold up what is published. After Topic.mu, and nothing is locked under it.
	mu sync.Mutex

	watchers [maxDispatchers][]*watcher
	streams  int                   // how many of all watchers are streams
	eager    [maxDispatchers]int32 // how many have no pause
	told     bool                  // the argument of the last call of OnWatched
	telling  bool                  // a goroutine is calling OnWatched
}

// watcher is one reader's place in a topic's list, or that of a function which is called when there is something to
// read.
type watcher struct {
	wake   chan struct{} // of 1
	call   func()        // of OnPublish; nil for a reader
	stream *stream       // nil for a Watch
	many   *multiplexed  // of stream, if it has many topics
	index  int32         // of the topic in many
	share  int32
	pos    int32 // in its share; guarded by shares.mu

	stopped atomic.Bool // call is not called any more
}

// eager reports whether w has to be woken at once: it is none of a stream that may rest.
func (w *watcher) eager() bool { return w.stream == nil || w.stream.pause == nil }

// Why attach can fail.
var (
	errUnlisted = errors.New("the topic has left the hub")
	errFull     = errors.New("the topic has reached its limit of streams")
)

// attach puts w into the topic's list, before the reader loads any frame: what is published from now on wakes it.
func (t *Topic) attach(w *watcher) error {
	if err := t.tryAttach(w); err != nil {
		return err
	}
	t.tellWatched()
	return nil
}

func (t *Topic) tryAttach(w *watcher) error {
	s := t.readers()
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.life.Load() == topicGone {
		return errUnlisted
	}
	if w.stream != nil {
		if most := t.hub.opts.MaxStreamsPerTopic; most > 0 && s.streams >= most {
			return errFull
		}
		s.streams++
	}
	if w.call == nil {
		s.readers.Add(1)
	}
	share := &s.watchers[w.share]
	w.pos = int32(len(*share))
	*share = append(*share, w)
	if w.eager() {
		s.eager[w.share]++
		t.eager.Or(1 << w.share)
	}
	t.watched.Or(1 << w.share)
	return nil
}

// readers returns t's shares, and makes them first if nobody has watched it yet.
func (t *Topic) readers() *shares {
	if s := t.shares.Load(); s != nil {
		return s
	}
	t.shares.CompareAndSwap(nil, new(shares))
	return t.shares.Load()
}

// detach undoes attach, and takes a removed topic out of the hub when the last one leaves.
func (t *Topic) detach(w *watcher) {
	s := t.shares.Load()
	s.mu.Lock()
	share := s.watchers[w.share]
	last := len(share) - 1
	share[w.pos] = share[last]
	share[w.pos].pos = w.pos
	share[last] = nil
	s.watchers[w.share] = share[:last]
	if last == 0 {
		s.watchers[w.share] = nil
		t.watched.And(^(uint32(1) << w.share))
	}
	if w.eager() {
		if s.eager[w.share]--; s.eager[w.share] == 0 {
			t.eager.And(^(uint32(1) << w.share))
		}
	}
	if w.stream != nil {
		s.streams--
	}
	if w.call == nil {
		s.readers.Add(-1)
	}
	s.mu.Unlock()
	t.tellWatched()
	t.leaveIfUnwatched()
}

// tellWatched calls OnWatched until it has been told how things are. One goroutine at a time does, the others leave it
// to that one. Only then a removed topic leaves the hub: whoever comes later has another Topic call OnWatched.
func (t *Topic) tellWatched() {
	if t.onWatched == nil {
		return
	}
	defer t.leaveIfUnwatched()
	s := t.shares.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling {
		return
	}
	s.telling = true
	defer func() { s.telling = false }() // also when OnWatched ends the goroutine
	for s.told != t.isRead() {
		s.told = !s.told
		t.callOnWatched(s, s.told)
	}
}

// callOnWatched calls OnWatched with the lock of s released.
func (t *Topic) callOnWatched(s *shares, watched bool) {
	s.mu.Unlock()
	defer s.mu.Lock()
	defer contain(t.hub.opts.Logger, "TopicOptions.OnWatched")
	t.onWatched(watched)
}

// isRead reports whether there is a reader in the topic's list.
func (t *Topic) isRead() bool { return t.watched.Load() != 0 && t.shares.Load().readers.Load() > 0 }

// OnPublish has f called whenever the topic may have changed, until stop is called: after [Topic.Publish],
// [Topic.Close], [Topic.Open] and [Topic.Remove], and not for what was published before. Changes that follow one
// another quickly may be one call; none comes without a call after it. Calls never overlap. They are made on a
// goroutine of the hub's, which serves readers as well, so f must not block; a panic in it is logged. One call may be
// on its way when stop is called. stop may be called twice.
//
// It is for work that depends on the topic, and that is no reader: it does not count for [Topic.Watched],
// [TopicOptions].OnWatched and the limits of the hub. Like a reader it keeps a topic that is removed in the hub. It
// costs no goroutine.
func (t *Topic) OnPublish(f func()) (stop func()) {
	w := &watcher{call: f, share: int32(t.hub.nextDispatcher().share)}
	for t.attach(w) != nil {
		t = t.revive()
	}
	return sync.OnceFunc(func() {
		w.stopped.Store(true)
		t.detach(w)
	})
}

// publishedTo calls the function of OnPublish.
func (w *watcher) publishedTo(log *slog.Logger) {
	if w.stopped.Load() {
		return
	}
	defer contain(log, "Topic.OnPublish")
	w.call()
}

// Watch returns the topic's events in process: the newest at once, then each change, of which a slow caller sees only
// the latest (with a Backlog, see [TopicOptions], those that it still finds). Like a stream of [Hub.Serve] it belongs
// to the run that is current when the loop begins, and ends after the run's terminal, when the run is removed, and with
// ctx or the hub. Data must not be modified.
func (t *Topic) Watch(ctx context.Context) iter.Seq[Event] { return t.watch(ctx, "") }

// WatchRun is [Topic.Watch] for the run of that name: if it is not the topic's current one when the loop begins, the loop
// ends without an event. It panics if run is not a name as for [Topic.Open].
func (t *Topic) WatchRun(ctx context.Context, run string) iter.Seq[Event] {
	mustBeRun("WatchRun", run)
	return t.watch(ctx, run)
}

// watch yields the events of the run named only, or of whichever is current, and may come, if that is "".
func (t *Topic) watch(ctx context.Context, only string) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		t, w := t.resolve(), &watcher{wake: make(chan struct{}, 1), share: int32(t.hub.nextDispatcher().share)}
		for t.attach(w) != nil {
			if only != "" {
				return // the topic has left the hub, which takes that it has no run
			}
			t = t.revive()
		}
		defer t.detach(w)
		current := t.current.Load()
		if only != "" && current.name != only {
			return
		}
		c, _ := t.cursorAt(current, "")
		var b batch
		for {
			b.reset()
			last := c.due(&b)
			for _, f := range b.events {
				if f.missed > 0 && !yield(gapEvent(f.missed)) || !yield(f.event()) {
					return
				}
			}
			if last {
				return
			}
			switch {
			case ctx.Err() != nil || t.hub.ctx.Err() != nil:
				return
			case b.more:
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-t.hub.ctx.Done():
				return
			case <-w.wake:
			}
		}
	}
}

// wakeWatchers has the dispatchers wake everyone who watches t.
func (t *Topic) wakeWatchers() {
	for shares := t.watched.Load(); shares != 0; shares &= shares - 1 {
		t.hub.dispatchers[bits.TrailingZeros32(shares)].addTopic(t)
	}
}
