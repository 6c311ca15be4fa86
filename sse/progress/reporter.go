package progress

import (
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
)

// Reporter is a Job with its [Publisher]: what [Job.Run] gives to the work. Its methods may be called from any
// goroutine, and do nothing once the run is over. It adds to what the work says the times, an estimate of the time
// left, and the word cancelling when [Tracker.Cancel] or [Tracker.Shutdown] was called. Work that is a run of another
// kind makes a Publisher of its own instead, or publishes and finishes through the Job.
type Reporter struct {
	*Job
	*Publisher
}

// errStopped is the end of work that neither returned nor panicked: it called [runtime.Goexit].
var errStopped = errors.New("the work stopped without a result")

// errPanicked is all that a client is told of a panic.
var errPanicked = errors.New("internal error")

// Run does the work of the job and finishes it, whatever happens. It blocks until then; whoever was told isNew by
// [Tracker.Start] calls it in a goroutine of its own. The first snapshot says running, the terminal is a [Progress]
// too:
//
//   - succeeded, 100 percent, with result encoded as JSON, if work returns no error;
//   - cancelled, if it returns one after ctx ended; timed_out, if its error is [context.DeadlineExceeded];
//   - failed, for any other error, a result that cannot be encoded, and a panic, also of methods of the result and the error,
//     which is logged with its stack, and of which clients learn no more than "internal error".
//
// A result beside an error is kept. ctx is [Job.Context]. If work calls Finish itself, that is the terminal.
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
			r.Update(func(*Progress) {}) // which says so
		}
	})
	defer stop()
	var end outcome
	err := errStopped // of work that does not return
	defer func() {
		if p := recover(); p != nil {
			r.tracker.log.Error("work panicked", "topic", r.topic, "run", r.run, "panic", p, "stack", string(debug.Stack()))
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
	end = outcomeOf(ctx, result, failure) // here, for methods of what work returned may panic too
	err = nil
}

// isAsked reports whether the work was asked to stop.
func isAsked(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause == ErrCancelled || cause == ErrEnded
}

// outcome is how the work has ended.
type outcome struct {
	status Status
	result json.RawMessage
	text   string // why it ended otherwise than well
}

// outcomeOf returns what it means that work has returned result and err. It calls their methods.
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
	case o.status != StatusCancelled || !asked: // else there is no more to say than that word
		o.text = err.Error()
	case context.Cause(ctx) == ErrEnded:
		o.text = "the service is stopping"
	}
	return o
}

// apply makes o the end of a run.
func (o outcome) apply(p *Progress) {
	p.Status = o.status
	if o.result != nil {
		p.Result = o.result
	}
	if o.text != "" {
		p.Error = o.text
	}
}
