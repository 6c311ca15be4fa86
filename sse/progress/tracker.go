package progress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
)

// ErrNoTopic means that a topic has neither a running job nor one that ended within the retention. Callers typically
// answer 404.
var ErrNoTopic = errors.New("progress: no active or recent job for topic")

// Tracker holds the running and recently finished jobs of a process, by topic. Make one with [New] or [Open], and end
// it with [Tracker.Shutdown]. Its methods may be called from any goroutine.
type Tracker struct {
	// Lock order: the store's own locks, mu, then Job.mu and the hub's. The store may call apply inside Claim and
	// Forget, so nothing holds mu or a Job.mu while it calls the store.

	ctx       context.Context // ends with the caller's, or when the store cannot go on
	cancel    context.CancelCauseFunc
	store     snapshot.Store
	maxData   int // of store
	hub       *sse.Hub
	ownHub    bool // hub ends with ctx
	topicOpts func(name string) sse.TopicOptions
	retention time.Duration
	lost      func(topic string, last Snapshot) (end any, keep time.Duration)
	log       *slog.Logger
	born      time.Time       // when it was made: origin of the times in its jobs
	over      chan struct{}   // closed when the goroutine that follows the store has ended
	accepting context.Context // ends with ctx, or with close, under mu: no new run begins
	close     context.CancelFunc

	mu sync.Mutex // guards the fields below

	records  map[string]record   // by topic, as reported by the store; empty for good once the store is no longer followed
	working  map[*Job]int        // calls of Job.Run that have not returned
	starting map[string]*start   // by topic: the start that claims it at the moment
	unused   *start              // for the next one; nil: none
	orphans  []*orphan           // to be adopted and ended
	adopting int                 // the goroutines that do that
	parting  map[string]string   // by topic, runs that left the store before their ends, which Lost makes; nil: partAll does not run
	asked    map[string]struct{} // runs that some process has asked to stop, lately; nil until there is one
	changed  chan struct{}       // closed when one of the fields above has changed; nil while nothing waits for that
}

// record is a Tracker's state of a topic that has a run.
type record struct {
	topic *sse.Topic
	run   string
	job   *Job // nil if this process has neither started nor joined the run

	orphan *orphan // nil if somebody writes the run
}

// Options are the options of [Open]. The zero value is the default.
type Options struct {
	// Retention is how long a terminal is kept, unless its run calls [Job.Retain]. Zero or less means 30 seconds.
	Retention time.Duration

	// Heartbeat is the silence after which a stream gets a comment; it applies only if Hub is nil. Zero or less means
	// 30 seconds.
	Heartbeat time.Duration

	// Hub holds the topics, under the names they have in the store. It should live as long as the Tracker. Nil means
	// that the Tracker makes its own hub.
	Hub *sse.Hub

	// Topic returns the options of a topic that the Tracker makes in the hub, by name; KeepData is always set. It may
	// be called with locks of the store and the Tracker held, so it must not block. Nil means the defaults.
	Topic func(name string) sse.TopicOptions

	// Lost makes the terminal of a run that nobody will end: its writer is gone (the store shows a [snapshot.Orphan]),
	// or its entry left the store before its end. last is the newest snapshot of the run, without Data if there is none.
	// keep is for how long the terminal of an Orphan is kept, as for [Job.Retain]; of what left the store nothing can be
	// kept. A nil end means that the run is not the Tracker's to end: an Orphan is left to whoever adopts it, and readers
	// of an entry that is gone get the default.
	//
	// Lost may take a while, such as for a query to a database: readers of the run wait for it, and a start on the topic of
	// an Orphan does too. It must not call the Tracker. It may be called concurrently, again for the same run, and in other
	// processes too. If Lost is nil, the terminal is `{"status":"lost","error":"..."}`, kept for Retention.
	Lost func(topic string, last Snapshot) (end any, keep time.Duration)

	// Logger gets errors that cannot be returned to a caller: payloads that cannot be encoded, a store that fails. Nil
	// discards them.
	Logger *slog.Logger
}

const defaultDuration = 30 * time.Second

// New returns a Tracker that keeps its state in this process and lives as long as ctx. A terminal is kept for
// retention, and a stream gets a comment after a silence of heartbeat; zero or less means 30 seconds each. log may be
// nil.
func New(ctx context.Context, retention, heartbeat time.Duration, log *slog.Logger) *Tracker {
	t := newTracker(ctx, snapshot.NewMemory(), &Options{Retention: retention, Heartbeat: heartbeat, Logger: log})
	_ = t.follow() // a store in memory fails only if ctx has ended; the Tracker has then ended, and is safe to use
	return t
}

// Open returns a Tracker on store that lives as long as ctx. It blocks until all entries of the store can be served,
// and fails if the store does, or if ctx ends before that. If the store fails later, that is logged and the Tracker
// ends as if ctx had ended. opts may be nil.
func Open(ctx context.Context, store snapshot.Store, opts *Options) (*Tracker, error) {
	t := newTracker(ctx, store, opts)
	if err := t.follow(); err != nil {
		return nil, fmt.Errorf("progress: follow the store: %w", err)
	}
	return t, nil
}

func newTracker(ctx context.Context, store snapshot.Store, opts *Options) *Tracker {
	if opts == nil {
		opts = &Options{}
	}
	t := &Tracker{
		store:     store,
		maxData:   store.MaxData(),
		hub:       opts.Hub,
		topicOpts: opts.Topic,
		retention: opts.Retention,
		lost:      opts.Lost,
		log:       opts.Logger,
		born:      time.Now(),
		over:      make(chan struct{}),
		records:   make(map[string]record),
		working:   make(map[*Job]int),
		starting:  make(map[string]*start),
	}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
	t.accepting, t.close = context.WithCancel(t.ctx)
	if t.retention <= 0 {
		t.retention = defaultDuration
	}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.hub == nil {
		heartbeat := opts.Heartbeat
		if heartbeat <= 0 {
			heartbeat = defaultDuration
		}
		t.ownHub = true
		t.hub = sse.NewHub(t.ctx, &sse.HubOptions{Heartbeat: heartbeat, Logger: t.log})
	}
	return t
}

// mustBeMade panics for a zero Tracker, whose channels would block for ever.
func (t *Tracker) mustBeMade() {
	if t.records == nil {
		panic("progress: a Tracker must be made by New or Open")
	}
}

// Serve streams topic to a client: the newest snapshot, later ones, and the terminal. It blocks until the stream has
// ended, and returns nil if it ended after the terminal, with the request, with the Tracker, or because the client did
// not read. A topic that is not known is looked for in the store once more, for at most a second: another process may have
// started the run a moment ago.
//
// It returns an error only before the first byte, so that the caller can still answer: [ErrNoTopic], or an error that
// names what w lacks (see [sse.CheckWriter]). A client that comes back with the id of a terminal for a topic that is
// gone gets 204, and the result is nil.
func (t *Tracker) Serve(w http.ResponseWriter, r *http.Request, topic string) error {
	return t.With(sse.StreamOptions{}).Serve(w, r, topic)
}

// Hub returns the hub that holds the topics, for instance to show many of them on one stream ([sse.Hub.ServeAll]), or
// to drain it.
func (t *Tracker) Hub() *sse.Hub { return t.hub }

// syncWithin bounds how long a reader waits for what other processes have written.
const syncWithin = time.Second

// find returns the record of topic if it has the given run, "" for any. What is not known yet may have been begun by
// another process a moment ago.
func (t *Tracker) find(ctx context.Context, topic, run string) (record, bool) {
	rec, ok := t.lookup(topic)
	switch {
	case ok && (run == "" || rec.run == run):
		return rec, true
	case t.ctx.Err() != nil:
		return record{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, syncWithin)
	defer cancel()
	if t.store.Sync(ctx) != nil { // then this process knows no better
		return record{}, false
	}
	rec, ok = t.lookup(topic)
	return rec, ok && (run == "" || rec.run == run)
}

// lookup returns the record of topic if it has a run, as far as the store has told.
func (t *Tracker) lookup(topic string) (record, bool) {
	if t.ctx.Err() != nil {
		return record{}, false // even if its records have not been removed yet
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rec, ok := t.records[topic]
	return rec, ok
}
