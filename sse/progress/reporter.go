package progress

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime/debug"
	"sync"
	"time"
)

// Reporter is a Job whose snapshots are a [Progress]. [Job.Run] gives one to the work; its methods may be called from any goroutine, and do
// nothing once the run is over. It adds to what the work says the times, an estimate of the time left, and the word cancelling
// when [Tracker.Cancel] or [Tracker.Shutdown] was called. Work with payloads of its own publishes and finishes through the Job instead.
type Reporter struct {
	*Job

	mu sync.Mutex // guards the fields below, and held while a snapshot is published, so that they leave in order; before Job.mu

	state Progress
	eta   eta
	ended bool
}

// errStopped is the end of work that neither returned nor panicked: it called [runtime.Goexit].
var errStopped = errors.New("the work stopped without a result")

// errPanicked is all that a client is told of a panic.
var errPanicked = errors.New("internal error")

// Run does the work of the job and finishes it, whatever happens. It blocks until then; whoever was told isNew by [Tracker.Start] calls it
// in a goroutine of its own. The first snapshot says running, the terminal is a [Progress] too:
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
	r := &Reporter{Job: job, state: Progress{Status: StatusRunning, StartedAt: time.Now().UTC()}}
	r.Update(func(*Progress) {})
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
		r.finish(end)
	}()
	result, failure := work(ctx, r)
	end = outcomeOf(ctx, result, failure) // here, for methods of what work returned may panic too
	err = nil
}

// Update calls change with the state of the run, which it may change, and publishes it. Times and estimate are set afterwards;
// percents are brought to between 0 and 100. It waits for nobody, but calls of change never overlap: change must not
// call the Reporter, nor wait for who does.
func (r *Reporter) Update(change func(*Progress)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	change(&r.state)
	now := time.Now()
	p := &r.state
	p.UpdatedAt, p.ETA = now.UTC(), nil
	if isAsked(r.Context()) {
		p.Status = StatusCancelling
	}
	if p.Percent != nil && math.IsNaN(*p.Percent) {
		p.Percent = nil
	}
	if p.Percent != nil {
		percent := min(max(*p.Percent, 0), 100)
		p.Percent = &percent // not the caller's variable
		r.eta.update(percent, now)
		if seconds, ok := r.eta.remaining(now); ok {
			p.ETA = &seconds
		}
	}
	r.Publish(r.state)
}

// isAsked reports whether the work was asked to stop.
func isAsked(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return cause == ErrCancelled || cause == ErrEnded
}

// Step publishes that done of total equal parts are done; a total of 0 or less makes the percentage unknown. An empty message leaves
// the one before.
func (r *Reporter) Step(done, total int, message string) {
	r.Update(func(p *Progress) {
		p.Percent = nil
		if total > 0 {
			percent := 100 * float64(done) / float64(total)
			p.Percent = &percent
		}
		if message != "" {
			p.Message = message
		}
	})
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

// finish publishes the terminal.
func (r *Reporter) finish(end outcome) {
	r.mu.Lock()
	r.ended = true
	p := &r.state
	p.UpdatedAt, p.ETA = time.Now().UTC(), nil
	p.Status = end.status
	if end.status == StatusSucceeded {
		full := 100.0
		p.Percent = &full
	}
	if end.result != nil {
		p.Result = end.result
	}
	if end.text != "" {
		p.Error = end.text
	}
	final := r.state
	r.mu.Unlock()
	r.Finish(final)
}
