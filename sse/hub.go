package sse

import (
	"context"
	"crypto/rand"
	"iter"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// HubOptions configure a [Hub]. The zero value is the default.
type HubOptions struct {
	// Heartbeat is the silence after which a stream gets a comment, to within a second. Zero means 15 seconds.
	Heartbeat time.Duration
	// StallTimeout ends a stream whose write has made no progress for so long, to within a second. Zero means 15 seconds.
	StallTimeout time.Duration
	// DrainWindow is the time over which [Hub.Drain] spreads the ends of the streams. Zero means 5 seconds.
	DrainWindow time.Duration
	// MaxRequestTopics bounds the topics that exist because requests asked for them (see [Manager]). Zero means 1000.
	MaxRequestTopics int
	// Logger gets what no client can be told. Nil discards it.
	Logger *slog.Logger
}

func (o *HubOptions) withDefaults() HubOptions {
	var d HubOptions
	if o != nil {
		d = *o
	}
	if d.Heartbeat <= 0 {
		d.Heartbeat = 15 * time.Second
	}
	if d.StallTimeout <= 0 {
		d.StallTimeout = 15 * time.Second
	}
	if d.DrainWindow <= 0 {
		d.DrainWindow = 5 * time.Second
	}
	if d.MaxRequestTopics <= 0 {
		d.MaxRequestTopics = 1000
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

// Hub holds topics and serves their streams. [NewHub] makes one. All methods may be called from any goroutine.
//
// A Hub owns two goroutines, the dispatcher, which wakes the readers of what was published, and the timekeeper, which
// beats, evicts and drains. They end with the ctx of NewHub, once the last stream has ended.
type Hub struct {
	ctx   context.Context
	opts  HubOptions
	born  time.Time
	epoch string // names this hub in the ids of multiplexed streams

	seqMu sync.Mutex    // held to give a frame its seq and store it; after Topic.mu
	seq   atomic.Uint64 // every frame up to it is stored; written under seqMu

	dispatcher dispatcher

	streamCtx  context.Context // ends with ctx, or when Drain's patience does
	endStreams context.CancelFunc
	stir       chan struct{} // of 1: the timekeeper has something to watch

	mu sync.Mutex // guards the fields below; before Topic.mu

	topics   map[string]*Topic
	streams  []*stream
	drained  chan struct{} // not nil once draining; closed when the last stream has ended
	drainEnd int64         // on the hub's clock
}

// NewHub returns a hub that lives as long as ctx; when ctx ends, its streams end, and Serve returns nil. opts may be nil.
func NewHub(ctx context.Context, opts *HubOptions) *Hub {
	h := &Hub{
		ctx:        ctx,
		opts:       opts.withDefaults(),
		born:       time.Now(),
		epoch:      rand.Text()[:16],
		dispatcher: dispatcher{kick: make(chan struct{}, 1)},
		stir:       make(chan struct{}, 1),
		topics:     map[string]*Topic{},
	}
	h.streamCtx, h.endStreams = context.WithCancel(ctx)
	go h.dispatcher.run(ctx)
	go h.keepTime()
	return h
}

// Topic returns the topic of that name, and makes it first if there is none; only then opts count. A topic stays until
// [Topic.Remove].
func (h *Hub) Topic(name string, opts TopicOptions) *Topic { return h.getOrMake(name, opts, false) }

// getOrMake returns the topic of that name. One that it makes with removed leaves the hub like any removed topic, when
// its last reader does.
func (h *Hub) getOrMake(name string, opts TopicOptions, removed bool) *Topic {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[name]
	if t == nil {
		t = &Topic{hub: h, name: name, opts: opts, removed: removed}
		t.current.Store(newRun("", 0))
		h.topics[name] = t
	}
	return t
}

// Lookup returns the topic of that name if it has a run: if something was opened or published and not removed.
func (h *Hub) Lookup(name string) (*Topic, bool) {
	h.mu.Lock()
	t := h.topics[name]
	h.mu.Unlock()
	if t == nil || t.current.Load().name == "" {
		return nil, false
	}
	return t, true
}

// Topics returns the topics that have a run, in no order: those there are when the loop begins.
func (h *Hub) Topics() iter.Seq[*Topic] {
	return func(yield func(*Topic) bool) {
		h.mu.Lock()
		all := make([]*Topic, 0, len(h.topics))
		for _, t := range h.topics {
			all = append(all, t)
		}
		h.mu.Unlock()
		for _, t := range all {
			if t.current.Load().name != "" && !yield(t) {
				return
			}
		}
	}
}

// wake has the dispatcher wake everyone who watches t.
func (h *Hub) wake(t *Topic) {
	if t.dirty.CompareAndSwap(false, true) {
		h.dispatcher.add(t)
	}
}

// Serve streams t to the client of r: `retry:`, the newest event at once, then each change, of which a slow client sees
// only the latest. It blocks until the stream ends: after the terminal of the run that it belongs to, when the run is
// removed, when the client leaves or makes no progress, when the hub drains or its ctx ends. The ids are those of the
// events.
//
// A client that returns (see [RequestLastEventID]) with the newest event's id gets nothing twice; with the id of the
// current run's terminal it gets 204 No Content, so that browsers stop; with the id of an event of the topic's Backlog
// it gets what came after; with any other, what a new client gets.
//
// Serve returns an error only as long as nothing is written, so that the caller can answer otherwise: [ErrGone], or one
// that says what the ResponseWriter lacks (see [CheckWriter]; this is logged too). Headers that were set before are
// kept; Serve sets Content-Type, Cache-Control and X-Accel-Buffering if they are absent. The server's WriteTimeout is
// lifted for this request. A HEAD request gets the headers alone.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, t *Topic) error {
	return h.serve(w, r, t, "")
}

// ServeRun is [Hub.Serve] for the run of that name and no other: if it is not the topic's current one when the stream
// is attached, that is ErrGone.
func (h *Hub) ServeRun(w http.ResponseWriter, r *http.Request, t *Topic, run string) error {
	return h.serve(w, r, t, run)
}

// serve streams t: the run named only, or whichever is current if that is "".
func (h *Hub) serve(w http.ResponseWriter, r *http.Request, t *Topic, only string) error {
	t.mustBeOf(h)
	st, err := h.admit(w, r)
	if st == nil {
		return err
	}
	defer st.leave()

	t = t.resolve()
	watcher := &watcher{wake: st.wake}
	lastID := RequestLastEventID(r)
	if !t.attach(watcher) {
		return gone(w, r)
	}
	defer t.detach(watcher)
	t.mu.Lock()
	run, isRemoved := t.current.Load(), t.removed
	t.mu.Unlock()
	if isRemoved || only != "" && run.name != only {
		return gone(w, r)
	}
	if last := run.newest.Load(); last != nil && last.end && lastID == last.ev.ID {
		noContent(w)
		return nil
	}
	st.run(r, &single{cursor: cursor{topic: t, run: run, n: run.resumeAt(lastID)}})
	return nil
}

// gone answers a request for a topic that was removed, or leaves it to the caller.
func gone(w http.ResponseWriter, r *http.Request) error {
	if ServeGone(w, r) {
		return nil
	}
	return ErrGone
}

// ServeAll streams any number of topics to the client of r over one stream: `retry:`, the newest event of each topic,
// then changes as in [Hub.Serve], in the order in which they were published. It follows the topics across runs and does
// not end with them. The ids are `<epoch>-<seq>`, whatever ids the events have, so a payload should name its topic.
//
// A client that returns with an id of this hub gets everything that was published after it and is still the newest of
// its topic, or in its Backlog. With any other id it gets an event named reset, whose data is empty, which tells it to
// forget what it knows, and then what a new client gets.
//
// Errors, headers and timeouts are as in Serve.
func (h *Hub) ServeAll(w http.ResponseWriter, r *http.Request, topics ...*Topic) error {
	for _, t := range topics {
		t.mustBeOf(h)
	}
	st, err := h.admit(w, r)
	if st == nil {
		return err
	}
	defer st.leave()

	m := &multiplexed{hub: h}
	lastID := RequestLastEventID(r)
	seq, known := h.parseSeq(lastID)
	m.reset = lastID != "" && !known
	seen := make(map[string]bool, len(topics))
	for _, t := range topics {
		if seen[t.name] {
			continue
		}
		seen[t.name] = true
		watcher := &watcher{wake: st.wake}
		for !t.attach(watcher) {
			t = t.revive()
		}
		defer t.detach(watcher)
		c := cursor{topic: t, run: t.current.Load()}
		if known {
			c.n = c.run.resumeAfter(seq)
		} else {
			c.n = c.run.resumeAt("")
		}
		m.topics = append(m.topics, c)
	}
	st.run(r, m)
	return nil
}

// parseSeq returns the seq of an id of this hub, and whether it is one.
func (h *Hub) parseSeq(id string) (seq uint64, ok bool) {
	epoch, rest, _ := strings.Cut(id, "-")
	seq, err := strconv.ParseUint(rest, 10, 64)
	return seq, err == nil && epoch == h.epoch && seq <= h.seq.Load()
}

func (t *Topic) mustBeOf(h *Hub) {
	if t.hub != h {
		panic("sse: topic " + strconv.Quote(t.name) + " is served by another hub than its own")
	}
}
