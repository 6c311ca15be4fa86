package sse

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned by [Topic.Publish] and [Topic.Close] when the topic's run has had its terminal.
var ErrClosed = errors.New("sse: the topic's run is closed")

// ErrGone is returned by [Hub.Serve] for a topic that was removed and has not been opened or published to since.
// [ServeGone] is the first half of a good answer.
var ErrGone = errors.New("sse: the topic was removed")

// TopicOptions configure a [Topic] at its creation. The zero value is the default.
type TopicOptions struct {
	// Backlog is how many of its newest events the topic keeps for readers that are behind, for events that are not
	// snapshots. 0 and 1 mean the newest only. It keeps fewer if they come to more than 4 MiB. A reader that is further
	// behind gets an event named gap, whose data is the number of events that it missed, and then the oldest one kept. A
	// reader that comes anew begins with the newest event; one that returns with an id, own ids of the application
	// included, goes on after that, or with a gap if the id is not kept, whose data is empty if the number is not known.
	Backlog int
	// OnWatched, if not nil, is called with true when somebody begins to watch the topic (a stream or a [Topic.Watch]),
	// and with false when nobody does any more. Calls never overlap and alternate; a change that is undone while an
	// earlier call lasts is not told. It is called on the goroutine of one of the readers, with no lock held. If it panics,
	// that is logged and the reader goes on.
	OnWatched func(watched bool)
	// KeepData promises that the Data of an event is not modified after it was published. The topic then keeps it as it
	// is, which others may share, and encodes it when somebody reads it; otherwise it keeps a copy.
	KeepData bool
}

// Topic is a named place that keeps its newest event, encoded, for any number of readers. [Hub.Topic] makes one. All
// methods may be called from any goroutine, and none waits for a reader.
//
// What is published between Open and Close is a run, and the runs of a topic follow one another. A stream made by
// [Hub.Serve] belongs to one run; it gets that run's terminal even if the next one has begun meanwhile. A run that is
// replaced before its end hands its streams on to the next one.
//
// A handle names the topic: it stays good when the topic was removed and came back.
type Topic struct {
	hub  *Hub
	name string

	// The options.
	onWatched func(watched bool)
	backlog   int32
	keepData  bool

	current atomic.Pointer[run] // written under mu
	watched atomic.Uint32       // bit i: share i has watchers; written under mu
	gone    atomic.Bool         // has left the hub; written under Hub.mu and mu
	shares  *shares             // made for the first watcher, before watched has a bit: most topics have none at a time

	mu sync.Mutex // guards the fields below; after Hub.mu, before Hub.seqMu

	removed bool // by Remove, and not opened since
	told    bool // what OnWatched was told last
	telling bool // somebody is calling OnWatched
}

// shares are the watchers of a topic: one share a dispatcher, which reads it under Topic.mu.
type shares struct {
	dirty    [maxDispatchers]atomic.Bool // in the queue of the share's dispatcher
	watchers [maxDispatchers][]*watcher  // guarded by Topic.mu
	streams  int                         // how many of all watchers are streams; guarded by Topic.mu
}

// watcher is one reader's place in a topic's list.
type watcher struct {
	wake   chan struct{} // of 1
	stream *stream       // nil for a Watch
	many   *multiplexed  // of stream, if it has many topics
	index  int32         // of the topic in many
	share  int32
	pos    int // in its share; guarded by Topic.mu
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Open starts a run that has no event yet: streams get the head and heartbeats until there is one. What was published
// before is forgotten, though the streams of an ended run still get its terminal. Open does nothing if run is the
// current one. A run's name is 1 to 40 ASCII letters and digits; another panics.
func (t *Topic) Open(run string) {
	mustBeRun("Open", run)
	t = t.lockCurrent()
	t.openLocked(run)
	t.mu.Unlock()
	t.wakeWatchers()
}

func mustBeRun(method, run string) {
	if !validRun(run) {
		panic(fmt.Sprintf("sse: Topic.%s(%q): a run's name is 1 to 40 ASCII letters and digits", method, run))
	}
}

// Publish makes ev the topic's newest event and returns without waiting for any reader. The caller may reuse ev.Data, unless
// [TopicOptions].KeepData says that it does not.
//
// An event without ID gets `<run>-<n>`, n counting from 1, in the current run, or in a new one of a random name if there
// is none. An ID stands as it is. One of the form `<run>-<n>` has the count go on after its n, so that no id is given twice;
// one of that form or `<run>-end` with the name of another run than the current one first resets the topic as
// [Topic.Open] does.
//
// It fails with [ErrClosed] after Close, and if ID or Name cannot be encoded (see [Event.AppendTo]); then nothing
// changes.
func (t *Topic) Publish(ev Event) error { return t.publish(ev, false) }

// Close publishes last as the terminal of the topic's run, after which single-topic streams end. An event without ID
// gets `<run>-end`; a client that returns with the terminal's id gets 204 No Content. IDs otherwise count as in
// [Topic.Publish]. The first terminal of a run counts, later ones fail with [ErrClosed].
func (t *Topic) Close(last Event) error { return t.publish(last, true) }

func (t *Topic) publish(ev Event, end bool) error {
	if err := ev.check(); err != nil {
		return err
	}
	t = t.lockCurrent()
	run := runOf(ev.ID)
	if run == "" {
		run = t.Run()
	}
	if run == "" {
		run = rand.Text()[:16]
	}
	t.openLocked(run)
	err := t.storeLocked(ev, end)
	t.mu.Unlock()
	return err
}

// Restore begins a run with a log that was kept before (see [Topic.Kept]), so that readers of an earlier process go on where
// they were: events, oldest first, of which the topic keeps what its Backlog holds, and next, the number of the next id
// that the topic gives. Events without ID get the numbers before next.
//
// It fails, and changes nothing, if an event cannot be encoded, or if run is the current one and has events. A run's
// name is as for [Topic.Open]; another panics.
func (t *Topic) Restore(run string, next uint64, events []Event) error {
	mustBeRun("Restore", run)
	for _, ev := range events {
		if err := ev.check(); err != nil {
			return err
		}
	}
	t = t.lockCurrent()
	r := t.current.Load()
	if r.name == run && r.newest.Load() != nil {
		t.mu.Unlock()
		return fmt.Errorf("sse: restore topic %q: run %q has events already", t.name, run)
	}
	t.openLocked(run)
	r = t.current.Load()
	r.last = max(next, uint64(len(events))+1) - 1 - uint64(len(events))
	for _, ev := range events {
		_ = t.storeLocked(ev, false) // fails in a run that has ended alone
	}
	r.last = max(r.last, max(next, 1)-1)
	t.mu.Unlock()
	t.wakeWatchers()
	return nil
}

// Kept returns what [Topic.Restore] takes: the current run's name, the number of the next id that the topic gives, and the
// events that it keeps with their IDs, oldest first. Their Data must not be modified. Without a run it returns "".
func (t *Topic) Kept() (run string, next uint64, events []Event) {
	t = t.resolve()
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.current.Load()
	newest := r.newest.Load()
	if newest == nil {
		return r.name, r.last + 1, nil
	}
	events = append(events, newest.event())
	if r.backlog != nil {
		for f := range r.older(newest) {
			events = append(events, f.event())
		}
	}
	slices.Reverse(events)
	return r.name, r.last + 1, events
}

// openLocked makes run the current one if it is not.
func (t *Topic) openLocked(run string) {
	old := t.current.Load()
	if old.name == run {
		return
	}
	t.removed = false
	next := newRun(run, int(t.backlog))
	t.current.Store(next)
	old.state.Store(runReplaced) // after the store of its successor, which readers go on to
}

// storeLocked gives ev its numbers in the current run and in the hub, and stores it.
func (t *Topic) storeLocked(ev Event, end bool) error {
	r := t.current.Load()
	f := &frame{run: r, ev: ev, n: 1, end: end, born: t.hub.now()}
	if last := r.newest.Load(); last != nil {
		if last.end {
			return ErrClosed
		}
		f.n = last.n + 1
	}
	r.number(f, ev.ID)
	switch {
	case t.keepData || ev.Data == nil:
	case !oneLine(ev.Data):
		f.ev.Data = bytes.Clone(ev.Data)
	default: // the wire form is a copy: its data line, just before the blank one
		b := f.wire().single
		from, to := len(b)-len("\n\n")-len(ev.Data), len(b)-len("\n\n")
		f.ev.Data = b[from:to:to]
	}

	t.hub.seqMu.Lock()
	f.seq = t.hub.seq.Load() + 1
	r.store(f)
	t.hub.seq.Store(f.seq) // after the store: who reads seq finds every frame up to it
	t.wakeWatchers()
	t.hub.seqMu.Unlock()
	return nil
}

// Latest returns the newest event of the current run (the terminal, if it has ended) with its ID, and whether there is
// one. Its Data must not be modified.
func (t *Topic) Latest() (Event, bool) {
	if f := t.resolve().current.Load().newest.Load(); f != nil {
		return f.event(), true
	}
	return Event{}, false
}

// Run returns the current run's name, "" if there is none.
func (t *Topic) Run() string { return t.resolve().current.Load().name }

// Ended reports whether the current run has had its terminal.
func (t *Topic) Ended() bool { return t.resolve().current.Load().ended() }

// Watched reports whether somebody watches the topic: a stream, or a [Topic.Watch].
func (t *Topic) Watched() bool { return t.resolve().watched.Load() != 0 }

// Remove forgets run, if it is still the current one, and reports whether it was. The topic leaves the hub once nobody
// watches it. Streams of the run get its terminal if it has ended, and just end if it has not. With "", a topic that has
// no run leaves in the same way.
func (t *Topic) Remove(run string) bool {
	t = t.resolve()
	t.mu.Lock()
	r := t.current.Load()
	ok := r.name == run
	if ok {
		t.removed = true
	}
	if ok && run != "" {
		t.current.Store(newRun("", 0))
		r.state.Store(runRemoved)
	}
	t.mu.Unlock()
	if ok {
		t.leaveUnwatched()
		t.wakeWatchers()
	}
	return ok
}

// leaveUnwatched takes t out of the hub if it was removed and nobody watches it. Only then are both locks taken: a
// publisher may hold mu for as long as it takes to encode a large event.
func (t *Topic) leaveUnwatched() {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.removed && t.watched.Load() == 0 && !t.gone.Load() {
		t.gone.Store(true)
		delete(t.hub.topics, t.name)
	}
}

// lockCurrent locks and returns the topic that bears t's name now, which it makes if t has left the hub.
func (t *Topic) lockCurrent() *Topic {
	for {
		t.mu.Lock()
		if !t.gone.Load() {
			return t
		}
		t.mu.Unlock()
		t = t.revive()
	}
}

// revive returns the topic that bears t's name now, and makes one if none does.
func (t *Topic) revive() *Topic {
	opts := TopicOptions{OnWatched: t.onWatched, Backlog: int(t.backlog), KeepData: t.keepData}
	return t.hub.getOrMake(t.name, opts, true)
}

// resolve returns the topic that bears t's name now, or t itself, without a run, if none does.
func (t *Topic) resolve() *Topic {
	if !t.gone.Load() {
		return t
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if now, ok := t.hub.topics[t.name]; ok {
		return now
	}
	return t
}

// Why attach can fail.
var (
	errUnlisted = errors.New("the topic has left the hub")
	errFull     = errors.New("the topic has as many streams as it may")
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
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone.Load() {
		return errUnlisted
	}
	if t.shares == nil {
		t.shares = new(shares)
	}
	if w.stream != nil {
		if most := t.hub.opts.MaxStreamsPerTopic; most > 0 && t.shares.streams >= most {
			return errFull
		}
		t.shares.streams++
	}
	share := &t.shares.watchers[w.share]
	w.pos = len(*share)
	*share = append(*share, w)
	t.watched.Or(1 << w.share)
	return nil
}

// detach undoes attach, and takes a removed topic out of the hub when the last one leaves.
func (t *Topic) detach(w *watcher) {
	t.mu.Lock()
	share := t.shares.watchers[w.share]
	last := len(share) - 1
	share[w.pos] = share[last]
	share[w.pos].pos = w.pos
	share[last] = nil
	t.shares.watchers[w.share] = share[:last]
	if last == 0 {
		t.shares.watchers[w.share] = nil
		t.watched.And(^(uint32(1) << w.share))
	}
	if w.stream != nil {
		t.shares.streams--
	}
	unwatched := t.removed && t.watched.Load() == 0
	t.mu.Unlock()
	if unwatched {
		t.leaveUnwatched()
	}
	t.tellWatched()
}

// tellWatched calls OnWatched until it has been told how things are. One goroutine at a time does, the others leave it
// to that one.
func (t *Topic) tellWatched() {
	if t.onWatched == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.telling {
		return
	}
	t.telling = true
	defer func() { t.telling = false }() // also when OnWatched ends the goroutine
	for t.told != (t.watched.Load() != 0) {
		t.told = !t.told
		t.call(t.told)
	}
}

// call calls OnWatched with mu released.
func (t *Topic) call(watched bool) {
	t.mu.Unlock()
	defer t.mu.Lock()
	defer contain(t.hub.opts.Logger, "TopicOptions.OnWatched")
	t.onWatched(watched)
}

// Watch returns the topic's events in process: the newest at once, then each change, of which a slow caller sees only
// the latest (with a Backlog, see [TopicOptions], those that it still finds). Like a stream of [Hub.Serve] it belongs to
// the run that is current when the loop begins, and ends after the run's terminal, when the run is removed, and with
// ctx or the hub. Data must not be modified.
func (t *Topic) Watch(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		t, w := t, &watcher{wake: make(chan struct{}, 1), share: int32(t.hub.nextDispatcher().share)}
		for t.attach(w) != nil {
			t = t.revive()
		}
		defer t.detach(w)
		c, _ := t.cursorAt(t.current.Load(), "")
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
			if b.more {
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

// cursor is a reader's place in a topic: the run that it belongs to, and the number of the frame that it has had.
type cursor struct {
	topic  *Topic
	run    *run
	n      uint64
	missed uint64 // before the next frame, as the reader's last id has it
}

// cursorAt returns the place in r of a reader with this last event id, and what the id came to.
func (t *Topic) cursorAt(r *run, lastID string) (cursor, Resume) {
	n, missed, how := r.resumeAt(lastID)
	return cursor{topic: t, run: r, n: n, missed: missed}, how
}

// take adds to b the frames that the reader has not had, up to sequence number limit, or the first of them if bounded, and
// takes note of them.
func (c *cursor) take(limit uint64, bounded bool, b *batch) {
	before := len(b.events)
	if c.run.since(c.n, limit, bounded, b); len(b.events) > before {
		c.n = b.events[len(b.events)-1].n
		switch c.missed {
		case 0:
		case unknown:
			b.events[before].missed = unknown
		default: // and what the topic forgot since
			b.events[before].missed += c.missed
			b.coalesced += c.missed
		}
		c.missed = 0
	}
}

// done reports whether the reader has had its run's terminal.
func (c *cursor) done() bool {
	newest := c.run.newest.Load()
	return newest != nil && newest.end && newest.n == c.n
}

// due adds to b, which is empty, what a reader of one run should get now, and reports whether that is all there will ever
// be.
func (c *cursor) due(b *batch) (last bool) {
	for {
		state := c.run.state.Load() // before the frames: once a run is replaced or removed, it gets no more
		c.take(math.MaxUint64, true, b)
		switch {
		case c.done():
			return true
		case state == runLive: // anything newer by now has a wake-up of its own
			return false
		case c.run.ended():
			return false // there is more
		}
		b.reset() // snapshots of a run that will have no end
		next := c.topic.current.Load()
		if state == runRemoved || next.name == "" {
			return true
		}
		c.run, c.n = next, 0
	}
}
