// Package jobs runs the jobs of a configuration: it decides when each start may begin, does the work as a command or as
// an HTTP request, publishes how it goes, and keeps what came of it.
//
// A [Service] has the jobs that are configured now. Its state lives in a [snapshot.Store]: the newest state of each run
// in the topic run/ID, and in the topic job/NAME that of the job's first run, with the queue behind it. Streams read these
// topics; decisions and answers are made of what the process has written last, see [own.Store.Latest].
package jobs

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/own"
	"github.com/tidewire/tidewire/internal/upstream"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

// Deps is what a [Service] uses. Every field but Observer must be set.
type Deps struct {
	Scheduler *smartpoll.Scheduler // starts jobs at their times
	Store     *own.Store           // where runs live
	Tracker   *progress.Tracker    // begins and ends them there
	Hub       *sse.Hub             // serves the topics of the store
	Log       *slog.Logger
	Clock     *clock.Clock
	Client    *http.Client   // makes the requests of HTTP jobs
	Upstreams *upstream.Pool // whose limits these keep

	// Audit records what happened by itself: a start by schedule, the end of a run.
	Audit func(action string, attrs ...slog.Attr)
	// Refresh has a source polled at once, and returns 0, or how long the limit of its upstream forbids that. It fails
	// when polling has ended, and with ctx. A source that is not configured is not an error.
	Refresh func(ctx context.Context, source string) (wait time.Duration, err error)
	// RunPath is the path at which a run is served.
	RunPath func(id string) string
	// Observer is told what happens. Nil means nobody is.
	Observer *Observer
	// Stopping is done when no new work should begin. [Service.Stop] ends the runs.
	Stopping context.Context
}

// An Observer is told what happens to runs. A nil Observer and nil funcs are fine. Funcs are called from many goroutines,
// and must not block.
type Observer struct {
	// Ended is called when a run has ended, with its last status and the time that it was at work.
	Ended func(job, status string, took time.Duration)
}

func (o *Observer) ended(job, status string, took time.Duration) {
	if o != nil && o.Ended != nil {
		o.Ended(job, status, took)
	}
}

// A Service has the jobs of a configuration and their runs. Its methods may be called from any goroutine, unless they
// say otherwise.
//
// Goroutines: each run has one, which [Service.Stop] ends and waits for. Two follow the store and end with the context
// given to [Open].
type Service struct {
	Deps
	configured atomic.Pointer[[]*Job]
	runs       *runs
	records    *records
}

// Open returns a Service without jobs, once all that the store holds of runs is known. [Service.Prepare] brings jobs.
func Open(ctx context.Context, deps Deps) (*Service, error) {
	s := &Service{Deps: deps}
	s.configured.Store(new([]*Job))
	s.runs = newRuns(s)
	var err error
	if s.records, err = openRecords(ctx, s); err != nil {
		return nil, err
	}
	return s, nil
}

// Stop lets no further run start, ends those that are in progress or wait, and returns when all of them are over.
func (s *Service) Stop() { s.runs.stop() }

// List is the configured jobs, in the order of the configuration. The caller must not modify it.
func (s *Service) List() []*Job { return *s.configured.Load() }

// Job returns the job of that name, nil if there is none.
func (s *Service) Job(name string) *Job {
	list := s.List()
	if i := slices.IndexFunc(list, func(j *Job) bool { return j.Name == name }); i >= 0 {
		return list[i]
	}
	return nil
}

// Topics are the topics of the configured jobs, in their order.
func (s *Service) Topics() []*sse.Topic {
	var topics []*sse.Topic
	for _, j := range s.List() {
		topics = append(topics, j.Topic)
	}
	return topics
}

// Lookup finds the newest state of a run and the topic that it is in. It reports false if there is no such run, or no
// more.
func (s *Service) Lookup(id string) (*sse.Topic, wire.Run, bool) {
	topic, ok := s.Hub.Lookup(runTopic(id))
	if !ok {
		return nil, wire.Run{}, false
	}
	snap, ok := s.latestRun(topic)
	return topic, snap, ok && snap.ID == id
}

// HasExpired reports whether there was a run of that id which is forgotten, as far as is remembered.
func (s *Service) HasExpired(id string) bool { return s.records.hasExpired(id) }

// Definition is the definition of the job that a run is of, nil if that is not known. A job that is configured counts as
// it is now, and one that is not any more as it was when the run began.
func (s *Service) Definition(id string) *config.Job {
	if _, run, ok := s.Lookup(id); ok {
		if j := s.Job(run.Job); j != nil {
			return j.Job
		}
	}
	if r := s.runs.find(id); r != nil {
		return r.job.Job
	}
	return nil
}

// Cancel ends a run for every caller that joined it, and reports whether it was not over. It returns at once; the run is
// over when its work is.
func (s *Service) Cancel(id string) bool { return s.runs.cancel(id, errCancelled) }

// Queue is all runs of a job that wait behind its first one, in order.
func (s *Service) Queue(job string) []wire.Waiting { return s.runs.queueOf(job) }

// Count returns how many runs of a job are at work, and how many wait.
func (s *Service) Count(job string) (running, queued int) { return s.runs.count(job) }

// Output returns the output of a run as far as this process has it: of every run that is not over, and of the newest one
// of each job. It is nil for others.
func (s *Service) Output(id string) *Output { return s.runs.outputOf(id) }

// ClockSet publishes anew when jobs can start again: it is to be called when the wall clock was set.
func (s *Service) ClockSet() { s.runs.clockSet() }
