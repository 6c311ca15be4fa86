package progress

import (
	"context"
	"errors"
	"fmt"
)

// ErrEnded means that a Tracker accepts no new runs, because its context has ended or [Tracker.Shutdown] was called. It
// is also the cause of the end of a [Job.Context] when Shutdown asks a run to stop.
var ErrEnded = errors.New("progress: the tracker has ended")

// Shutdown ends the Tracker in order, so that no run and no terminal is lost:
//
//   - it refuses new runs, with [ErrEnded];
//   - it waits for the starts in progress, and for the end of a lost run that it is storing;
//   - it asks the runs of this process to stop, as [Tracker.Cancel] does, with the cause ErrEnded;
//   - it waits until each has its terminal, or the store has refused that, and until the work of each [Job.Run] and
//     [Options].Lost have returned;
//   - it drains the hub ([sse.Hub.Drain]), so that every stream shows the terminal. A hub given in [Options].Hub is
//     drained by its owner;
//   - it ends the Tracker, as the end of its context does, and waits for its goroutine.
//
// If ctx ends first, everything that is left ends at once, and the error wraps ctx's cause and tells how many runs had
// not ended. Call Shutdown before [net/http.Server.Shutdown], which waits for requests but does not end them. It may be
// called more than once, and returns nil if the Tracker has already ended in order.
func (t *Tracker) Shutdown(ctx context.Context) error {
	t.mustBeMade()
	t.mu.Lock()
	t.close()
	t.mu.Unlock()
	// Afterwards the starts in progress have their jobs, and no other will begin.
	_ = t.await(ctx, t.beginningLocked)
	t.mu.Lock()
	for _, rec := range t.records {
		if rec.job != nil {
			rec.job.requestCancel(ErrEnded)
		}
	}
	t.mu.Unlock()
	err := t.await(ctx, t.busyLocked)
	if t.ownHub {
		err = errors.Join(err, t.hub.Drain(ctx))
	}
	t.cancel(ErrEnded)
	select {
	case <-t.over:
	case <-ctx.Done():
	}
	if err != nil {
		return fmt.Errorf("progress: shut down: %w", err)
	}
	return nil
}

// await waits until count is 0. It calls that with mu held.
func (t *Tracker) await(ctx context.Context, count func() int) error {
	for {
		t.mu.Lock()
		left := count()
		if t.changed == nil {
			t.changed = make(chan struct{})
		}
		changed := t.changed
		t.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%d of its runs have not ended: %w", left, context.Cause(ctx))
		}
	}
}

// beginningLocked returns how many starts and adoptions are in progress.
func (t *Tracker) beginningLocked() int {
	if t.adopting > 0 {
		return len(t.starting) + 1
	}
	return len(t.starting)
}

// busyLocked returns how many runs of this process have not ended: those without a terminal, those whose terminal Lost
// makes, and work that has not returned.
func (t *Tracker) busyLocked() int {
	working := len(t.parting)
	if t.parting != nil && working == 0 {
		working = 1 // Lost makes the end of a run that has been replaced meanwhile
	}
	for _, n := range t.working {
		working += n
	}
	for _, rec := range t.records {
		job := rec.job
		if job == nil || job.claim == nil || t.working[job] > 0 || rec.topic.Ended() || job.unstored.Load() {
			continue
		}
		working++
	}
	return working
}

// notify wakes the callers that wait for runs to end.
func (t *Tracker) notify() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changedLocked()
}

// changedLocked wakes the callers that wait for runs to end. The caller holds mu.
func (t *Tracker) changedLocked() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// beginWork records that a function is working for job, until endWork is called.
func (t *Tracker) beginWork(job *Job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.working[job]++
}

func (t *Tracker) endWork(job *Job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.working[job]--; t.working[job] == 0 {
		delete(t.working, job)
	}
	t.changedLocked()
}
