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
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
)

const (
	outputTail   = 16 << 10         // bytes of a run's output in its record
	messageLimit = 200              // characters of a progress message
	finishWithin = 30 * time.Second // bound for making room for the end of a run
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

// maxShown bounds the waiting runs in a snapshot of their job, which each start makes anew. All are in
// [gateway.getQueue].
const maxShown = 10

// A Run is one execution of a job, from the trigger on that made it. Its newest state is
// in the topic run/ID; while it is the first of its job it is in that of the job too.
//
// Its goroutine, which [runs.start] begins, has a [progress.Job] on each of both topics, waits
// for its turn, does the work and stores the end. When it may begin, and whether it is in the
// line at all, is up to runs. What is published of it is a [wire.Run], made of its
// [progress.Progress] and of what it has beyond that.
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

	progress *progress.Publisher // its lock, which is taken after runs.mu, guards the fields below

	more      wire.Run  // what the progress does not have
	updated   time.Time // of which more.UpdatedAt is what people are shown
	queue     []wire.Waiting
	queued    int
	available *time.Time
}

// newRun returns a run that is in no line yet.
func newRun(j *Job, id string, wish StartOptions, now time.Time) *Run {
	args := wish.Args
	r := &Run{
		id: id, job: j, args: args, wish: wish, created: now,
		output: newOutput(), secrets: j.secrets.With(secretArgs(j.Job, args)...),
		ready: make(chan struct{}), front: make(chan struct{}), turn: make(chan struct{}), done: make(chan struct{}),
		progress: progress.NewPublisher(&progress.PublisherOptions{Status: progress.StatusQueued, Now: j.s.Clock.Now}),
	}
	r.more = wire.Run{
		Key:       j.key,
		ID:        id,
		Job:       j.Name,
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
	stop, _, err := r.show(context.WithoutCancel(ctx), r.topic(), func(p progress.Progress) any { return r.wire(p) })
	if err != nil {
		log.Error("a run was not started: the store cannot hold it", "err", err)
		r.err = err
		s.runs.leave(r)
		close(r.done)
		close(r.ready)
		return
	}
	defer stop()

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
	stop, other, err := r.show(ctx, r.job.key, func(p progress.Progress) any { return r.wireJob(p) })
	if err != nil {
		return Result{}, err
	}
	if stop == nil {
		return Result{}, fmt.Errorf("run %s of another process is in progress", other)
	}
	defer stop()
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
	ctx, cancel := context.WithTimeoutCause(ctx, r.job.Timeout, clock.TimedOut{After: r.job.Timeout})
	defer cancel()
	log.Info("run started")
	result, err = r.job.action.Do(ctx, r)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, err
}

// show publishes the run in a topic too, and cancels it if it loses that, until stop is called. If another run is in
// progress there, stop is nil, and other is the id of that.
func (r *Run) show(ctx context.Context, topic string, payload func(progress.Progress) any) (stop func() bool, other string, err error) {
	opts := progress.StartOptions{Run: r.id, Retention: r.job.Keep.For, Payload: payload}
	job, isNew, err := r.job.s.Tracker.StartAs(ctx, topic, opts)
	if err != nil {
		return nil, "", err
	}
	if !isNew {
		return nil, job.ID(), nil
	}
	r.progress.Show(job)
	return context.AfterFunc(job.Context(), func() {
		if context.Cause(job.Context()) == progress.ErrLost {
			r.cancel(errLost)
		}
	}), "", nil
}

// finish stores how the run ended: first out of the line, so that whoever sees the end
// starts a new run; then the record that stays; then the topic of the job, so that at no
// moment the run is unknown.
func (r *Run) finish(result Result, err error) {
	s := r.job.s
	s.runs.leave(r)
	now, status := s.Clock.Now(), statusOf(err)
	s.ended(r, status, now)
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	s.records.makeRoom(ctx, r.job, r.id, *s.Clock.People(now))
	failed := r.progress.End(func(p *progress.Progress) {
		p.Status = status
		if err != nil {
			p.Error = r.secrets.Text(strings.TrimPrefix(err.Error(), "command: ")) // people read it beside the job's name
		}
		more := &r.more
		more.FinishedAt, more.ExpiresAt = s.Clock.People(now), s.Clock.People(now.Add(r.job.Keep.For))
		more.Position, more.ExitCode, more.Warned = 0, result.ExitCode, err == nil && result.Warned
		more.Output, more.OutputBytes = r.output.end(outputTail)
		r.queue, r.queued = nil, 0
	})
	if failed != nil {
		s.Log.Error("the end of a run was not stored", "job", r.job.Name, "run", r.id, "err", failed)
		s.records.drop(r.id)
	}
	close(r.done)
}

// statusOf is the word for the end of a run with that error.
func statusOf(err error) progress.Status {
	switch {
	case err == nil:
		return progress.StatusSucceeded
	case errors.As(err, new(clock.TimedOut)):
		return progress.StatusTimedOut
	case errors.Is(err, errLost):
		return progress.StatusLost
	case errors.Is(err, errCancelled), errors.Is(err, errReplaced), errors.Is(err, errStopping):
		return progress.StatusCancelled
	}
	return progress.StatusFailed
}

// ended records how a run ends now, and how long it was at work.
func (s *Service) ended(r *Run, status progress.Status, now time.Time) {
	attrs := []slog.Attr{slog.String("job", r.job.Name), slog.String("run", r.id), slog.String("status", string(status))}
	took := time.Duration(0) // of a run that has not begun
	r.progress.View(func(p progress.Progress) {
		if !p.StartedAt.IsZero() {
			took = now.Sub(p.StartedAt)
			attrs = append(attrs, slog.Float64("seconds", took.Seconds()))
		}
	})
	s.Observer.ended(r.job.Name, string(status), took)
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
func (r *Run) Snapshot() (snap wire.Run) {
	r.progress.View(func(p progress.Progress) { snap = r.wire(p) })
	return snap
}

// wire is the run as it is published. It is called with the lock of r.progress held.
func (r *Run) wire(p progress.Progress) wire.Run {
	people := r.job.s.Clock.People
	if r.more.StartedAt == nil {
		r.more.StartedAt = people(p.StartedAt)
	}
	if p.UpdatedAt != r.updated { // each time is converted once: it does not change when the clock is set
		r.updated, r.more.UpdatedAt = p.UpdatedAt, *people(p.UpdatedAt)
	}
	snap := r.more
	snap.Status, snap.Percent, snap.ETA = p.Status, p.Percent, p.ETA
	snap.Stage, snap.Message, snap.Result = p.Stage, p.Message, p.Result
	if p.Error != "" {
		snap.Error = &p.Error
	}
	return snap
}

// wireJob is the run as the topic of its job has it. It is called with the lock of r.progress held.
func (r *Run) wireJob(p progress.Progress) wire.Job {
	queue := r.queue
	if queue == nil {
		queue = []wire.Waiting{}
	}
	return wire.Job{Run: r.wire(p), Queue: queue, Queued: r.queued, AvailableAt: r.available}
}

// update changes the run's state and publishes it at once.
func (r *Run) update(change func(*progress.Progress)) {
	r.progress.Update(change)
	r.progress.Flush()
}

// report changes the run's progress, which is published at a pace: a command may print a million lines a second.
func (r *Run) report(change func(*progress.Progress)) { r.progress.Update(change) }

// place says who waits behind the run, and when its job can start again. runs.mu is held.
func (r *Run) place(queue []wire.Waiting, queued int, available *time.Time) {
	var same bool
	r.progress.View(func(progress.Progress) {
		same = queued == r.queued && slices.EqualFunc(queue, r.queue, func(a, b wire.Waiting) bool {
			return a.ID == b.ID && a.Position == b.Position
		}) && (available == r.available || available != nil && r.available != nil && available.Equal(*r.available))
	})
	if !same {
		r.progress.Refresh(r.job.key, func() { r.queue, r.queued, r.available = queue, queued, available })
	}
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
func (s *Service) latestRun(topic *sse.Topic) (snap wire.Run, ok bool) {
	latest, ok := s.Store.Latest(topic)
	if !ok || json.Unmarshal(latest.Data, &snap) != nil {
		return wire.Run{}, false
	}
	return snap, true
}
