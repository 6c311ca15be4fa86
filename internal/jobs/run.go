package jobs

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

var (
	// errCancelled is why a run ends that somebody cancelled.
	errCancelled = errors.New("cancelled")
	// errReplaced is why a run ends whose job was started anew with on_busy: replace.
	errReplaced = errors.New("replaced by a newer start")
	// errStopping is why runs end when the gateway does.
	errStopping = errors.New("tidewire is stopping")
	// errOver is why a run that has ended is not shown by its job, or not any more.
	errOver = errors.New("the run is over")
	// errLost is why a run ends whose claim was lost: another process may have begun one.
	errLost = errors.New("the store took the run away: its process was out of reach for too long")
)

// A Run is one execution of a job, from the start that made it to the end of its work. Its newest state is in the topic
// run/ID; while it is at the head of its job's queue, the topic of the job has it too.
//
// Its goroutine, which [Service.Start] begins, has a [progress.Job] on each of both topics, waits until the run is
// admitted, does the work and stores the end. When the run is admitted, and whether it is in the queue at all, is up to
// the queue. What is published of it is a [wire.Run], made of its [progress.Progress] and of what it has beyond that.
type Run struct {
	// Not changed once the run is in the queue.

	id      string
	job     *Job
	unit    *unit            // under which it was begun; nil: no other process shares the store
	counted time.Time        // the start that the unit counts for the limit; zero: none
	opts    StartOptions     // of the start that made it
	args    map[string]any   // as bound, secrets included
	lane    string           // of a job with parallel_by: runs of others are at work beside it; else empty
	secrets *secret.Redactor // those of the job and of the arguments; the goroutine of the run adds those of its request
	output  *output
	created time.Time
	cancel  context.CancelCauseFunc // ends the context of its goroutine

	visible   chan struct{} // closed when readers can see the run, or err is set
	head      chan struct{} // closed when it is at the head of its job's queue
	admission chan struct{} // closed when it is admitted
	left      chan struct{} // closed when it has left the queue
	done      chan struct{} // closed when its end is in the store

	meanwhile func(isLost bool) // ends showMeanwhile, nil if that is not at work; belongs to its goroutine

	filed int64 // bytes in its files; belongs to its goroutine
	begun bool  // it does its work, or did; belongs to its goroutine

	err error // why it cannot be seen; written before visible is closed

	// Guarded by queue.mu.

	isHead    bool            // head is closed
	admitted  bool            // admission is closed
	cancelled bool            // cancel was called
	previous  <-chan struct{} // done of the head before it; nil: there was none; written before head is closed

	before atomic.Pointer[wire.Run] // the state before the end, while that is being stored; nil: the end counts

	progress *progress.Publisher // its lock, which is taken after queue.mu, guards the fields below

	more      wire.Run   // what the progress does not have
	updated   time.Time  // what more.UpdatedAt was converted from
	behind    tail       // in the queue of the job
	available *time.Time // when the job can start again; nil: now
}

// newRun returns a run that is not in the queue yet.
func newRun(j *Job, id string, opts StartOptions, now time.Time) *Run {
	return &Run{
		id:      id,
		job:     j,
		unit:    opts.unit,
		opts:    opts,
		args:    opts.Args,
		lane:    laneOf(j.Job, opts.Args),
		secrets: j.secrets.With(secretArgs(j.Job, opts.Args)...),
		output: &output{
			archive: j.s.deps.Archive, clock: j.s.deps.Clock, keep: j.Keep.Output,
			text: part{name: id}, index: part{name: archive.IndexOf(id)}, styles: part{name: archive.StylesOf(id)},
		},
		created:   now,
		visible:   make(chan struct{}),
		head:      make(chan struct{}),
		admission: make(chan struct{}),
		left:      make(chan struct{}),
		done:      make(chan struct{}),
		progress: progress.NewPublisher(&progress.PublisherOptions{
			Status: progress.StatusQueued,
			Now:    j.s.deps.Clock.Now,
		}),
		behind: tail{shown: []wire.Waiting{}},
		more:   startedAs(j, id, opts, now),
	}
}

// startedAs is what a start says of its run.
func startedAs(j *Job, id string, opts StartOptions, now time.Time) wire.Run {
	return wire.Run{
		Key:       j.key,
		ID:        id,
		Job:       j.Name,
		Trigger:   opts.Trigger,
		By:        opts.By,
		Requests:  1,
		Args:      shownArgs(j.Job, opts.Args),
		Like:      opts.Like,
		After:     opts.After,
		CreatedAt: *j.s.deps.Clock.People(now),
		Events:    j.s.deps.RunPath(id) + "/events",
		Replica:   j.s.ownName(),
	}
}

// runTopic names the topic that holds a run.
func runTopic(id string) string { return "run/" + id }

// isVisible reports whether readers can see the run.
func (r *Run) isVisible() bool {
	select {
	case <-r.visible:
		return r.err == nil
	default:
		return false
	}
}

// Wait waits for the end of the run, for at most that long or until ctx ends.
func (r *Run) Wait(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-r.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// startWithin bounds the time for storing that there is a run.
const startWithin = 30 * time.Second

// announceWithin bounds the wait for a slow store until a start is answered all the same.
const announceWithin = time.Second

// live is the run's goroutine.
func (r *Run) live(ctx context.Context) {
	s := r.job.s
	log := s.deps.Log.With("job", r.job.Name, "run", r.id)
	defer r.cancel(nil)
	defer s.units.over(r.unit)
	defer s.units.dropStart(r)
	s.past.begin(r)
	s.keepKey(r.unit, r.job, r.opts, r.id) // before the run: a crash leaves no run that its key does not lead to
	s.units.keepStart(r)
	// A run that is cancelled by now still has a record. Starts wait for each other, so that takes this long for all.
	patience, enough := context.WithTimeout(context.WithoutCancel(ctx), startWithin)
	stop, _, err := r.show(patience, runTopic(r.id), func(p progress.Progress) any { return r.wire(p) })
	enough()
	switch {
	case err != nil:
		log.Error("a run was not started: the store cannot hold it", "err", err)
		s.past.drop(r.id)
	case stop == nil: // by another configuration, another process has the timetable too
		err = errElsewhere
		s.past.leave(r.id)
	}
	if err != nil {
		r.err = err
		s.queue.leave(r)
		close(r.done)
		close(r.visible)
		return
	}
	defer stop()
	result, err := r.await(ctx, log)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err = r.finish(result, err); err != nil {
		log.Warn("run ended", "status", r.Snapshot().Status, "err", r.secrets.Text(err.Error()))
	} else {
		log.Info("run ended", "status", progress.StatusSucceeded)
	}
	end := r.Snapshot()
	if next := nextOf(r.job.Job, end.Status); next != nil && len(next.Run)+len(next.Refresh) > 0 && !errors.Is(err, errLost) {
		s.spawn(func() { s.follow(r.job.Job, end, r.args) }) // of a lost run, whoever finds its end does so
	}
}

// await waits until the run is admitted, and does the work.
func (r *Run) await(ctx context.Context, log *slog.Logger) (Result, error) {
	announce := sync.OnceValue(func() error {
		defer close(r.visible)
		bounded, enough := context.WithTimeout(ctx, announceWithin)
		_ = r.job.s.deps.Store.Sync(bounded) // a start that was answered is known after a crash
		enough()
		if err := r.job.s.units.stored(ctx, r.unit); errors.Is(err, errLost) {
			r.err = errElsewhere // whoever holds the unit now may not know of it, and may be asked again with its key
			return errLost
		}
		r.opts.Recorded(r.Snapshot())
		return nil
	})
	defer announce()
	isHead := false
	select {
	case <-r.head: // the caller is to find the run in the topic of the job, too
		isHead = true
	default:
		if err := announce(); err != nil {
			return Result{}, err
		}
	}
	if r.lane != "" && !isHead {
		r.meanwhile = r.showMeanwhile(ctx, announce)
	} else {
		stop, err := r.showAtHead(ctx, announce)
		if err != nil {
			return Result{}, err
		}
		defer stop()
	}
	if err := announce(); err != nil {
		return Result{}, err
	}
	select {
	case <-r.admission:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	if isUnattended(r.opts.Trigger) { // as long as the store has it as one that waits, another one may take its place
		switch err := r.job.s.deps.Store.Stored(ctx, runTopic(r.id)); {
		case errors.Is(err, snapshot.ErrLost):
			return Result{}, errLost
		case err != nil && ctx.Err() != nil:
			return Result{}, err
		} // a disk that fails keeps no run from beginning
	}
	r.begun = true
	r.job.s.alertBegun(r.job.Name)
	return r.work(ctx, log)
}

// showAtHead publishes the run in the topic of its job as [Run.showJob] does, when it is at the head of the queue of that.
func (r *Run) showAtHead(ctx context.Context, announce func() error) (stop func() bool, err error) {
	select {
	case <-r.head:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if r.previous != nil {
		<-r.previous // the topic of the job is free then
	}
	return r.showJob(ctx, announce)
}

// showMeanwhile does showAtHead while the run waits and works, which others of its job do before and beside it. It is to be ended
// when the run has left the queue. A run that has come to the head by then is shown all the same, unless it is lost: the head
// before it has ended first, so the job would show an older end than its.
func (r *Run) showMeanwhile(ctx context.Context, announce func() error) (end func(isLost bool)) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := func() bool { return false }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-r.head:
		case <-r.left:
			if !r.wasHead() {
				return
			}
		}
		shown, err := r.showAtHead(ctx, announce)
		switch {
		case err == nil:
			stop = shown
		case ctx.Err() == nil:
			r.cancel(err) // which does nothing if it is over
		}
	}()
	return func(isLost bool) {
		if isLost {
			cancel(errLost)
		}
		enough := time.AfterFunc(finishWithin, func() { cancel(errOver) })
		<-ended
		enough.Stop()
		cancel(errOver)
		stop()
	}
}

// wasHead reports whether the run is at the head of its job's queue, or has been.
func (r *Run) wasHead() bool {
	select {
	case <-r.head:
		return true
	default:
		return false
	}
}

// otherAgain is how often is looked whether the run of another process has ended.
const otherAgain = 500 * time.Millisecond

// showJob publishes the run in the topic of its job, as soon as that is free. It is not while another process has a run of the
// job, which it began when the job was in another unit, or by a configuration where it still is.
func (r *Run) showJob(ctx context.Context, announce func() error) (stop func() bool, err error) {
	for waited := false; ; waited = true {
		stop, other, err := r.show(ctx, r.job.key, func(p progress.Progress) any { return r.wireJob(p) })
		if err != nil || stop != nil {
			if waited {
				r.update(func(p *progress.Progress) { p.Message = "" })
			}
			return stop, err
		}
		if !waited {
			r.update(func(p *progress.Progress) { p.Message = "waits for run " + other + " of another replica" })
		}
		if err := announce(); err != nil {
			return nil, err
		}
		select {
		case <-time.After(otherAgain):
		case <-r.left:
			return nil, errOver
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// work has the job's action do the work.
func (r *Run) work(ctx context.Context, log *slog.Logger) (result Result, err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("run panicked", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("internal error; the log says more")
		}
	}()
	ctx, stop := context.WithTimeoutCause(ctx, r.job.Timeout, clock.TimedOut{After: r.job.Timeout})
	defer stop()
	log.Info("run started")
	r.keepGiven()
	result, err = r.job.action.Do(ctx, r)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, err
}
