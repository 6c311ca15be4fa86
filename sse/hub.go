package sse

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	"iter"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// HubOptions configure a [Hub]. The zero value is the default.
type HubOptions struct {
	// Heartbeat is the silence after which a stream gets a comment, to within a second. Zero means 15 seconds.
	Heartbeat time.Duration
	// StallTimeout is the time without progress of a write after which its stream ends, to within a second. Progress
	// is a whole write, or 16 KB of a large one. Zero means 15 seconds.
	StallTimeout time.Duration
	// DrainWindow is the time over which [Hub.Drain] spreads the ends of the streams. Zero means 5 seconds.
	DrainWindow time.Duration
	// MaxStreams bounds the streams that are open at once. Zero means no bound. A client beyond a bound is told to come
	// back in 5 to 30 seconds: if its Accept asks for text/event-stream, with 200, an event named bye and the end, since
	// any other status would end an EventSource for good; otherwise with 503 and Retry-After.
	MaxStreams int
	// Quotas bound the streams that are open at once for each client ([PerClient]), user, tenant or whatever else a
	// request tells. A stream counts for each of them, and has to fit into all. Empty means no bound.
	Quotas []Quota
	// MaxStreamsPerTopic bounds the streams of one topic. Zero means no bound.
	MaxStreamsPerTopic int
	// MaxRequestTopics bounds the topics that exist because requests asked for them (see [Manager]). Zero means 1000.
	MaxRequestTopics int
	// OnSubscribe, if not nil, is asked whether a request may read a topic, for each topic of a stream, before anything
	// is attached or written, and by [Hub.MayRead]. Its error refuses: Serve returns it, wrapped together with
	// [ErrForbidden]. It is called on the request's goroutine, with no lock held.
	OnSubscribe func(*http.Request, *Topic) error
	// Subject, if not nil, returns the application's own name for the principal of a request; a stream keeps that name
	// instead of the request, and [Hub.End] and the [Observer] get it. It is called on the request's goroutine, with no
	// lock held, and perhaps more than once.
	Subject func(*http.Request) any
	// TurnAway, if not nil, is asked whether a client is to be turned away like one beyond MaxStreams, but to come back
	// within two seconds, when another process behind the same address may have the request: for instance because this
	// one knows less than the client has seen (see [RequestLastEventID]). It is called on the request's goroutine, with
	// no lock held, before anything is attached or written. It may take a while: the request counts as a stream by then,
	// and a [Hub.End] during the call ends it.
	TurnAway func(*http.Request) bool
	// AllowedOrigins are the origins, such as "https://example.org", whose pages may read the streams (CORS), with
	// credentials, and the other answers of handlers that ask [Hub.AllowOrigin]. They are compared exactly; "*" is
	// none. Empty means that the hub sets no CORS header.
	AllowedOrigins []string
	// Observer receives events about streams. Nil means none.
	Observer *Observer
	// Logger gets errors that cannot be reported to a client. Nil discards them.
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
	if d.Observer == nil {
		d.Observer = &Observer{}
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return d
}

// Hub holds topics and serves their streams. [NewHub] makes one. All methods may be called from any goroutine.
//
// A Hub owns a few goroutines: its dispatchers, at most four, which wake the readers of what was published and write to
// the connections that were handed off (see [StreamOptions]), and the timekeeper, which beats, evicts and drains. They
// end with the ctx of NewHub, once the last stream has ended. A stream whose connection stays with its server is written
// to by another goroutine of the hub while the handler waits in Serve: of these, there are as many as such writes at the
// moment. A ResponseWriter is used by one goroutine at a time. If it panics, the panic is repeated in its handler.
type Hub struct {
	ctx   context.Context
	opts  HubOptions
	born  time.Time
	epoch string // names this hub in the ids of multiplexed streams
	seed  maphash.Seed

	seqMu sync.Mutex    // held to give a frame its seq, store it and queue its topic; after Topic.mu
	seq   atomic.Uint64 // every frame up to it is stored; written under seqMu

	dispatchers []*dispatcher
	placed      atomic.Uint64 // streams and watches given to a dispatcher
	wrapped     func(http.ResponseWriter) bool
	newSocket   func(net.Conn) socket // of a connection that can be handed off; nil where none can
	reached     func(http.ResponseWriter, int64) bool

	streamCtx  context.Context // ends with ctx, or when Drain's patience does
	endStreams context.CancelFunc
	carriers   chan *stream  // to those that have nothing to do; nil has one end
	stir       chan struct{} // of 1: the timekeeper has something to watch
	over       chan struct{} // closed when ctx and the last stream have ended

	mu sync.Mutex // guards the fields below; before Topic.mu

	topics   map[string]*Topic
	streams  []*stream
	counts   map[quotaKey]int // open streams; nil until the first is counted
	drained  chan struct{}    // not nil once draining; closed when the last stream has ended
	drainEnd int64            // on the hub's clock
}

// NewHub returns a hub that lives as long as ctx; when ctx ends, its streams end, and Serve returns nil. opts may be
// nil.
func NewHub(ctx context.Context, opts *HubOptions) *Hub {
	h := &Hub{
		ctx:       ctx,
		opts:      opts.withDefaults(),
		born:      time.Now(),
		epoch:     rand.Text()[:16],
		seed:      maphash.MakeSeed(),
		newSocket: newSocket,
		wrapped:   wrapped,
		reached:   reached,
		carriers:  make(chan *stream),
		stir:      make(chan struct{}, 1),
		over:      make(chan struct{}),
		topics:    map[string]*Topic{},
	}
	h.streamCtx, h.endStreams = context.WithCancel(ctx)
	for i := range min(runtime.GOMAXPROCS(0), maxDispatchers) {
		d := &dispatcher{hub: h, share: i, kick: make(chan struct{}, 1), resting: newResting()}
		d.round.Store(1) // of topics that were never queued it is 0
		h.dispatchers = append(h.dispatchers, d)
		go d.run(h.over)
	}
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
		t = &Topic{
			hub: h, name: name,
			onWatched: opts.OnWatched, keepData: opts.KeepData,
			backlog: int32(min(opts.Backlog, math.MaxInt32)), replay: int32(min(opts.Replay, math.MaxInt32)),
		}
		if removed {
			t.life.Store(topicRemoved)
		}
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

// nextDispatcher returns the dispatchers in turn.
func (h *Hub) nextDispatcher() *dispatcher {
	return h.dispatchers[h.placed.Add(1)%uint64(len(h.dispatchers))]
}

// Serve streams t to the client of r: `retry:`, the newest event at once, then each change, of which a slow client sees
// only the latest. It blocks until the stream ends: after the terminal of the run that it belongs to, when the run is
// removed, when the client leaves or makes no progress, when the hub drains or its ctx ends, or that of r. The ids are
// those of the events. Over HTTP/1.x in clear text the hub may take the connection from its server meanwhile: see
// [StreamOptions], whose KeepConnection forbids that.
//
// A client that returns (see [RequestLastEventID]) with the newest event's id gets nothing twice; with the id of the
// current run's terminal it gets 204 No Content, so that browsers stop; with any other, what a new client gets. A topic
// with a Backlog goes on after the event of that id; if it does not keep that any more, or never had it, with an event
// named gap and all that it keeps.
//
// Serve returns an error only as long as nothing is written, so that the caller can answer otherwise: [ErrGone], one
// that wraps [ErrForbidden], or a [*WriterError] that says what the ResponseWriter lacks, which is logged too. Clients
// beyond a limit, or of a hub that drains or has stopped, are answered by Serve, which then returns nil; see
// [HubOptions].MaxStreams and [Observer].Refused.
//
// Headers that were set before are kept; Serve sets Content-Type, Cache-Control and X-Accel-Buffering if they are
// absent. The server's WriteTimeout is lifted for this request; what the server writes after the stream may take
// [HubOptions].StallTimeout. A HEAD request gets the headers alone.
func (h *Hub) Serve(w http.ResponseWriter, r *http.Request, t *Topic) error {
	return h.serve(w, r, t, "", StreamOptions{})
}

// ServeRun is [Hub.Serve] for the run of that name and no other: if it is not the topic's current one when the stream
// is attached, that is ErrGone.
func (h *Hub) ServeRun(w http.ResponseWriter, r *http.Request, t *Topic, run string) error {
	return h.serve(w, r, t, run, StreamOptions{})
}

// serve streams t: the run named only, or whichever is current if that is "".
func (h *Hub) serve(w http.ResponseWriter, r *http.Request, t *Topic, only string, opts StreamOptions) error {
	_, err := h.serveThen(w, r, t, only, opts, hooks{})
	return err
}

// hooks of a stream may be nil.
type hooks struct {
	attached func() // called once the stream is sure to begin, before it does
	ended    func() // called when it has ended, if it was handed off
}

// serveThen is serve, and reports whether the stream was handed off.
func (h *Hub) serveThen(w http.ResponseWriter, r *http.Request, t *Topic, only string, opts StreamOptions, hooks hooks) (
	handedOff bool, err error) {
	t.mustBeOf(h)
	st, err := h.admit(w, r, opts)
	if st == nil {
		return false, err
	}
	defer st.release()
	if ok, err := st.follow(w, r, t, only); !ok {
		return false, err
	}
	if hooks.attached != nil {
		hooks.attached()
	}
	st.then = hooks.ended
	st.run(w, r)
	return st.taken && st.over == nil, nil
}

// ServeAll streams any number of topics to the client of r over one stream: `retry:`, the newest event of each topic,
// then changes as in [Hub.Serve], in the order in which they were published. It follows the topics across runs and does
// not end with them. The ids are `<epoch>-<seq>`, whatever ids the events have, so a payload should name its topic; the
// epoch names the hub and the set of topics.
//
// A client that returns with an id of this hub and these topics gets everything that was published after it and is
// still the newest of its topic, or in its Backlog. With any other id, such as that of a stream of fewer topics, it
// gets an event named reset, whose data is empty, which tells it to forget what it knows, and then what a new client
// gets.
//
// If [HubOptions].OnSubscribe refuses one of the topics, it refuses the stream, unless [StreamOptions].Partial is set.
// Errors, headers and timeouts are as in Serve.
func (h *Hub) ServeAll(w http.ResponseWriter, r *http.Request, topics ...*Topic) error {
	return h.serveAll(w, r, topics, StreamOptions{})
}

func (h *Hub) serveAll(w http.ResponseWriter, r *http.Request, topics []*Topic, opts StreamOptions) error {
	for _, t := range topics {
		t.mustBeOf(h)
	}
	st, err := h.admit(w, r, opts)
	if st == nil {
		return err
	}
	defer st.release()
	if ok, err := st.followAll(w, r, topics, opts.Partial); !ok {
		return err
	}
	st.run(w, r)
	return nil
}

func (t *Topic) mustBeOf(h *Hub) {
	if t.hub != h {
		panic("sse: topic " + strconv.Quote(t.name) + " is served by another hub than its own")
	}
}
