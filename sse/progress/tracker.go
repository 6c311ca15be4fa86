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
	// Lock order: starting, the store's own locks, mu, then Job.mu and the hub's. The store may call apply inside
	// Claim and Forget, so nothing holds mu or a Job.mu while it calls the store.

	ctx       context.Context // ends with the caller's, or when the store cannot go on
	cancel    context.CancelCauseFunc
	store     snapshot.Store
	hub       *sse.Hub
	ownHub    bool // hub ends with ctx
	topicOpts func(name string) sse.TopicOptions
	retention time.Duration
	lost      func(Snapshot) any
	log       *slog.Logger
	born      time.Time     // when it was made: origin of the times in its jobs
	over      chan struct{} // closed when the goroutine that follows the store has ended

	// starting has room for the one start that may be claiming. It is not a mutex, because a waiting start has to
	// notice the end of its context.
	starting chan struct{}

	mu sync.Mutex // guards the fields below

	records map[string]record // by topic, as reported by the store; empty for good once the store is no longer followed
	working map[*Job]int      // calls of Job.Run that have not returned
	closing bool              // no new run begins
	changed chan struct{}     // closed when a run has ended or work has returned; nil while nothing waits for that
}

// record is a Tracker's state of a topic that has a run.
type record struct {
	topic *sse.Topic
	run   string
	job   *Job // nil if this process has neither started nor joined the run
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

	// Lost makes the terminal that readers get for a lost run, one whose entry left the store before its end. last is
	// the last snapshot that they got. Lost is called where the store calls its followers, so it must not block, nor
	// call the Tracker or the store. If Lost is nil or returns nil, the terminal is `{"status":"lost","error":"..."}`.
	Lost func(last Snapshot) any

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
		hub:       opts.Hub,
		topicOpts: opts.Topic,
		retention: opts.Retention,
		lost:      opts.Lost,
		log:       opts.Logger,
		born:      time.Now(),
		over:      make(chan struct{}),
		starting:  make(chan struct{}, 1),
		records:   make(map[string]record),
		working:   make(map[*Job]int),
	}
	t.ctx, t.cancel = context.WithCancelCause(ctx)
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

// StartOptions are the options of [Tracker.StartAs]. The zero value is the default.
type StartOptions struct {
	// Run is the id for a new run: 1 to 40 ASCII letters and digits, never used before on the topic in this store, though
	// perhaps in that of an earlier process, whose run is taken up. StartAs panics if it has another form. Empty means a
	// random id.
	Run string

	// KeepFinal joins a retained run instead of replacing it with a new one, as [Tracker.StartOrJoin] does.
	KeepFinal bool

	// Payload makes the payload that [Job.Run] or a [Publisher] publishes for a [Progress], for a run with more to
	// show. It must not call the Publisher. A payload that cannot be encoded, or a panic, is logged, as for
	// [Job.Publish]. Nil means the Progress itself.
	Payload func(Progress) any
}

// Start begins a new run on topic, or joins the one that is running. isNew tells which: of any number of concurrent
// callers exactly one gets true and does the work. The others get the same Job. A retained terminal is dropped.
//
// If the store fails, or the Tracker has ended, that is logged and no run is begun or joined: isNew is false, and the
// Job returned is already over and has the reason in [Job.Err]. [Tracker.StartContext] returns the error instead.
func (t *Tracker) Start(topic string) (job *Job, isNew bool) {
	return t.startOrLog(topic, StartOptions{})
}

// StartOrJoin is like [Tracker.Start], but also joins a retained run: the Job returned is then over.
func (t *Tracker) StartOrJoin(topic string) (job *Job, isNew bool) {
	return t.startOrLog(topic, StartOptions{KeepFinal: true})
}

// StartContext is like [Tracker.Start] with a context and an error. If ctx ends, the store fails, or the Tracker has
// ended (an error that wraps [ErrEnded]), no run is started. The run that it begins does not depend on ctx.
func (t *Tracker) StartContext(ctx context.Context, topic string) (job *Job, isNew bool, err error) {
	return t.StartAs(ctx, topic, StartOptions{})
}

func (t *Tracker) startOrLog(topic string, opts StartOptions) (*Job, bool) {
	job, isNew, err := t.StartAs(t.ctx, topic, opts)
	if err != nil {
		t.log.Error("start failed", "topic", topic, "err", err)
		job = &Job{tracker: t, err: err}
		job.end(err)
	}
	return job, isNew
}

// StartAs is like [Tracker.StartContext], for a run with its own id or payload. The options apply to a run
// that it begins; a run that it joins keeps its own.
func (t *Tracker) StartAs(ctx context.Context, topic string, opts StartOptions) (job *Job, isNew bool, err error) {
	t.mustBeMade()
	select {
	case t.starting <- struct{}{}:
		defer func() { <-t.starting }()
	case <-ctx.Done():
		if t.hasEnded() {
			return nil, false, fmt.Errorf("%w: %q was not started", ErrEnded, topic)
		}
		return nil, false, fmt.Errorf("progress: start %q: %w", topic, context.Cause(ctx))
	}
	if t.hasEnded() {
		return nil, false, fmt.Errorf("%w: %q was not started", ErrEnded, topic)
	}
	claim, entry, err := t.store.Claim(ctx, topic, snapshot.ClaimOptions{Run: opts.Run, KeepFinal: opts.KeepFinal})
	if err != nil {
		return nil, false, fmt.Errorf("progress: start %q: %w", topic, err)
	}
	return t.jobOf(entry, claim, opts), claim != nil, nil
}

// mustBeMade panics for a zero Tracker, whose channels would block for ever.
func (t *Tracker) mustBeMade() {
	if t.starting == nil {
		panic("progress: a Tracker must be made by New or Open")
	}
}

// hasEnded reports whether the Tracker begins no new runs.
func (t *Tracker) hasEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closing || t.ctx.Err() != nil
}

// jobOf returns this process's one Job for the run of entry. The store has already passed the run to apply; if it has
// also passed on the run's end, the Job is over.
func (t *Tracker) jobOf(entry snapshot.Entry, claim snapshot.Claim, opts StartOptions) *Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec := t.records[entry.Topic]
	if rec.run == entry.Run && rec.job != nil {
		return rec.job
	}
	job := &Job{
		tracker: t, topic: entry.Topic, run: entry.Run, claim: claim, payload: opts.Payload, retention: t.retention,
	}
	if rec.run != entry.Run {
		job.end(ErrLost)
		return job
	}
	if rec.topic.Ended() {
		job.end(nil)
	}
	rec.job = job
	t.records[entry.Topic] = rec
	return job
}

// Cancel ends the [Job.Context] of the job that runs on topic, with the cause [ErrCancelled], and reports whether there
// is one in this process. The job continues until its worker calls Finish.
func (t *Tracker) Cancel(topic string) bool {
	t.mu.Lock()
	job := t.records[topic].job
	t.mu.Unlock()
	return job != nil && job.requestCancel(ErrCancelled)
}

// Serve streams topic to a client: the newest snapshot, later ones, and the terminal. It blocks until the stream has
// ended, and returns nil if it ended after the terminal, with the request, with the Tracker, or because the client did
// not read.
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

// lookup returns the record of topic if it has a run.
func (t *Tracker) lookup(topic string) (record, bool) {
	if t.ctx.Err() != nil {
		return record{}, false // even if its records have not been removed yet
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rec, ok := t.records[topic]
	return rec, ok
}
