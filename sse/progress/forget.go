package progress

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/snapshot"
)

// ErrRunning means that [Tracker.Forget] has nothing to forget yet, because the run has not ended.
var ErrRunning = errors.New("progress: the run has not ended")

// Forget gives up the retained end of topic at once, whichever process ended the run, for instance because a person has
// seen it, or what it tells is not true any more. Streams and loops of [Tracker.Watch] that are open still get the
// terminal; whoever comes after Forget has returned finds no run. Other processes that share the store follow as soon as
// that tells them. An end that is not to be kept at all is the matter of [Job.Retain].
//
// Forget applies to the run that topic has when it is called, and never to a newer one that begins meanwhile. It returns
// [ErrNoTopic] if there is no run (or the Tracker has ended), ErrRunning if the run has no terminal yet (see
// [Tracker.Cancel]), and otherwise only an error of the store, or ctx's. Of concurrent calls more than one may return
// nil.
func (t *Tracker) Forget(ctx context.Context, topic string) error {
	rec, ok := t.find(ctx, topic, "")
	if !ok {
		return ErrNoTopic
	}
	err := t.store.Forget(ctx, topic, rec.run)
	if errors.Is(err, snapshot.ErrLive) {
		return ErrRunning
	}
	if err != nil {
		return fmt.Errorf("progress: forget %q: %w", topic, err)
	}
	return nil
}
