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
	burst       = 20 // snapshots that leave at once before the pace counts
)

// PublisherOptions are the options of [NewPublisher]. The zero value is the default.
type PublisherOptions struct {
	// Status is the first word: [StatusQueued] or [StatusRunning]. Empty means StatusRunning.
	Status Status

	// Pace bounds how often snapshots are published that differ in progress alone: after a burst of 20, one each Pace.
	// Zero means 50 ms, less publishes each.
	Pace time.Duration

	// Now is the clock of StartedAt and UpdatedAt, and of the estimate. Nil means [time.Now].
	Now func() time.Time
}

// A Publisher keeps the [Progress] of a run and publishes it on the topic of a [Job], or of several, each in the
// payload of its own ([StartOptions].Payload). It sees to what all runs have in common: the words of the status,
// which never go back; percents between 0 and 100; the times and an estimate of the time left; snapshots that leave
// in order, and no faster than anybody could read them; and one end.
//
// [Job.Run] and [Handler] do all of it for a work function. A Publisher by itself is for a run that is more than
// that: one that exists before it has a topic, waits in a queue, appears in two topics, or ends in its own way.
//
// Its methods may be called from any goroutine. What they are given to call (change, view, and the payload functions)
// is called with the Publisher's lock held, so calls never overlap; it must not call the Publisher, nor wait for who
// does. That makes the lock a guard for what the payload functions read beside the Progress, too. It is taken before
// all locks of a [Tracker] and its store. A Publisher owns no goroutine; a timer runs while a snapshot waits for its
// pace.
type Publisher struct {
	pace  time.Duration
	now   func() time.Time
	asked func() bool // whether the work was asked to stop; nil: nobody asks

	mu sync.Mutex // guards the fields below, and held while a snapshot is handed over, so that they leave in order; before Job.mu

	state Progress
	eta   eta
	ended bool
	jobs  []*Job
	due   time.Time   // when the snapshots so far would have left, had each kept the pace
	later *time.Timer // publishes what came too soon; nil if nothing waits
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

// Show publishes the run on the topic of job too, from its newest state on, which is published there at once, to its
// end. job must be the caller's own, of which it was told isNew.
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

// Update calls change with the state of the run, which it may change, and publishes it: at once if the status or the
// stage is another one, and else when the pace lets it, together with what has changed by then. Times and estimate
// are set afterwards; percents are brought to between 0 and 100, and a status that goes back stays. After the end it
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
// message leaves the one before.
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

// Flush publishes at once what waits for its pace, if anything does.
func (p *Publisher) Flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later != nil && !p.ended {
		p.publishLocked()
	}
}

// Refresh calls change and publishes the newest state again, on the given topic alone: for what only its payload has. If
// the run is not shown there, or over, it only calls change.
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

// View calls view with the newest state, published or not. What it points to must not be changed.
func (p *Publisher) View(view func(Progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	view(p.state)
}

// End calls change, which says how the run has ended, and publishes that as the terminal of each topic, in the order of
// [Publisher.Show], as [Job.Finish] does. It returns when all are stored, or the error of those that could not be. A
// status that is not one of an end becomes succeeded, or failed if there is an Error. Succeeded is 100 percent. The first
// End counts.
func (p *Publisher) End(change func(*Progress)) error {
	var failed error
	for i, end := range p.end(change) {
		if err := p.jobs[i].finish(end); err != nil { // not under mu: the store may take its time
			failed = errors.Join(failed, fmt.Errorf("progress: store the end of %s: %w", p.jobs[i].topic, err))
		}
	}
	return failed
}

// end returns the terminals of p.jobs, which do not change any more.
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

// completeLocked brings the state, which was before, to what it has to be.
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

// rank orders the words of a status as a run goes through them. Those it does not know are as good as running.
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
