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
	run := t.current.Load().name
	if _, numbered := numberIn(ev.ID, run); run == "" || !numbered { // most are of the current run
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
func (t *Topic) Watched() bool { return t.resolve().isRead() }

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
