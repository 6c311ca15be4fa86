package jobs_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
)

// openLanes opens a service with a job of two lanes, whose ends take a second to come into the archive. It starts a run in each:
// they are at work for those times, and end so.
func openLanes(t *testing.T, first, second time.Duration, ends ...error) (b *bench, runs []*jobs.Run) {
	t.Helper()
	var begun atomic.Int64
	b = openOn(t, lookingArchive{archive.NewMemoryRuns(nil), func() { time.Sleep(time.Second) }},
		"jobs: {j: {exec: [x, '{n}'], args: {n: {type: int}}, parallel_by: n, alert: {on: failed}}}\n", func(ctx context.Context) error {
			i := begun.Add(1) - 1
			select {
			case <-time.After([]time.Duration{first, second}[i]):
				return ends[i]
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
	for i := range 2 {
		run, err := b.start("j", n(i))
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
		synctest.Wait()
	}
	return b, runs
}

// lastRun returns the run that a job shows, and its status.
func (b *bench) lastRun(job string) (id, status string) {
	b.t.Helper()
	object, err := b.Job(job).Object(b.t.Context(), true)
	if err != nil || object.LastRun == nil {
		b.t.Fatalf("the job is %+v, %v", object, err)
	}
	return object.LastRun.ID, string(object.LastRun.Status)
}

// A run that ends while the end of the one that its job has shown until then is on its way to the archive is the one that the job
// shows at the end, however it ends.
func TestTheNewestEndIsShown(t *testing.T) {
	for _, want := range []string{"failed", "cancelled"} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, runs := openLanes(t, time.Second, 1500*time.Millisecond, nil, errors.New("no"))
				time.Sleep(1200 * time.Millisecond)
				newest := runs[1].Snapshot().ID
				if want == "cancelled" {
					b.Cancel(newest)
				}
				for _, run := range runs {
					run.Wait(t.Context(), time.Minute)
				}
				if id, status := b.lastRun("j"); id != newest || status != want {
					t.Errorf("the job shows run %s, %s; want %s, %s", id, status, newest, want)
				}
			})
		})
	}
}

// An alert that a run of one lane has fired goes on when a run of another succeeds before the archive has the end of the first.
func TestASuccessEndsNoAlertOfAnotherLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, runs := openLanes(t, 1500*time.Millisecond, time.Second, nil, errors.New("no"))
		for _, run := range runs {
			run.Wait(t.Context(), time.Minute)
		}
		if got, want := b.changes(), []string{"job/j firing failed"}; !slices.Equal(got, want) {
			t.Errorf("the alert has changed as %q, want %q", got, want)
		}
	})
}
