package jobs_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/snapshot"
)

// changes are how the alerts have changed.
func (b *bench) changes() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.alerts)
}

// runOnce runs a job to its end.
func (b *bench) runOnce(job string) {
	b.t.Helper()
	run, err := b.start(job, jobs.StartOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	run.Wait(b.t.Context(), time.Hour)
	time.Sleep(time.Millisecond) // ends have different times
}

// A lookingArchive calls look before it has the end of a run.
type lookingArchive struct {
	archive.Runs
	look func()
}

func (l lookingArchive) Add(ctx context.Context, run archive.Run, keep int) error {
	l.look()
	return l.Runs.Add(ctx, run, keep)
}

// The alert knows of an end when the store has it, and before the archive does: whatever a process that is killed leaves, the
// next one can tell whether the alert knows.
func TestTheAlertKnowsOfAnEndBeforeTheArchive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b *bench
		looked := 0
		b = openOn(t, lookingArchive{archive.NewMemoryRuns(nil), func() {
			looked++
			if got := b.changes(); !slices.Equal(got, []string{"job/j firing failed"}) {
				t.Errorf("before the archive has the end the alert has changed as %q", got)
			}
		}}, "jobs: {j: {exec: [x], alert: {on: failed}}}\n", func(context.Context) error { return errors.New("no") })
		b.runOnce("j")
		if looked != 1 {
			t.Errorf("the archive got %d ends, want 1", looked)
		}
	})
}

// Ends that are found in the store are told in their order, but for those that the alert knows.
func TestEndsThatAreFoundAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "jobs: {j: {exec: [x], alert: {on: failed}}, other: {exec: [x], alert: {on: failed}}, none: {exec: [x]}}\n"
		store, runs := snapshot.NewMemory(), &brokenArchive{Runs: archive.NewMemoryRuns(nil)}
		runs.down.Store(true)
		var fails atomic.Bool
		kept := records{}
		first := openAlerting(t, store, runs, kept, yaml, func(context.Context) error {
			if fails.Load() {
				return errors.New("no")
			}
			return nil
		})
		var after []records // each end of j
		for _, failure := range []bool{true, false, true, true} {
			fails.Store(failure)
			first.runOnce("j")
			after = append(after, maps.Clone(kept))
			first.runOnce("none")
		}
		first.Stop()
		for i, want := range [][]string{
			{"job/j resolved", "job/j firing failed"}, // the last failure changes nothing
			{"job/j firing failed"},
			nil,
			nil,
		} {
			runs := &brokenArchive{Runs: archive.NewMemoryRuns(nil)}
			runs.down.Store(true)
			next := openAlerting(t, store, runs, maps.Clone(after[i]), yaml, untilDone)
			time.Sleep(time.Minute)
			if got := next.changes(); !slices.Equal(got, want) {
				t.Errorf("after end %d the alert knew, the others change it as %q, want %q", i+1, got, want)
			}
			next.Stop()
		}
	})
}

// A run that is cancelled before it begins, or while it is at work, is no failure.
func TestNoAlertForWhatSomebodyCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, "jobs: {j: {exec: [x], on_busy: queue, alert: {slow_after: 1m}}}\n", untilDone)
		var ids []string
		for range 3 {
			run, err := b.start("j", jobs.StartOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, run.Snapshot().ID)
		}
		for _, id := range slices.Backward(ids) {
			b.Cancel(id)
		}
		time.Sleep(time.Hour)
		if got := strings.Join(b.changes(), ", "); got != "" {
			t.Errorf("the alert has changed: %s", got)
		}
	})
}
