package progress

import (
	"context"
	"errors"
	"fmt"
)

// ErrEnded says that a Tracker takes no more runs: its context has ended, or [Tracker.Shutdown] was called. It is the
// cause of the end of [Job.Context] when Shutdown asks a run to stop.
var ErrEnded = errors.New("progress: the tracker has ended")

// Shutdown ends the Tracker in order, so that no run and no terminal is lost:
//
//   - it refuses new runs, with [ErrEnded];
//   - it asks the runs of this process to stop, as [Tracker.Cancel] does, with the cause ErrEnded;
//   - it waits until each has its terminal, or the store has refused that, and until the work of each [Job.Run] has
//     returned;
//   - it drains the hub ([sse.Hub.Drain]), so that every stream shows the terminal. A hub given in [Options].Hub is
//     drained by its owner;
//   - it ends the Tracker, as the end of its context does, and waits for its goroutine.
//
// If ctx ends first, what is left is ended at once, and the error wraps ctx's cause and says how many runs went on.
// Call it before [net/http.Server.Shutdown], which waits for requests but does not end them. It may be called more
// than once, and returns nil if the Tracker has ended in order before.
func (t *Tracker) Shutdown(ctx context.Context) error {
	t.mustBeMade()
	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	select {
	case t.starting <- struct{}{}: // the start under way has its job now, and no further one will
		<-t.starting
	case <-ctx.Done():
	}
	t.mu.Lock()
	for _, rec := range t.records {
		if rec.job != nil {
			rec.job.requestCancel(ErrEnded)
		}
	}
	t.mu.Unlock()
	err := t.awaitRuns(ctx)
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

// awaitRuns waits until no run of this process goes on.
func (t *Tracker) awaitRuns(ctx context.Context) error {
	for {
		t.mu.Lock()
		left := t.busyLocked()
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

// busyLocked returns how many runs of this process go on: those without a terminal, and work that has not returned.
func (t *Tracker) busyLocked() int {
	working := 0
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

// notify wakes those who wait for runs to end.
func (t *Tracker) notify() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changedLocked()
}

// changedLocked wakes those who wait for runs to end.
func (t *Tracker) changedLocked() {
	if t.changed != nil {
		close(t.changed)
		t.changed = nil
	}
}

// beginWork takes note that a function works for job, which returns once endWork is called.
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
