package progress

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"
)

const (
	defaultPace = 50 * time.Millisecond
	burst       = 20 // snapshots that are published at once before the pace applies
)

// PublisherOptions are the options of [NewPublisher]. The zero value is the default.
type PublisherOptions struct {
	// Status is the first status: [StatusQueued] or [StatusRunning]. Empty means StatusRunning.
	Status Status

	// Pace bounds how often snapshots that differ only in progress are published: after a burst of 20, one per Pace.
	// Zero means 50 ms; a negative Pace publishes every one.
	Pace time.Duration

	// Now is the clock of StartedAt and UpdatedAt, and of the estimate. Nil means [time.Now].
	Now func() time.Time
}

// A Publisher keeps the [Progress] of a run and publishes it on the topics of one or more [Job]s, each with its own
// payload ([StartOptions].Payload). It ensures what all runs have in common: a status that never goes back; percentages
// between 0 and 100; the times and an estimate of the time left; snapshots that are published in order, and no faster
// than a person could read them; and exactly one end.
//
// [Job.Run] and [Handler] do all of this for a work function. Use a Publisher directly for a run that exists before it
// has a topic, waits in a queue, appears in two topics, or ends in its own way.
//
// Its methods may be called from any goroutine. The functions passed to it (change, view, and the payload functions)
// are called with the Publisher's lock held, so calls never overlap; they must not call the Publisher, nor wait for a
// goroutine that does. So the lock also guards any other data that the payload functions read. It is taken before all
// locks of a [Tracker] and its store. A Publisher owns no goroutine; a timer runs while a snapshot waits for its pace.
type Publisher struct {
	pace  time.Duration
	now   func() time.Time
	asked func() bool // reports whether the work was asked to stop; nil: not needed

	mu sync.Mutex // guards the fields below; held while publishing, so that snapshots stay in order; before Job.mu

	state Progress
	eta   eta
	ended bool
	jobs  []*Job
	due   time.Time   // when the snapshots so far would all be published if each had kept the pace
	later *time.Timer // publishes a snapshot that came too soon; nil if none waits
}

// NewPublisher returns a Publisher that has no topic yet; see [Publisher.Show]. opts may be nil.
func NewPublisher(opts *PublisherOptions) *Publisher {
	if opts == nil {
		opts = &PublisherOptions{}
	}
	p := &Publisher{pace: opts.Pace, now: opts.Now, state: Progress{Status: opts.Status}}
	if p.pace == 0 {
		p.pace = defaultPace
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.state.Status == "" {
		p.state.Status = StatusRunning
	}
	p.completeLocked(p.state)
	return p
}

// Show also publishes the run on the topic of job: its newest state at once, and everything from then on to its end.
// The job must belong to the caller: its Start returned isNew.
func (p *Publisher) Show(job *Job) {
	p.mu.Lock()
	if p.ended {
		end := job.encodeEnd(job.payloadOf(p.state))
		p.mu.Unlock()
		job.finishOrLog(end)
		return
	}
	defer p.mu.Unlock()
	p.jobs = append(p.jobs, job)
	job.Publish(job.payloadOf(p.state))
}

// Update calls change, which may modify the state of the run, and publishes the state: at once if the status or the
// stage has changed, and otherwise when the pace allows, together with later changes. The times and the estimate are
// set after change; percentages are clamped to 0 to 100, and a status that would go back is ignored. After the end it
// does nothing.
func (p *Publisher) Update(change func(*Progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	before := p.state
	change(&p.state)
	p.completeLocked(before)
	wait := time.Duration(0)
	if p.pace > 0 && p.state.Status == before.Status && p.state.Stage == before.Stage {
		wait = time.Until(p.due.Add(-(burst - 1) * p.pace))
	}
	switch {
	case wait <= 0:
		p.publishLocked()
	case p.later == nil:
		p.later = time.AfterFunc(wait, p.Flush)
	}
}

// Step publishes that done of total equal parts are done; a total of 0 or less makes the percentage unknown. An empty
// message keeps the previous one.
func (p *Publisher) Step(done, total int, message string) {
	p.Update(func(state *Progress) {
		state.Percent = nil
		if total > 0 {
			percent := 100 * float64(done) / float64(total)
			state.Percent = &percent
		}
		if message != "" {
			state.Message = message
		}
	})
}

// Flush publishes at once a snapshot that waits for its pace, if there is one.
func (p *Publisher) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later != nil && !p.ended {
		p.publishLocked()
	}
}

// Refresh calls change and publishes the newest state again, only on the given topic: for data that only the payload of
// that topic has. If the run is not shown there, or is over, it only calls change.
func (p *Publisher) Refresh(topic string, change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	if p.ended {
		return
	}
	for _, job := range p.jobs {
		if job.topic == topic {
			job.Publish(job.payloadOf(p.state))
		}
	}
}

// View calls view with the newest state, published or not. Values that the state points to must not be changed.
func (p *Publisher) View(view func(Progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	view(p.state)
}

// End calls change, which sets how the run has ended, and publishes the result as the terminal of each topic, in the
// order of [Publisher.Show], as [Job.Finish] does. It returns when all terminals are stored, with the errors of those
// that could not be. A status that is not an end becomes succeeded, or failed if there is an Error. Succeeded implies
// 100 percent. The first End counts.
func (p *Publisher) End(change func(*Progress)) error {
	var failed error
	for i, end := range p.end(change) {
		if err := p.jobs[i].finish(end); err != nil { // not under mu: the store may be slow
			failed = errors.Join(failed, fmt.Errorf("progress: store the end of %s: %w", p.jobs[i].topic, err))
		}
	}
	return failed
}

// end returns the terminals for p.jobs, which do not change any more.
func (p *Publisher) end(change func(*Progress)) (ends [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return nil
	}
	p.ended = true
	p.stopLocked()
	before := p.state
	change(&p.state)
	p.completeLocked(before)
	if state := &p.state; !state.Status.Ended() {
		state.Status = StatusSucceeded
		if state.Error != "" {
			state.Status = StatusFailed
		}
	}
	if p.state.Status == StatusSucceeded {
		full := 100.0
		p.state.Percent = &full
	}
	p.state.ETA = nil
	for _, job := range p.jobs {
		ends = append(ends, job.encodeEnd(job.payloadOf(p.state)))
	}
	return ends
}

// completeLocked completes and corrects the state after a change; before is the state before it.
func (p *Publisher) completeLocked(before Progress) {
	now, state := p.now(), &p.state
	if p.asked != nil && !state.Status.Ended() && p.asked() {
		state.Status = StatusCancelling
	}
	if rank(state.Status) < rank(before.Status) {
		state.Status = before.Status
	}
	if state.Status == StatusRunning && state.StartedAt.IsZero() {
		state.StartedAt = now.UTC()
	}
	state.UpdatedAt, state.ETA = now.UTC(), nil
	if state.Percent != nil && math.IsNaN(*state.Percent) {
		state.Percent = nil
	}
	if state.Percent != nil {
		percent := min(max(*state.Percent, 0), 100)
		state.Percent = &percent // not the caller's variable
		p.eta.update(percent, now)
		if seconds, ok := p.eta.remaining(now); ok {
			state.ETA = &seconds
		}
	}
}

// rank orders status values as a run passes through them. Unknown ones rank like running.
func rank(s Status) int {
	switch {
	case s == StatusQueued:
		return 0
	case s == StatusCancelling:
		return 2
	case s.Ended():
		return 3
	}
	return 1
}

// publishLocked publishes the state now.
func (p *Publisher) publishLocked() {
	p.stopLocked()
	if now := time.Now(); p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(max(p.pace, 0))
	for _, job := range p.jobs {
		job.Publish(job.payloadOf(p.state))
	}
}

func (p *Publisher) stopLocked() {
	if p.later != nil {
		p.later.Stop()
		p.later = nil
	}
}
