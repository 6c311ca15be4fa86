// Package jobs runs the jobs of a configuration: it queues their starts, does the work of each run as a command or as
// an HTTP request, publishes how it goes, and keeps what came of it.
//
// A [Service] has the jobs that are configured now. It takes part in a reload by [Service.Prepare]. A start comes from
// a caller, by [Service.Start], or from the schedule of the job; it leads to a new [Run], joins one, or is refused with
// a [Refusal]. What a run does is up to the [Action] of its job.
//
// The state of runs lives in a [snapshot.Store]: the newest state of each run in the topic run/ID, and in the topic
// job/NAME that of the run at the head of the job's queue, with the queue behind it. Streams read these topics;
// decisions and answers are made of what the process has written last, see [own.Store.Latest].
//
// # Concurrency
//
// All methods may be called from any goroutine, but only one change may be prepared at a time. Locks are taken in this
// order: Service.ending, Service.alerting, queue.mu, that of Run.progress, those of the Tracker and the store, past.mu.
//
// Each run has one goroutine, from its start to its end; one follows the store, and one brings the ends that it finds there
// into the archive. [Service.Stop] ends all of them and waits for them.
package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// Deps is what a [Service] uses. Every field but Before, Observer, Keys and Replicas must be set.
type Deps struct {
	Scheduler *smartpoll.Scheduler // starts jobs by their schedules, and admits requests to upstreams
	Store     *own.Store           // holds the runs
	Tracker   *progress.Tracker    // begins and ends them there
	Hub       *sse.Hub             // serves the topics of the store
	Archive   archive.Runs         // holds the runs that have ended, and what runs have printed
	Keys      Keys                 // keeps Idempotency-Keys; nil: they end with the process
	Replicas  Replicas             // the processes that share the store; nil: there is no other
	Log       *slog.Logger
	Clock     *clock.Clock
	Client    *http.Client   // makes the requests of HTTP jobs
	Upstreams *upstream.Pool // has the limits of these requests
	Alerts    *alert.Service // has the alerts of jobs
	Before    time.Time      // when the process before was last at work, by the wall clock; zero: it is not known

	// Audit records what nobody asked for at that moment: a start by schedule, and the end of a run. It must not block
	// for long.
	Audit func(action string, attrs ...slog.Attr)
	// Refresh has a source polled at once, and returns 0, or for how long the limit of its upstream forbids that. It
	// fails when polling has ended, and with ctx. A source that is not configured is not an error.
	Refresh func(ctx context.Context, source string) (wait time.Duration, err error)
	// Start is [Service.Start], also of a job whose runs another process starts.
	Start func(ctx context.Context, j *Job, opts StartOptions) error
	// Source returns the newest snapshot of a source, a [wire.Source], and false if it is not configured.
	Source func(name string) (sse.Event, bool)
	// RunPath returns the path at which the run with that id is served.
	RunPath func(id string) string
	// Observer is told what happens. Nil means nobody is.
	Observer *Observer
}

// An Observer is told what happens to runs. A nil Observer and nil funcs are fine. Funcs are called from many
// goroutines, and must not block.
type Observer struct {
	// Ended is called when a run has ended, with its last status and the time that it was at work: 0 if it never began.
	Ended func(job, status string, took time.Duration)
	// Adopted is called for each job whose runs are started here from now on because the replica that started them has
	// left it.
	Adopted func(job string)
}

func (o *Observer) adopted(job string) {
	if o != nil && o.Adopted != nil {
		o.Adopted(job)
	}
}

func (o *Observer) ended(job, status string, took time.Duration) {
	if o != nil && o.Ended != nil {
		o.Ended(job, status, took)
	}
}

// A Service has the jobs of a configuration and their runs. [Open] makes one.
type Service struct {
	deps       Deps
	configured atomic.Pointer[[]*Job]
	queue      *queue
	past       *past
	again      again
	units      *units    // nil: no other process shares the store
	opened     time.Time // by the wall clock
	silent     time.Time // until when isStored does not ask the archive; guarded by queue.mu

	// ending is held from looking at the newest ends of a job until its alert was told one, so that no other is told in between.
	ending sync.Mutex

	// alerting is held from looking up a job until its alert was told something: it is the one that holds then.
	alerting sync.Mutex
	started  bool            // a configuration is at work; guarded by alerting
	atStart  map[string]bool // the jobs that start with the gateway, as they were when it began; guarded by alerting

	running sync.WaitGroup     // the goroutines of the runs; Go under queue.mu
	work    context.Context    // ends with Stop: nothing new should begin
	end     context.CancelFunc // of work
}

// Open returns a Service without jobs, once everything that the store holds of runs is known. Jobs come by
// [Service.Prepare]. The goroutines that it starts end with ctx, if not by [Service.Stop] before.
func Open(ctx context.Context, deps Deps) (*Service, error) {
	s := &Service{deps: deps, opened: deps.Clock.Wall(), again: again{runs: map[string][]wire.Run{}}}
	s.configured.Store(new([]*Job))
	var err error
	if s.past, err = openPast(ctx, deps, s.Job, s.found); err != nil {
		return nil, err
	}
	s.queue = newQueue(deps.Clock, s.begin, s.isStored, deps.Replicas != nil)
	if err := s.restoreKeys(ctx); err != nil {
		s.past.close()
		return nil, err
	}
	s.work, s.end = context.WithCancel(ctx)
	if err := s.openUnits(ctx); err != nil {
		s.past.close()
		return nil, fmt.Errorf("follow the units of jobs: %w", err)
	}
	s.running.Go(func() { removeLeft(deps.Log) })
	return s, nil
}

// begin starts the goroutine of a run.
func (s *Service) begin(r *Run) {
	ctx, cancel := context.WithCancelCause(context.Background()) // its end is stored, whatever else ends
	r.cancel = cancel
	s.running.Go(func() { r.live(ctx) })
}

// Stop lets no further run start, ends those that are in progress or wait, and returns when nothing that Open and the
// runs have started is left. It may be called again. What is stored can still be read afterwards.
func (s *Service) Stop() {
	s.end()
	s.queue.close()
	s.running.Wait()
	s.units.close()
	s.past.close()
}

// List returns the configured jobs, in the order of the configuration. The caller must not modify the slice.
func (s *Service) List() []*Job { return *s.configured.Load() }

// Job returns the configured job of that name, nil if there is none.
func (s *Service) Job(name string) *Job {
	list := s.List()
	if i := slices.IndexFunc(list, func(j *Job) bool { return j.Name == name }); i >= 0 {
		return list[i]
	}
	return nil
}

// Topics returns the topics of the configured jobs, in the same order.
func (s *Service) Topics() []*sse.Topic {
	var topics []*sse.Topic
	for _, j := range s.List() {
		topics = append(topics, j.Topic)
	}
	return topics
}

// Cancel cancels a run for every caller that shares it. It reports whether the run was in progress or waited;
// cancelling it again changes nothing. It returns at once, and the run is over when its work has returned.
func (s *Service) Cancel(id string) bool { return s.queue.cancel(id, errCancelled) }

// Queue returns all runs of a job that wait behind the first one, in order.
func (s *Service) Queue(job string) []wire.Waiting { return s.queue.waiting(job) }

// Count returns how many runs of a job are at work, and how many wait.
func (s *Service) Count(job string) (running, queued int) { return s.queue.count(job) }

// ClockSet publishes again when jobs can start next. It is to be called after the wall clock was set.
func (s *Service) ClockSet() { s.queue.advance() }
