package jobs

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// OutputTail is how many bytes of the end of a run's output its record has, at most.
const OutputTail = 16 << 10

const (
	finishWithin = 30 * time.Second // bound for bringing the end of a run into the archive
)

// finish stores how the run ended. It leaves the queue first, so that a reader who sees the end can start a new run.
// Then come the topics of the run and of the job, the alert of the job, and last the archive, which gives up the topic of
// the run: there is no moment at which the run is unknown. It returns err, or errLost if that is how all others see the end.
func (r *Run) finish(result Result, err error) error {
	s := r.job.s
	if r.unit != nil && r.unit.isLost() {
		err = errLost
	}
	s.queue.leave(r)
	now, status := s.deps.Clock.Now(), statusOf(err)
	hasWarned := err == nil && result.Warned
	s.ended(r, status, hasWarned, now)
	if r.meanwhile != nil {
		r.meanwhile(errors.Is(err, errLost))
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	before := r.Snapshot()
	r.before.Store(&before)
	isToBegin := errors.Is(err, errStopping) && !r.begun
	failed := r.progress.End(func(p *progress.Progress) {
		p.Status = status
		r.enterStage("") // the last one ends, too
		if err != nil {
			p.Error = r.secrets.Text(
				strings.TrimPrefix(err.Error(), "command: "),
			) // people read it beside the job's name
		}
		more, people := &r.more, s.deps.Clock.People
		more.FinishedAt, more.ExpiresAt = people(now), people(now.Add(r.job.Keep.For))
		if more.Then = thenOf(r.job.Job, r.id, status); isToBegin {
			more.Then = againOf(*more)
		}
		more.Position, more.ExitCode, more.Warned = 0, result.ExitCode, hasWarned
		more.Output, more.OutputBytes = r.output.tail(OutputTail)
		r.behind = tail{shown: []wire.Waiting{}}
	})
	r.before.Store(nil)
	switch {
	case failed == nil:
		s.alertEnded(r.Snapshot())
		s.past.end(ctx, r)
	case r.unit != nil && r.unit.isLost(): // another replica stores that it is lost
		err = errLost
		s.past.leave(r.id)
	default:
		s.deps.Log.Error("the end of a run was not stored", "job", r.job.Name, "run", r.id, "err", failed)
		s.past.leave(r.id)
	}
	r.output.end()
	close(r.done)
	if r.lane != "" {
		s.queue.showAgain(r.job) // whoever shows this one follows the job, which another run of it may be at the head of
	}
	return err
}

// statusOf is the last status of a run that ended with err.
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
func (s *Service) ended(r *Run, status progress.Status, hasWarned bool, now time.Time) {
	if hasWarned {
		status = wire.StatusWarned
	}
	attrs := []slog.Attr{
		slog.String("job", r.job.Name), slog.String("run", r.id), slog.String("status", string(status)),
	}
	if lane := LaneText(r.job.Job, r.args); lane != "" {
		attrs = append(attrs, slog.String("lane", lane))
	}
	took := time.Duration(0) // of a run that has not begun
	r.progress.View(func(p progress.Progress) {
		if !p.StartedAt.IsZero() {
			took = now.Sub(p.StartedAt)
			attrs = append(attrs, slog.Float64("seconds", took.Seconds()))
		}
	})
	s.deps.Observer.ended(r.job.Name, string(status), took)
	s.deps.Audit("run-ended", attrs...)
}
