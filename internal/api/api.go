// Package api answers HTTP requests: the JSON API, event streams, long polls, signing in, and the page.
//
// # Requests
//
// A request passes, in this order: the access log; the handling of panics; headers for browsers; the check of its Host;
// the path of the public address; the check of its origin; authentication; the table of routes; and the permission that
// its route requires. Then the handler of the route answers it.
//
// State that changes is answered from a topic, the same one that streams send: the answer to a GET has the entity tag
// of the topic's newest snapshot, and the request waits for the next snapshot if its client prefers that.
//
// # Errors
//
// Errors are problem details (RFC 9457). Services return errors with codes or types of their own; this package alone
// decides their status and type of problem.
//
// # Access
//
// [access.Guard] authenticates each request once. After each wait, for a body or for a change, the permission is
// revalidated, and [API.Watch] ends the streams of users who have lost it.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/idempotency"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// Of several replicas, the one that has what a call is about is asked. If it is not reached, the error is
// [replica.ErrNoReplica], if it was asked and does not answer, [replica.ErrNoAnswer].

// Sources are the configured sources. Their methods may be called from any goroutine. For a source that is not
// configured they return nil.
type Sources interface {
	// Topics has those of all sources, in the order of the configuration. A source's topic has its [wire.Source].
	Topics() []*sse.Topic
	// Topic has the snapshots of a source.
	Topic(name string) *sse.Topic
	// Definition is the configuration of a source. It is not modified.
	Definition(name string) *config.Source
	// Answer is what the newest poll of a source got before anything was picked from it, as JSON. It is empty until the first
	// poll after the first call. It is not known if another replica polls the source, or if nothing is picked.
	Answer(name string) (answer string, known bool)
	// Refresh has a source polled at once, and returns 0, or how long the limit of its upstream forbids that. It fails
	// when polling has ended, and with ctx; with [kind.ErrNotAsked] for a source that only tells; and if the replica that
	// polls it is not reached. A source that is not configured is not an error.
	Refresh(ctx context.Context, name string) (wait time.Duration, err error)
	// Push sends a message to a source for a caller, once for each Idempotency-Key that is not empty. It reports whether the value
	// counts already. The error is one of [sources.Service.Push], [idempotency.ErrReused], or a replica that is not reached.
	Push(ctx context.Context, name string, m kind.Message, caller access.Identity, key string) (counts bool, err error)
}

// Jobs are the configured jobs. Their methods may be called from any goroutine.
type Jobs interface {
	// List is in the order of the configuration. It is not modified.
	List() []*jobs.Job
	// Job is the job of that name, nil if there is none.
	Job(name string) *jobs.Job
	// Topics has those of all jobs, in the order of the configuration. A job's topic has its [wire.Job].
	Topics() []*sse.Topic
	// Queue is all runs of a job that wait behind its first one, in order. It fails only if a replica is not reached.
	Queue(ctx context.Context, job string) ([]wire.Waiting, error)
	// Start makes a run, or finds the one that the start joins or has led to before; run is nil if that is over. The
	// error is a [*jobs.Refusal], the store's, or ctx's.
	Start(ctx context.Context, j *jobs.Job, opts jobs.StartOptions) (run *jobs.Run, snap wire.Run, err error)
}

// Runs are the runs of jobs, configured or not. Their methods may be called from any goroutine.
type Runs interface {
	// Lookup finds the newest state of a run. The error is [jobs.ErrNoRun], [jobs.ErrExpired], or the archive's.
	Lookup(ctx context.Context, id string) (jobs.Record, error)
	// Runs has the runs that a filter lets pass, newest first, and whether there are more. The error is the archive's.
	Runs(ctx context.Context, filter archive.RunFilter) (list []archive.Run, more bool, err error)
	// Changed has a topic that changes when a run has ended, after Runs has its end.
	Changed() *sse.Topic
	// Definition is that of the job that a run is of, nil if that is not known.
	Definition(ctx context.Context, id string) *config.Job
	// Cancel ends a run, and reports whether it was not over. It fails only if a replica is not reached.
	Cancel(ctx context.Context, id string) (bool, error)
	// Output is what a run has printed from an offset on, at most most bytes. The channel more is closed when there is
	// more; it is nil if this process will not have more. The error is why the archive cannot be read, or a replica that is
	// not reached.
	Output(ctx context.Context, id string, from int64, most int) (part archive.Output, more <-chan struct{}, err error)
}

// Alerts are the alerts of sources and jobs, and what people do about them. Their methods may be called from any goroutine.
type Alerts interface {
	// Alerts has all alerts that are not clear, all silences, and all receivers.
	Alerts() wire.Alerts
	// Silences has those that have not ended, the oldest first.
	Silences() []wire.Silence
	// Silence begins a silence, whose ID and Since it sets. The error is [alert.ErrTooManySilences].
	Silence(s wire.Silence) (wire.Silence, error)
	// EndSilence ends one for somebody. The error is [alert.ErrNoSilence].
	EndSilence(id, by string) error
	// Acknowledge acknowledges the alert of a source or a job, by its key, for somebody, and returns it. The error is
	// [alert.ErrNotFiring], or a replica that is not reached.
	Acknowledge(ctx context.Context, key, by, reason string) (wire.AlertObject, error)
}

// Errors of a reload, beside [config.Problems].
var (
	// ErrNoFile is why a configuration cannot be read again.
	ErrNoFile = errors.New("this configuration was not read from a file")
	// ErrStopping is why something cannot be done any more.
	ErrStopping = errors.New("tidewire is stopping")
)

// Deps is what an [API] uses. Every field but Metrics, Values and ReplicasTopic must be set.
type Deps struct {
	Sources Sources
	Jobs    Jobs
	Runs    Runs
	Samples archive.Samples // has the polls of sources, and their numbers
	Spans   archive.Spans   // has the states in which sources were

	Alerts Alerts
	// AlertsTopic changes when Alerts have changed, afterwards.
	AlertsTopic *sse.Topic
	Clock       *clock.Clock

	// Config returns the configuration in effect, from the first request on. It is not modified.
	Config func() *config.Config
	// ConfigTopic has its [wire.Config].
	ConfigTopic *sse.Topic
	// Reload reads the configuration again for somebody, records that, and returns what it has changed. Its errors are [config.Problems],
	// ErrNoFile, ErrStopping, ctx's, or the reason why the configuration cannot take effect.
	Reload func(ctx context.Context, who audit.Actor) (wire.Difference, error)

	// Events has what happened.
	Events archive.Events
	// EventsTopic has an event without data, with the ID of the newest of Events, as soon as that is in Events.
	EventsTopic *sse.Topic

	// Latest is the newest state of a topic. What a request has changed is seen by all requests after it. See package
	// own.
	Latest func(*sse.Topic) (sse.Event, bool)
	// Hub serves the topics. Its options are to have [Quota], [Authorise] and [Subject].
	Hub   *sse.Hub
	Guard *access.Guard
	Audit *audit.Log
	Log   *slog.Logger
	// Clients gets what clients cause, as often as it lets that pass.
	Clients *flood.Handler
	// Replicas are the processes that share the store.
	Replicas func() wire.Replicas
	// ReplicasTopic has them, within a second. It is nil if there is no other process that could share it.
	ReplicasTopic *sse.Topic
	// Ready reports whether the gateway polls and answers.
	Ready func() bool
	// Newer reports that this process takes no part, as a newer version of the program writes the store.
	Newer func() bool
	// Stopping is closed when the gateway begins to stop: requests do not wait for other replicas then.
	Stopping <-chan struct{}
	// Behind reports whether a client should come back, to another replica: this one has lost the store a moment ago, or, for
	// a client that has seen another state than the newest here, does not know whether that is newer. It may take a second.
	Behind func(ctx context.Context, hasSeen bool) bool
	// StoreFails reports whether state cannot be stored now.
	StoreFails func() bool
	// Metrics answers GET /metrics, and Values GET /metrics/values. Nil means that there are none.
	Metrics, Values http.Handler
}

// An API answers requests. [New] makes one. It has no goroutine; [API.Watch] is to run in one.
type API struct {
	deps     Deps
	clients  *slog.Logger // logs to Clients
	trends   trends
	branded  atomic.Pointer[brand]                            // of the configuration that was in effect last
	silences *idempotency.Keys[access.Identity, wire.Silence] // those that were made with an Idempotency-Key
	hooks    deliveries
	uploads  uploads
}

// New returns an API.
func New(deps Deps) *API {
	return &API{
		deps: deps, clients: slog.New(deps.Clients), trends: newTrends(deps),
		silences: idempotency.New[access.Identity](idempotency.Options[wire.Silence]{}),
		hooks:    newDeliveries(deps),
	}
}
