package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/command"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/value"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	outputTail   = 16 << 10              // bytes of a run's output in its record
	messageLimit = 200                   // characters of a progress message
	reportPace   = 50 * time.Millisecond // least time between two snapshots that differ in progress alone
	finishWithin = 30 * time.Second      // bound for storing the end of a run
)

var (
	// errCancelled is why a run ends that somebody cancelled.
	errCancelled = errors.New("cancelled")
	// errReplaced is why a run ends whose job was started anew with on_busy: replace.
	errReplaced = errors.New("replaced by a newer start")
	// errStopping is why runs end when the gateway does.
	errStopping = errors.New("tidewire is stopping")
	// errLost is why a run ends whose claim was lost: another process may have begun one.
	errLost = errors.New("the store took the run away: its process was out of reach for too long")
)

// maxShown bounds the waiting runs in a snapshot of their job, which each start makes anew. All are in [gateway.getQueue].
const maxShown = 10

// A Run is one execution of a job, from the trigger on that made it. Its newest state is
// in the topic run/ID; while it is the first of its job it is in that of the job too.
//
// Its goroutine, which [runs.start] begins, owns the claims on both topics, waits for its
// turn, does the work and stores the end. When it may begin, and whether it is in the
// line at all, is up to runs.
type Run struct {
	id      string
	job     *Job
	args    map[string]any   // as bound, secrets included
	secrets *secret.Redactor // of which nobody is shown anything
	wish    StartOptions     // that made it
	output  *Output
	cancel  context.CancelCauseFunc // ends the context of its goroutine

	ready chan struct{} // closed when the run can be seen, or err is set
	front chan struct{} // closed when it is the first of its job
	turn  chan struct{} // closed when it may begin
	done  chan struct{} // closed when its end is in the store
	err   error         // why it cannot be seen; not changed once ready is closed

	begun, stopped bool            // had its turn; was cancelled: guarded by runs.mu
	first          bool            // front is closed: guarded by runs.mu
	after          <-chan struct{} // done of the first of its job before it; nil: there was none; written before front is closed
	created        time.Time       // not changed
	told           bool            // the command has told a message itself; of the run's goroutine

	mu        sync.Mutex // guards the fields below; after runs.mu, before the store's locks
	snap      wire.Run
	started   time.Time // by the monotonic clock; zero: not yet
	queue     []wire.Waiting
	queued    int
	available *time.Time
	own, jobs snapshot.Claim // on run/ID and on the job's topic; nil: not held
	published time.Time
	later     *time.Timer // will publish what came too soon; nil: nothing
}

// newRun returns a run that is in no line yet.
func newRun(j *Job, id string, wish StartOptions, now time.Time) *Run {
	args := wish.Args
	r := &Run{
		id: id, job: j, args: args, wish: wish, created: now,
		output: newOutput(), secrets: j.secrets.With(secretArgs(j.Job, args)...),
		ready: make(chan struct{}), front: make(chan struct{}), turn: make(chan struct{}), done: make(chan struct{}),
	}
	r.snap = wire.Run{
		Key:       j.key,
		ID:        id,
		Job:       j.Name,
		Status:    progress.StatusQueued,
		Trigger:   wish.Trigger,
		Requests:  1,
		Args:      shownArgs(j.Job, args),
		CreatedAt: *j.s.Clock.People(now),
		Events:    j.s.RunPath(id) + "/events",
	}
	return r
}

// shownArgs is args as people may see them.
func shownArgs(j *config.Job, args map[string]any) map[string]any {
	shown := maps.Clone(args)
	for _, arg := range j.Args {
		if _, ok := shown[arg.Name]; ok && arg.Secret {
			shown[arg.Name] = secret.Mask
		}
	}
	return shown
}

// topic names the topic that holds the run.
func (r *Run) topic() string { return runTopic(r.id) }

func runTopic(id string) string { return "run/" + id }

// live is the run's goroutine.
func (r *Run) live(ctx context.Context) {
	s := r.job.s
	log := s.Log.With("job", r.job.Name, "run", r.id)
	defer s.runs.wg.Done()
	defer r.cancel(nil)
	claim, _, err := s.Store.Claim(context.WithoutCancel(ctx), r.topic(), snapshot.ClaimOptions{Run: r.id})
	if err != nil {
		log.Error("a run was not started: the store cannot hold it", "err", err)
		r.err = err
		s.runs.leave(r)
		close(r.done)
		close(r.ready)
		return
	}
	defer r.watch(claim)()
	r.mu.Lock()
	r.own = claim
	r.publishLocked()
	r.mu.Unlock()

	result, err := r.await(ctx, log)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	r.finish(result, err)
	if err != nil {
		log.Warn("run ended", "status", r.Snapshot().Status, "err", r.secrets.Text(err.Error()))
		return
	}
	log.Info("run ended", "status", progress.StatusSucceeded)
	r.job.refreshThen()
}

// await waits for the run's turn and does the work.
func (r *Run) await(ctx context.Context, log *slog.Logger) (result Result, err error) {
	announce := sync.OnceFunc(func() {
		r.wish.audit(r.Snapshot())
		close(r.ready)
	})
	defer announce()
	select {
	case <-r.front: // whoever starts a run that is the first of its job finds it there
	default:
		announce()
	}
	select {
	case <-r.front:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	if r.after != nil {
		<-r.after // the topic of the job is free then
	}
	claim, other, err := r.job.s.Store.Claim(ctx, r.job.key, snapshot.ClaimOptions{Run: r.id})
	if err != nil {
		return Result{}, err
	}
	if claim == nil {
		return Result{}, fmt.Errorf("run %s of another process is in progress", other.Run)
	}
	defer r.watch(claim)()
	r.mu.Lock()
	r.jobs = claim
	r.publishJobLocked()
	r.mu.Unlock()
	announce()
	select {
	case <-r.turn:
	case <-ctx.Done():
		return Result{}, context.Cause(ctx)
	}
	defer func() {
		if p := recover(); p != nil {
			log.Error("run panicked", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("internal error; the log says more")
		}
	}()
	ctx, stop := context.WithTimeoutCause(ctx, r.job.Timeout, clock.TimedOut{After: r.job.Timeout})
	defer stop()
	log.Info("run started")
	result, err = r.job.action.Do(ctx, r)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, err
}

// watch cancels the run if the claim is lost, until the function that it returns is called.
func (r *Run) watch(claim snapshot.Claim) (stop func()) {
	lost := claim.Lost()
	if lost == nil {
		return func() {}
	}
	over := make(chan struct{})
	go func() { // ends with the run
		select {
		case <-lost:
			r.cancel(errLost)
		case <-over:
		}
	}()
	return func() { close(over) }
}

// finish stores how the run ended: first out of the line, so that whoever sees the end
// starts a new run; then the record that stays; then the topic of the job, so that at no
// moment the run is unknown.
func (r *Run) finish(result Result, err error) {
	s := r.job.s
	s.runs.leave(r)
	r.mu.Lock()
	if r.later != nil {
		r.later.Stop()
		r.later = nil
	}
	now := s.Clock.Now()
	took := time.Duration(0) // of a run that has not begun
	if !r.started.IsZero() {
		took = now.Sub(r.started)
	}
	snap := &r.snap
	snap.FinishedAt, snap.ExpiresAt = s.Clock.People(now), s.Clock.People(now.Add(r.job.Keep.For))
	snap.Position, snap.ExitCode, snap.Warned = 0, result.ExitCode, err == nil && result.Warned
	snap.Output, snap.OutputBytes = r.output.end(outputTail)
	switch {
	case err == nil:
		full := 100.0
		snap.Status, snap.Percent = progress.StatusSucceeded, &full
	case errors.As(err, new(clock.TimedOut)):
		snap.Status = progress.StatusTimedOut
	case errors.Is(err, errLost):
		snap.Status = progress.StatusLost
	case errors.Is(err, errCancelled), errors.Is(err, errReplaced), errors.Is(err, errStopping):
		snap.Status = progress.StatusCancelled
	default:
		snap.Status = progress.StatusFailed
	}
	if err != nil {
		text := r.secrets.Text(strings.TrimPrefix(err.Error(), "command: ")) // people read it beside the job's name
		snap.Error = &text
	}
	final, own, jobs := *snap, r.own, r.jobs
	state := wire.Job{Run: final, Queue: []wire.Waiting{}, AvailableAt: r.available}
	r.own, r.jobs = nil, nil // what is published from here on is dropped
	r.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	store := func(claim snapshot.Claim, v any) {
		data, err := json.Marshal(v)
		if err == nil {
			err = claim.Finish(ctx, data, r.job.Keep.For)
		}
		if err != nil {
			s.Log.Error("the end of a run was not stored", "job", r.job.Name, "run", r.id, "err", err)
		}
	}
	s.ended(&final, took)
	s.records.makeRoom(ctx, r.job)
	store(own, final)
	if jobs != nil {
		store(jobs, state)
	}
	close(r.done)
}

// ended records how a run ended that was at work for a time.
func (s *Service) ended(run *wire.Run, took time.Duration) {
	s.Observer.ended(run.Job, string(run.Status), took)
	attrs := []slog.Attr{slog.String("job", run.Job), slog.String("run", run.ID), slog.String("status", string(run.Status))}
	if run.StartedAt != nil {
		attrs = append(attrs, slog.Float64("seconds", took.Seconds()))
	}
	s.Audit("run-ended", attrs...)
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

// Snapshot returns the run's state now.
func (r *Run) Snapshot() wire.Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snap
}

// update changes the run's state and publishes it.
func (r *Run) update(change func(*wire.Run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.snap)
	r.publishLocked()
}

// report changes the run's progress. It is published at once, or within reportPace if
// something was published just before: a command may print a million lines a second.
func (r *Run) report(change func(*wire.Run)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.snap)
	if r.later != nil {
		return
	}
	if wait := reportPace - time.Since(r.published); wait > 0 {
		r.later = time.AfterFunc(wait, func() { r.update(func(*wire.Run) {}) })
		return
	}
	r.publishLocked()
}

// place says who waits behind the run, and when its job can start again.
func (r *Run) place(queue []wire.Waiting, queued int, available *time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := slices.EqualFunc(queue, r.queue, func(a, b wire.Waiting) bool { return a.ID == b.ID && a.Position == b.Position })
	if same && queued == r.queued && (available == r.available || available != nil && r.available != nil && available.Equal(*r.available)) {
		return
	}
	r.queue, r.queued, r.available = queue, queued, available
	r.publishJobLocked()
}

// publishLocked hands the run's state to the store, if that holds the run.
func (r *Run) publishLocked() {
	if r.later != nil {
		r.later.Stop()
		r.later = nil
	}
	if r.own == nil {
		return
	}
	r.published = time.Now()
	r.own.Put(encoded(r.snap))
	r.publishJobLocked()
}

// publishJobLocked hands the state of the job to the store, if the run is its first.
func (r *Run) publishJobLocked() {
	if r.jobs == nil {
		return
	}
	queue := r.queue
	if queue == nil {
		queue = []wire.Waiting{}
	}
	r.jobs.Put(encoded(wire.Job{Run: r.snap, Queue: queue, Queued: r.queued, AvailableAt: r.available}))
}

// encoded is a snapshot as JSON.
func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("jobs: a run cannot be encoded: %v", err)) // it is made of texts, numbers and valid JSON
	}
	return data
}

// plain is a line of output as people may see it, in a terminal too: without secrets, of
// which escape sequences may have parted the characters, and without the first half of one
// where the line was cut.
func (r *Run) plain(line string) string {
	if head, ok := strings.CutSuffix(line, command.CutMark); ok {
		return r.secrets.Cut(text.Plain(head)) + command.CutMark
	}
	return r.secrets.Text(text.Plain(line))
}

// resultOf is a text as the result of the run: JSON without secrets that every decoder reads,
// also within the answers that it is a part of. ok is false if it is none.
func (r *Run) resultOf(data string) (result json.RawMessage, ok bool) {
	result = json.RawMessage(strings.TrimSpace(strings.ToValidUTF8(data, "\uFFFD")))
	if !json.Valid(result) || value.TooDeep(result) {
		return nil, false
	}
	return r.secrets.JSON(result), true
}

// latestRun reads the newest run of a topic.
func latestRun(topic *sse.Topic) (snap wire.Run, ok bool) {
	latest, ok := topic.Latest()
	if !ok || json.Unmarshal(latest.Data, &snap) != nil {
		return wire.Run{}, false
	}
	return snap, true
}
