package progress

import (
	"context"
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/snapshot"
)

// StartOptions are the options of [Tracker.StartAs]. The zero value is the default.
type StartOptions struct {
	// Run is the id for a new run: 1 to 40 ASCII letters and digits, never used before on the topic in this store, though
	// perhaps in that of an earlier process, whose run is taken up. An Orphan of that id that [Options].Lost leaves alone
	// is adopted: its snapshots go on. StartAs panics if Run has another form. Empty means a random id.
	Run string

	// KeepFinal joins a retained run instead of replacing it with a new one, as [Tracker.StartOrJoin] does.
	KeepFinal bool

	// Payload makes the payload that [Job.Run] or a [Publisher] publishes for a [Progress], for a run with more to
	// show. It must not call the Publisher. A payload that cannot be encoded, or a panic, is logged, as for
	// [Job.Publish]. Nil means the Progress itself.
	Payload func(Progress) any
}

// Start begins a new run on topic, or joins the one that is running. isNew tells which: of any number of concurrent
// callers exactly one gets true and does the work. The others get the same Job. A retained terminal is dropped. A run
// whose writer is gone is ended first, as lost.
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
	if strings.HasPrefix(topic, asking) {
		return nil, false, fmt.Errorf("progress: start %q: %w", topic, errReserved)
	}
	for isLater := false; ; isLater = true {
		s, isMine, err := t.enter(topic)
		if err != nil {
			return nil, false, err
		}
		if isMine {
			return t.claim(ctx, topic, opts, s)
		}
		select {
		case <-s.over:
		case <-ctx.Done():
			if t.accepting.Err() != nil {
				return nil, false, errEndedBefore(topic)
			}
			return nil, false, fmt.Errorf("progress: start %q: %w", topic, context.Cause(ctx))
		}
		if s.answers(opts, isLater) {
			return s.job, false, s.err
		}
	}
}

func errEndedBefore(topic string) error { return fmt.Errorf("%w: %q was not started", ErrEnded, topic) }

// A start claims a topic. The others that come meanwhile wait for what it finds: a claim each would be a queue before a
// store out of the process.
type start struct {
	over chan struct{} // closed when the start is over; made under Tracker.mu by the first that waits

	// The fields below do not change once over is closed.

	job    *Job
	isNew  bool
	err    error
	keeps  bool // job may be one that had ended before
	failed bool // for a reason that is its own, such as the end of its context
}

// enter returns the start that claims topic at the moment, or else a new one, which is the caller's to do.
func (t *Tracker) enter(topic string) (s *start, isMine bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.accepting.Err() != nil {
		return nil, false, errEndedBefore(topic)
	}
	if s = t.starting[topic]; s == nil {
		if s = t.unused; s == nil {
			s = new(start)
		}
		*s, t.unused = start{failed: true}, nil
		t.starting[topic] = s
		return s, true, nil
	}
	if s.over == nil {
		s.over = make(chan struct{})
	}
	return s, false, nil
}

// claim does s, and returns what it found.
func (t *Tracker) claim(ctx context.Context, topic string, opts StartOptions, s *start) (*Job, bool, error) {
	defer func() { // also after a panic
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.starting, topic)
		if s.over != nil {
			close(s.over)
		} else {
			t.unused = s
		}
		t.changedLocked()
	}()
	job, isNew, err := t.begin(ctx, topic, opts)
	s.job, s.isNew, s.err = job, isNew, err
	s.keeps = opts.KeepFinal
	s.failed = err != nil && ctx.Err() != nil
	return job, isNew, err
}

// answers reports whether what s found answers a start that has waited for it. isLater tells that s began after that
// one: if not, what s joined may have ended in between.
func (s *start) answers(opts StartOptions, isLater bool) bool {
	switch {
	case s.failed:
		return false
	case s.err != nil || s.isNew:
		return true
	}
	return isLater && (opts.KeepFinal || !s.keeps)
}

// begin begins a run or joins one.
func (t *Tracker) begin(ctx context.Context, topic string, opts StartOptions) (*Job, bool, error) {
	for {
		claim, entry, err := t.store.Claim(ctx, topic, snapshot.ClaimOptions{Run: opts.Run, KeepFinal: opts.KeepFinal})
		again := false
		if claim == nil && err == nil {
			claim, entry, again, err = t.meetOrphan(ctx, entry, opts)
		}
		if err != nil {
			return nil, false, fmt.Errorf("progress: start %q: %w", topic, err)
		}
		if !again {
			return t.jobOf(entry, claim, opts), claim != nil, nil
		}
	}
}

// jobOf returns this process's one Job for the run of entry. The store has already passed the run to apply; if it has
// also passed on the run's end, the Job is over.
func (t *Tracker) jobOf(entry snapshot.Entry, claim snapshot.Claim, opts StartOptions) *Job {
	t.mu.Lock()
	defer t.mu.Unlock()
	rec := t.records[entry.Topic]
	if rec.run == entry.Run && rec.job != nil && claim == nil {
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
	if rec.job != nil {
		rec.job.end(ErrLost) // it only named the run, which this process has adopted now
	}
	if claim != nil {
		rec.orphan.settle() // whoever waits joins it
	}
	rec.job = job
	t.records[entry.Topic] = rec
	if _, isAsked := t.asked[job.run]; isAsked {
		job.requestCancel(ErrCancelled)
	}
	return job
}
