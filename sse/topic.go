package sse

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned by [Topic.Publish] and [Topic.Close] after the terminal of the topic's run.
var ErrClosed = errors.New("sse: the topic's run is closed")

// ErrGone is returned by [Hub.Serve] for a topic that was removed and has not been opened or published to since, unless
// the client already has the terminal: Serve answers that with 204. A caller that finds no topic at all can do the same
// with [ServeGone].
var ErrGone = errors.New("sse: the topic was removed")

// TopicOptions configure a [Topic] at its creation. The zero value is the default.
type TopicOptions struct {
	// Backlog is how many of its newest events the topic keeps for readers that are behind. It is for events that are
	// not snapshots; 0 and 1 mean only the newest. The topic keeps fewer if they exceed 4 MiB. A reader that is further
	// behind gets an event named gap, whose data is the number of events that it missed, and then the oldest one kept.
	// A new reader begins with the newest event, or earlier with Replay. A reader that returns with an id, which may be
	// one set by the application, continues after that event, or with a gap if that is not kept; the gap's data is empty
	// if the number is not known.
	Backlog int
	// Replay is with how many of the newest events of the Backlog, or all if there are fewer, a new reader begins: a
	// stream without a last id, or one of many topics after a reset, and a [Topic.Watch]. A run that has ended is
	// replayed too, up to its terminal. 0 and 1 mean only the newest.
	Replay int
	// OnWatched, if not nil, is called with true when the topic gets its first reader (a stream or a [Topic.Watch]),
	// and with false when the last one has left. Calls never overlap, and they alternate; a change that is undone
	// during an earlier call is not reported. It is called on the goroutine of one of the readers, with no lock held. A
	// panic in it is logged, and the reader continues.
	OnWatched func(watched bool)
	// KeepData promises that the Data of an event is not modified after it was published. The topic then keeps that
	// slice, which may be shared, and encodes it when it is first read; otherwise the topic keeps a copy.
	KeepData bool
}

// The life of a topic in its hub. Open takes it back from topicRemoved to topicUsed; after topicGone the name has another
// Topic.
const (
	topicUsed    uint32 = iota
	topicRemoved        // by Remove, and not opened since then; its readers are still there
	topicGone           // it has left the hub
)

// Topic keeps the newest event published under its name, encoded, for any number of readers. [Hub.Topic] makes one. All
// methods may be called from any goroutine, and none waits for a reader.
//
// The events published from Open to Close form a run, and the runs of a topic follow one another. A stream made by
// [Hub.Serve] belongs to one run; it gets that run's terminal even if the next run has begun meanwhile. A run that is
// replaced before its end hands its streams on to the next one.
//
// A *Topic stays valid after the topic is removed, and when it comes back.
type Topic struct {
	hub  *Hub
	name string

	// The options.
	onWatched func(watched bool)
	backlog   int32
	replay    int32
	keepData  bool

	life    atomic.Uint32          // written under mu, and topicGone under Hub.mu and shares.mu too
	current atomic.Pointer[run]    // written under mu
	watched atomic.Uint32          // bit i: share i has watchers; written under shares.mu
	eager   atomic.Uint32          // bit i: share i has watchers without a pause; written under shares.mu
	shares  atomic.Pointer[shares] // made for the first watcher, before watched has a bit: most topics have no watcher

	mu sync.Mutex // held by who publishes, opens or removes; after Hub.mu, before Hub.seqMu
}

// Name returns the topic's name.
func (t *Topic) Name() string { return t.name }

// Open starts a run that has no event yet: streams get the head and heartbeats until there is one. Earlier events are
// forgotten, but the streams of an ended run still get its terminal. Open does nothing if run is the current one. A
// run's name is 1 to 40 ASCII letters and digits; Open panics otherwise.
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

// Publish makes ev the topic's newest event and returns without waiting for any reader. The caller may reuse ev.Data,
// unless [TopicOptions].KeepData is set.
//
// An event without ID gets the ID `<run>-<n>`, n counting from 1, in the current run, or in a new one with a random
// name if there is none. Any other ID is kept. After an ID of the form `<run>-<n>` the count continues from its n, so
// that no id is given twice. An ID of that form, or `<run>-end`, with the name of a run that is not the current one
// first resets the topic as [Topic.Open] does.
//
// It fails with [ErrClosed] after Close, and with a [*FieldError] if ID or Name cannot be encoded; then nothing changes.
func (t *Topic) Publish(ev Event) error { return t.publish(ev, false) }

// Close publishes last as the terminal of the topic's run, after which single-topic streams end. An event without ID
// gets `<run>-end`; a client that returns with the terminal's id gets 204 No Content. Other IDs are treated as in
// [Topic.Publish]. The first terminal of a run counts; later ones fail with [ErrClosed].
func (t *Topic) Close(last Event) error { return t.publish(last, true) }

func (t *Topic) publish(ev Event, end bool) error {
	if err := ev.check(); err != nil {
		return err
	}
	t = t.lockCurrent()
	run := t.current.Load().name
	if _, numbered := numberIn(ev.ID, run); run == "" || !numbered { // most ids are of the current run
		run = cmp.Or(runOf(ev.ID), run)
	}
	if run == "" {
		run = rand.Text()[:16]
	}
	t.openLocked(run)
	err := t.storeLocked(ev, end)
	t.mu.Unlock()
	return err
}

// openLocked makes run the current one if it is not.
func (t *Topic) openLocked(run string) {
	old := t.current.Load()
	if old.name == run {
		return
	}
	t.life.Store(topicUsed)
	next := newRun(run, int(t.backlog))
	t.current.Store(next)
	old.state.Store(runReplaced) // after the successor is stored, to which readers move on
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
	default: // data is the part of the wire form, a copy, just before the blank line
		b := f.wire().single
		from, to := len(b)-len("\n\n")-len(ev.Data), len(b)-len("\n\n")
		f.ev.Data = b[from:to:to]
	}

	t.hub.seqMu.Lock()
	f.seq = t.hub.seq.Load() + 1
	r.store(f)
	t.hub.seq.Store(f.seq) // after the store: a reader of seq finds every frame up to it
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

// Recent returns the newest n events of the current run with their IDs, oldest first, or fewer if the topic keeps fewer
// (see [TopicOptions].Backlog). The last one is that of [Topic.Latest]. Their Data must not be modified.
func (t *Topic) Recent(n int) []Event { return t.resolve().current.Load().recent(n) }

// Run returns the name of the current run, "" if there is none.
func (t *Topic) Run() string { return t.resolve().current.Load().name }

// Ended reports whether the terminal of the current run has been published.
func (t *Topic) Ended() bool { return t.resolve().current.Load().ended() }

// Watched reports whether the topic has a reader: a stream, or a [Topic.Watch].
func (t *Topic) Watched() bool { return t.resolve().isRead() }

// Remove forgets run, if it is still the current one, and reports whether it was. The topic leaves the hub once it has
// no reader. Streams of the run get its terminal if it has ended, and just end otherwise. With "", Remove makes a topic
// without a run leave in the same way.
func (t *Topic) Remove(run string) bool {
	t = t.resolve()
	t.mu.Lock()
	r := t.current.Load()
	ok := r.name == run
	if ok {
		t.life.CompareAndSwap(topicUsed, topicRemoved)
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

// leaveIfUnwatched is leaveUnwatched, and takes no lock for nothing.
func (t *Topic) leaveIfUnwatched() {
	if t.watched.Load() == 0 && t.life.Load() == topicRemoved { // in this order: Remove looks at them in the other one
		t.leaveUnwatched()
	}
}

// leaveUnwatched takes t out of the hub if it was removed, has no watcher, and OnWatched knows that.
func (t *Topic) leaveUnwatched() {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.mu.Lock() // nobody opens it now
	defer t.mu.Unlock()
	s := t.readers()
	s.mu.Lock() // nobody attaches to it now
	defer s.mu.Unlock()
	if t.watched.Load() == 0 && !s.told && !s.telling && t.life.CompareAndSwap(topicRemoved, topicGone) {
		delete(t.hub.topics, t.name)
	}
}

// lockCurrent locks and returns the topic that has t's name now, and makes it if t has left the hub.
func (t *Topic) lockCurrent() *Topic {
	for {
		t.mu.Lock()
		if t.life.Load() != topicGone {
			return t
		}
		t.mu.Unlock()
		t = t.revive()
	}
}

// revive returns the topic that has t's name now, and makes one if there is none.
func (t *Topic) revive() *Topic {
	opts := TopicOptions{
		OnWatched: t.onWatched, Backlog: int(t.backlog), Replay: int(t.replay), KeepData: t.keepData,
	}
	return t.hub.getOrMake(t.name, opts, true)
}

// resolve returns the topic that has t's name now, or t itself, which then has no run, if there is none.
func (t *Topic) resolve() *Topic {
	if t.life.Load() != topicGone {
		return t
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if now, ok := t.hub.topics[t.name]; ok {
		return now
	}
	return t
}
