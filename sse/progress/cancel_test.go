package progress_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse/progress"
)

// entries returns the topics that have an entry in a store.
func entries(t *testing.T, store snapshot.Store) (topics []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	_ = store.Follow(ctx, func(e snapshot.Entry) { topics = append(topics, e.Topic) }, cancel)
	return topics
}

// A run is cancelled from a process that does not have it, and so is no other one.
func TestCancelElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		owner := openFixture(t, snapshottest.Distant(store, time.Second), progress.Options{})
		other := openFixture(t, snapshottest.Distant(store, time.Second), progress.Options{})
		job, beside := mustStart(t, owner.Tracker, "a/b"), mustStart(t, owner.Tracker, "a")
		working := job.Context()
		if other.Cancel("a/b") {
			t.Error("Cancel of a run in another process = true, want false")
		}
		for range 2 { // asking twice does no harm
			if err := other.CancelContext(t.Context(), "a/b"); err != nil {
				t.Error(err)
			}
		}
		<-working.Done()
		if cause := context.Cause(working); !errors.Is(cause, progress.ErrCancelled) {
			t.Errorf("the work ended because of %v, want ErrCancelled", cause)
		}
		job.Finish("end")
		again := mustStart(t, owner.Tracker, "a/b")
		if err := errors.Join(again.Context().Err(), beside.Context().Err()); err != nil {
			t.Errorf("the next run, or another one, has ended too: %v", err)
		}
		for _, f := range []*fixture{owner, other} {
			for topic := range f.Hub().Topics() {
				if strings.Contains(topic.Name(), "cancel") {
					t.Errorf("the hub has %q, want the topics of runs alone", topic.Name())
				}
			}
		}
		time.Sleep(2 * time.Minute)
		if left := entries(t, store); len(left) != 2 {
			t.Errorf("the store has %q, want the topics of runs alone", left)
		}
	})
}

func TestCancelWhatDoesNotRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		owner, other := openFixture(t, store, progress.Options{}), openFixture(t, store, progress.Options{})
		if err := other.CancelContext(t.Context(), "none"); !errors.Is(err, progress.ErrNoTopic) {
			t.Errorf("CancelContext without a run = %v, want ErrNoTopic", err)
		}
		mustStart(t, owner.Tracker, "ended").Finish("end")
		if err := other.CancelContext(t.Context(), "ended"); err != nil {
			t.Errorf("CancelContext of a run that has ended = %v, want nil", err)
		}
		mustStart(t, owner.Tracker, "a")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := other.CancelContext(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("CancelContext with a context that has ended = %v, want its error", err)
		}
		if left := entries(t, store); len(left) != 2 {
			t.Errorf("the store has %q, want the topics of runs alone", left)
		}
	})
}

// Whoever adopts a run that was asked to stop a moment ago is told so.
func TestCancelBeforeAdoption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		left := progress.Options{Lost: func(string, progress.Snapshot) (any, time.Duration) { return nil, 0 }}
		dying := snapshottest.NewProcess(store)
		job := mustStart(t, openFixture(t, dying, left).Tracker, "a")
		other := openFixture(t, store, left)
		dying.Kill()
		if err := other.CancelContext(t.Context(), "a"); err != nil {
			t.Error(err)
		}
		adopted, isNew, err := openFixture(t, store, left).StartAs(t.Context(), "a", progress.StartOptions{Run: job.ID()})
		if err != nil || !isNew {
			t.Fatalf("StartAs = %v, %v, want to adopt the run", isNew, err)
		}
		if cause := context.Cause(adopted.Context()); !errors.Is(cause, progress.ErrCancelled) {
			t.Errorf("the adopter's work has the cause %v, want ErrCancelled", cause)
		}
	})
}

// A process that dies while it asks leaves nothing behind, and has asked.
func TestCancelThenDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := snapshot.NewMemory()
		owner := openFixture(t, store, progress.Options{})
		job := mustStart(t, owner.Tracker, "a")
		working := job.Context()
		dying := snapshottest.NewProcess(store)
		if c, _, err := dying.Claim(t.Context(), "\x00cancel/"+job.ID()+"/a", snapshot.ClaimOptions{}); c == nil || err != nil {
			t.Fatal(err)
		}
		dying.Kill()
		<-working.Done()
		synctest.Wait()
		if left := entries(t, store); len(left) != 1 {
			t.Errorf("the store has %q, want the topic of the run alone", left)
		}
	})
}

// Nobody can ask by starting a run.
func TestCancelIsNoStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openFixture(t, snapshot.NewMemory(), progress.Options{})
		if _, _, err := f.StartContext(t.Context(), "\x00cancel/Run1/a"); err == nil || !strings.Contains(err.Error(), "the Tracker's own") {
			t.Errorf("StartContext of a name that is reserved = %v, want an error", err)
		}
	})
}
