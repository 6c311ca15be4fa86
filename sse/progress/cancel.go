package progress

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// asking begins the names of the topics in a store that show no run: an entry of such a topic, whatever its state, asks
// the process that has a run to stop it. The rest of the name is the id of the run, "/" and the run's topic.
const asking = "\x00cancel/"

// askFor is how long the store keeps such an entry, for a process that is only about to have the run.
const askFor = time.Minute

var errReserved = errors.New("names that begin with a NUL byte and cancel/ are the Tracker's own")

// Cancel ends the [Job.Context] of the job that runs on topic, with the cause [ErrCancelled], and reports whether there
// is one in this process. The job continues until its worker calls Finish.
func (t *Tracker) Cancel(topic string) bool {
	t.mu.Lock()
	job := t.records[topic].job
	t.mu.Unlock()
	return job != nil && job.requestCancel(ErrCancelled)
}

// CancelContext is like [Tracker.Cancel] for a run in any process that shares the store. When it returns nil, the run of
// topic has ended, or the process that has it is told of the request as it is told of any change in the store. That of a
// process that has died is not stopped: it ends as lost, or whoever adopts it within a minute is told.
//
// It fails with [ErrNoTopic] if there is no run, and otherwise only with an error of the store, or ctx's.
func (t *Tracker) CancelContext(ctx context.Context, topic string) error {
	rec, ok := t.find(ctx, topic, "")
	if !ok {
		return ErrNoTopic
	}
	return t.cancelRun(ctx, topic, rec)
}

// cancelRun is CancelContext for the run of rec.
func (t *Tracker) cancelRun(ctx context.Context, topic string, rec record) error {
	if rec.job != nil && rec.job.requestCancel(ErrCancelled) || rec.topic.Ended() {
		return nil
	}
	claim, _, err := t.store.Claim(ctx, asking+rec.run+"/"+topic, snapshot.ClaimOptions{KeepFinal: true})
	if claim != nil { // otherwise somebody has asked already
		err = claim.Finish(ctx, nil, askFor)
	}
	if err != nil {
		return fmt.Errorf("progress: cancel %q: %w", topic, err)
	}
	return nil
}

// askedLocked takes note of an entry of a topic whose name begins with asking.
func (t *Tracker) askedLocked(e snapshot.Entry) {
	run, topic, _ := strings.Cut(strings.TrimPrefix(e.Topic, asking), "/")
	if e.State == snapshot.Gone {
		delete(t.asked, run)
		return
	}
	if t.asked == nil {
		t.asked = make(map[string]struct{})
	}
	t.asked[run] = struct{}{}
	if rec := t.records[topic]; rec.run == run && rec.job != nil {
		rec.job.requestCancel(ErrCancelled)
	}
	if e.State == snapshot.Orphan { // whoever asked has died over it
		t.queueLocked(&orphan{entry: e, over: make(chan struct{})})
	}
}
