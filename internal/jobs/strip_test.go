package jobs_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
)

// counting is an archive that counts how often it is listed.
type counting struct {
	archive.Runs
	lists int
}

func (c *counting) List(ctx context.Context, filter archive.RunFilter) ([]archive.Run, error) {
	c.lists++
	return c.Runs.List(ctx, filter)
}

// The strip of a job has its newest 20 runs that have ended, the oldest first. It is read once for each run that has ended.
func TestAJobKnowsHowItsNewestRunsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := &counting{Runs: archive.NewMemoryRuns(nil)}
		n := 0
		b := openOn(t, runs, "jobs: {j: {exec: [x], at: {cron: '0 3 * * *', zone: Europe/Berlin}, timeout: 90s, keep: {for: 1h}}}\n",
			func(context.Context) error {
				time.Sleep(2 * time.Second)
				if n++; n%2 == 0 {
					return errors.New("even")
				}
				return nil
			})
		object, err := b.Job("j").Object(t.Context(), true)
		if err != nil || len(object.Strip) != 0 || object.Strip == nil {
			t.Fatalf("before its first run a job has the strip %v, %v, want an empty one", object.Strip, err)
		}
		if object.At != "every day at 03:00" || object.Zone != "Europe/Berlin" || object.Timeout != 90 {
			t.Errorf("at, zone, timeout = %q, %q, %v, want every day at 03:00 in Europe/Berlin and 90 s", object.At, object.Zone, object.Timeout)
		}
		var ids []string
		for range 25 {
			run, err := b.start("j", jobs.StartOptions{By: "Mara"})
			if err != nil {
				t.Fatal(err)
			}
			run.Wait(t.Context(), time.Minute)
			synctest.Wait()
			if snap := run.Snapshot(); snap.By != "Mara" {
				t.Errorf("the run was asked for by %q, want Mara", snap.By)
			}
			ids = append(ids, run.Snapshot().ID)
			time.Sleep(time.Second)
		}
		before := runs.lists
		for range 3 {
			if object, err = b.Job("j").Object(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
		if runs.lists != before+1 {
			t.Errorf("the archive was listed %d times for three answers, want once", runs.lists-before)
		}
		var got []string
		for i, o := range object.Strip {
			got = append(got, o.ID)
			want := "succeeded"
			if i%2 == 0 { // the sixth run is the first of them
				want = "failed"
			}
			if string(o.Status) != want || o.Took != 2 || o.StartedAt.IsZero() {
				t.Errorf("run %d of the strip has %s after %v s at %v, want %s after 2 s", i, o.Status, o.Took, o.StartedAt, want)
			}
		}
		if !slices.Equal(got, ids[5:]) {
			t.Errorf("the strip has %v, want %v", got, ids[5:])
		}
		time.Sleep(time.Hour)
		if object, err = b.Job("j").Object(t.Context(), true); err != nil || len(object.Strip) != 0 {
			t.Errorf("when all have expired the strip has %d, %v, want none", len(object.Strip), err)
		}
	})
}
