package progress

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
)

// Reporter is a Job with its [Publisher], which [Job.Run] passes to the work. Its methods may be called from any
// goroutine, and do nothing once the run is over. To the reports of the work it adds the times, an estimate of the time
// left, and the status cancelling when [Tracker.Cancel] or [Tracker.Shutdown] was called. For other kinds of runs make
// a Publisher instead, or publish and finish through the Job.
type Reporter struct {
	*Job
	*Publisher
}

// errStopped is the error of work that neither returned nor panicked: it called [runtime.Goexit].
var errStopped = errors.New("the work stopped without a result")

// errPanicked is all that a client learns about a panic.
var errPanicked = errors.New("internal error")

// Run does the work of the job and finishes it, whatever happens. It blocks until then; the caller for whom
// [Tracker.Start] returned isNew calls it in a new goroutine. The first snapshot has the status running; the terminal
// is also a [Progress]:
//
//   - succeeded, 100 percent, with result encoded as JSON, if work returns no error;
//   - cancelled, if it returns one after ctx ended; timed_out, if its error is [context.DeadlineExceeded];
//   - failed, for any other error, a result that cannot be encoded, and a panic, also one in a method of the result or
//     the error. A panic is logged with its stack; clients only see "internal error".
//
// A result returned with an error is kept. ctx is the [Job.Context]. If work itself calls Finish, that sets the
// terminal.
func (j *Job) Run(work func(ctx context.Context, report *Reporter) (result any, err error)) {
	newReporter(j).do(work)
}

// newReporter publishes the first snapshot of job.
func newReporter(job *Job) *Reporter {
	job.tracker.beginWork(job) // do ends it
	r := &Reporter{job, NewPublisher(nil)}
	ctx := job.Context()
	r.asked = func() bool { return isAsked(ctx) }
	r.Show(job)
	return r
}

func (r *Reporter) do(work func(context.Context, *Reporter) (any, error)) {
	defer r.tracker.endWork(r.Job)
	ctx := r.Context()
	stop := context.AfterFunc(ctx, func() {
		if isAsked(ctx) {
			r.Update(func(*Progress) {}) // publishes the first snapshot
		}
	})
	defer stop()
	var end outcome
	err := errStopped // unless work returns
	defer func() {
		if p := recover(); p != nil {
			r.tracker.log.Error(
				"work panicked", "topic", r.topic, "run", r.run, "panic", p, "stack", string(debug.Stack()))
			err = errPanicked
		}
		if err != nil {
			end = outcomeOf(ctx, nil, err)
		}
		if err := r.End(end.apply); err != nil {
			r.tracker.log.Error("terminal not stored", "topic", r.topic, "run", r.run, "err", err)
		}
	}()
	result, failure := work(ctx, r)
	end = outcomeOf(ctx, result, failure) // within reach of recover: methods of result and err may panic too
	err = nil
}

// isAsked reports whether the work was asked to stop.
func isAsked(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause == ErrCancelled || cause == ErrEnded
}

// outcome describes how the work has ended.
type outcome struct {
	status Status
	result json.RawMessage
	text   string // why it did not succeed
}

// outcomeOf returns the outcome of work that returned result and err. It calls their methods.
func outcomeOf(ctx context.Context, result any, err error) (o outcome) {
	if result != nil {
		encoded, encodeErr := json.Marshal(result)
		if encodeErr == nil {
			o.result = encoded
		} else if err == nil {
			err = errors.New("the result cannot be encoded: " + encodeErr.Error())
		}
	}
	switch {
	case err == nil:
		o.status = StatusSucceeded
		return o
	case context.Cause(ctx) == ErrLost:
		o.status = StatusLost
	case ctx.Err() != nil:
		o.status = StatusCancelled
	case errors.Is(err, context.DeadlineExceeded):
		o.status = StatusTimedOut
	default:
		o.status = StatusFailed
	}
	asked := errors.Is(err, context.Canceled) || errors.Is(err, ErrCancelled) || errors.Is(err, ErrEnded)
	switch {
	case o.status != StatusCancelled || !asked: // otherwise the status says it all
		o.text = err.Error()
	case context.Cause(ctx) == ErrEnded:
		o.text = "the service is stopping"
	}
	return o
}

// apply sets o as the end of a run.
func (o outcome) apply(p *Progress) {
	p.Status = o.status
	if o.result != nil {
		p.Result = o.result
	}
	if o.text != "" {
		p.Error = o.text
	}
}
