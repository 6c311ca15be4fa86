package jobs

import (
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// show publishes the run in a topic too, and cancels it if it loses that, until stop is called. If another run is in
// progress there, stop is nil, and other is the id of that.
func (r *Run) show(
	ctx context.Context, topic string, payload func(progress.Progress) any,
) (stop func() bool, other string, err error) {
	opts := progress.StartOptions{Run: r.id, Payload: payload}
	job, isNew, err := r.job.s.deps.Tracker.StartAs(ctx, topic, opts)
	if err != nil {
		return nil, "", err
	}
	if !isNew {
		return nil, job.ID(), nil
	}
	job.Retain(r.job.Keep.For)
	r.progress.Show(job)
	return context.AfterFunc(job.Context(), func() {
		if context.Cause(job.Context()) == progress.ErrLost {
			r.cancel(errLost)
		}
	}), "", nil
}

// Snapshot returns the run's state now. That it has ended is not told before the store has the end: a process that dies
// in between has not ended it.
func (r *Run) Snapshot() (snap wire.Run) {
	r.progress.View(func(p progress.Progress) { snap = r.wire(p) })
	if before := r.before.Load(); before != nil && snap.Status.Ended() && !r.isEndStored() {
		return *before
	}
	return snap
}

// isEndStored reports whether the store has the end of the run.
func (r *Run) isEndStored() bool {
	topic, ok := r.job.s.deps.Hub.Lookup(runTopic(r.id))
	if !ok {
		return true // and has given it up by now
	}
	latest, ok := r.job.s.deps.Store.Latest(topic)
	return ok && latest.ID == r.id+"-end"
}

// wire is the run as it is published. It is called with the lock of r.progress held.
func (r *Run) wire(p progress.Progress) wire.Run {
	people := r.job.s.deps.Clock.People
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
	return wire.Job{
		Run: r.wire(p), Queue: r.behind.shown, Queued: r.behind.total, AvailableAt: r.available,
		Beside: r.behind.beside, Besides: r.behind.besides,
	}
}

// asBeside is the run as one that is at work beside the one that its job shows.
func (r *Run) asBeside() (b wire.Beside) {
	r.progress.View(func(p progress.Progress) {
		b = wire.Beside{ID: r.id, StartedAt: *r.job.s.deps.Clock.People(p.StartedAt), Args: r.more.Args}
	})
	return b
}

// waiting is the run as one that waits in the queue.
func (r *Run) waiting() (w wire.Waiting) {
	r.progress.View(
		func(progress.Progress) { w = wire.Waiting{ID: r.id, Position: r.more.Position, Args: r.more.Args} },
	)
	return w
}

// update changes the run's state and publishes it at once.
func (r *Run) update(change func(*progress.Progress)) {
	r.report(change)
	r.progress.Flush()
}

// report changes the run's progress, which is published at a pace: a command may print a million lines a second.
func (r *Run) report(change func(*progress.Progress)) {
	r.progress.Update(func(p *progress.Progress) {
		before := p.Stage
		if change(p); p.Stage != before {
			r.enterStage(p.Stage)
		}
	})
}

// maxStages bounds the stages of a run that are kept.
const maxStages = 50

// enterStage notes that the run has come to a stage, or with an empty name to the end of the last one. Of more than maxStages the
// last one stands for all that came after it. It is called with the lock of r.progress held.
func (r *Run) enterStage(name string) {
	now := r.job.s.deps.Clock.People(r.job.s.deps.Clock.Now())
	stages := slices.Clone(r.more.Stages) // snapshots have the one before
	if n := len(stages); n > 0 && stages[n-1].Took == nil {
		if n == maxStages && name != "" {
			stages[n-1].Name = name
			r.more.Stages = stages
			return
		}
		stages[n-1].Took = new(max(0, now.Sub(stages[n-1].StartedAt).Seconds()))
	}
	if name != "" && len(stages) < maxStages {
		stages = append(stages, wire.Stage{Name: name, StartedAt: *now})
	}
	r.more.Stages = stages
}

// setRunning publishes that the run is admitted.
func (r *Run) setRunning(now time.Time) {
	r.update(func(p *progress.Progress) {
		p.Status, p.StartedAt = progress.StatusRunning, now
		r.more.Position = 0
	})
}

// setPosition publishes how many runs have to end before the run is admitted, if that has changed. queue.mu is held.
func (r *Run) setPosition(ahead int) {
	if r.waiting().Position != ahead {
		r.update(func(*progress.Progress) { r.more.Position = ahead })
	}
}

// showQueue publishes who waits behind the run, and when its job can start again, if that has changed. queue.mu is
// held.
func (r *Run) showQueue(behind tail, available *time.Time) {
	var same bool
	r.progress.View(func(progress.Progress) { same = behind.equal(r.behind) && sameTime(available, r.available) })
	if !same {
		r.progress.Refresh(r.job.key, func() { r.behind, r.available = behind, available })
	}
}

// equal reports whether two tails are shown alike.
func (t tail) equal(u tail) bool {
	sameBeside := t.besides == u.besides && slices.EqualFunc(t.beside, u.beside, func(a, b wire.Beside) bool { return a.ID == b.ID })
	return sameBeside && t.total == u.total && slices.EqualFunc(t.shown, u.shown, func(a, b wire.Waiting) bool {
		return a.ID == b.ID && a.Position == b.Position
	})
}

// sameTime reports whether two times are the same one, or both missing.
func sameTime(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }
