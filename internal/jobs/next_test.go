package jobs_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
	"github.com/tidewire/tidewire/sse/progress"
)

const chain = `jobs:
  first: {exec: [echo], env: {N: "{n}", PIN: "{pin}"}, args: {n: {type: int}, pin: {secret: true, default: ""}}, then: {run: [second, guarded]}}
  second: {exec: [echo, "{n}"], args: {n: {type: int}}}
  guarded: {exec: [echo], env: {PIN: "{pin}"}, args: {pin: {secret: true, default: ""}}, alert: {severity: info}}
`

// A process that dies between the end of a run and the start of what follows it leaves that to the next one, which starts it
// once. What is secret is not known any more, so what needs it does not start, and that is told and listed, once.
func TestWhatFollowsIsStartedAfterACrash(t *testing.T) {
	runs := archive.NewMemoryRuns(nil)
	end := func(id string, ago time.Duration, then ...wire.RunRef) {
		at := time.Now().Add(-ago).UTC()
		run := wire.Run{
			Key: "job/first", ID: id, Job: "first", Status: progress.StatusSucceeded, Args: map[string]any{"n": 7, "pin": "***"}, CreatedAt: at, StartedAt: &at,
			FinishedAt: &at, ExpiresAt: new(at.Add(time.Hour)), Then: then,
		}
		data, err := json.Marshal(run)
		if err == nil {
			err = runs.Add(t.Context(), archive.Run{
				ID: id, Job: "first", Status: "succeeded", Trigger: "api", Created: at, Finished: at, Expires: *run.ExpiresAt, Data: data,
			}, 50)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	end("OLD", 10*time.Minute, wire.RunRef{Job: "second", ID: "OLDER"})
	end("P", 2*time.Second, wire.RunRef{Job: "second", ID: "C"}, wire.RunRef{Job: "guarded", ID: "G"}, wire.RunRef{Job: "gone", ID: "X"})
	for n := range 2 {
		b := openAlerting(t, snapshot.NewMemory(), runs, records{}, chain, nil, func(d *jobs.Deps) { d.Before = time.Now().Add(-time.Second) })
		var next jobs.Record
		for next.ID != "C" || !next.Status.Ended() {
			next, _ = b.Lookup(t.Context(), "C")
			time.Sleep(10 * time.Millisecond)
		}
		if next.Args["n"] != 7.0 || next.After == nil || *next.After != (wire.RunRef{Job: "first", ID: "P"}) || next.Trigger != wire.TriggerJob {
			t.Errorf("the run that follows is %+v", next.Run)
		}
		var refused jobs.Record
		for refused.ID != "G" {
			refused, _ = b.Lookup(t.Context(), "G")
			time.Sleep(10 * time.Millisecond)
		}
		if refused.Status != progress.StatusCancelled || refused.Error == nil || !strings.Contains(*refused.Error, "secret and is not kept") {
			t.Errorf("the run that was refused is %+v", refused.Run)
		}
		until := func(n int) (list []archive.Run) {
			for len(list) < n {
				time.Sleep(10 * time.Millisecond)
				list, _, _ = b.Runs(t.Context(), archive.RunFilter{})
			}
			return list
		}
		list := until(4)
		b.Stop()
		if len(list) != 4 {
			t.Errorf("after restart %d there are %d runs, want 4", n+1, len(list))
		}
		if told := slices.Contains(b.alerts, "job/guarded firing missed"); told != (n == 0) {
			t.Errorf("after restart %d the alerts are %q, want that it is told at the first", n+1, b.alerts)
		}
	}
}

// A lagging is a store that has not got what is written yet.
type lagging struct{ *snapshot.Memory }

// Sync implements [snapshot.Store].
func (lagging) Sync(ctx context.Context) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// A run whose turn it is does not begin before the store has that. If the process stops meanwhile, another run takes its place.
func TestARunThatTheStoreHasNotGotBeginsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hasBegun := false
		b := openIn(t, lagging{snapshot.NewMemory()}, archive.NewMemoryRuns(nil), "jobs: {scan: {exec: [x]}}", func(context.Context) error {
			hasBegun = true
			return nil
		})
		run, _, err := b.Start(t.Context(), b.Job("scan"), jobs.StartOptions{Trigger: wire.TriggerHook})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if running, _ := b.Count("scan"); running != 1 {
			t.Errorf("%d runs are admitted, want 1", running)
		}
		b.Stop()
		end := run.Snapshot()
		if hasBegun || end.Status != progress.StatusCancelled || len(end.Then) != 1 || end.Then[0].Job != "scan" {
			t.Errorf("it worked: %t, and ended as %s with %v after it, want another run", hasBegun, end.Status, end.Then)
		}
	})
}

// However many values there are, no more than 100 runs of a job are side by side.
func TestLanesAreBounded(t *testing.T) {
	b := open(t, `jobs: {scan: {exec: [a, "{n}"], args: {n: {type: int}}, parallel_by: n}}`, untilDone)
	for i := range 100 {
		if _, err := b.start("scan", n(i)); err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
	}
	if running, queued := b.Count("scan"); running != 100 || queued != 0 {
		t.Errorf("%d runs are at work and %d wait, want 100 and 0", running, queued)
	}
	_, err := b.start("scan", n(100))
	if refusal, ok := err.(*jobs.Refusal); !ok || refusal.Code != jobs.QueueFull || refusal.After == 0 {
		t.Errorf("one more start: %v, want a refusal", err)
	}
	if run, err := b.start("scan", n(42)); err != nil || !run.Snapshot().Coalesced && run.Snapshot().Requests != 2 {
		t.Errorf("an equal start: %v, want it to join", err)
	}
}

// Files are in memory until their run is over, so those of all runs together have a bound.
func TestFilesOfAllRunsAreBounded(t *testing.T) {
	b := open(t, `jobs: {scan: {exec: [a, "{f}", "{n}"], args: {f: {type: file, max_size: 8MB, default: ""}, n: {type: int}}, on_busy: queue, queue: 100}}`, untilDone)
	with := func(n, size int) map[string]any {
		return map[string]any{"f": &config.File{Name: "a", Size: size}, "n": int64(n)}
	}
	var last *jobs.Run
	for i := range 32 {
		var err error
		if last, err = b.start("scan", jobs.StartOptions{Args: with(i, 8_000_000)}); err != nil {
			t.Fatalf("start %d: %v", i, err)
		}
	}
	_, err := b.start("scan", jobs.StartOptions{Args: with(32, 1)})
	if refusal, ok := err.(*jobs.Refusal); !ok || refusal.Code != jobs.QueueFull || refusal.After == 0 {
		t.Errorf("one more file: %v, want a refusal", err)
	}
	if _, err := b.start("scan", jobs.StartOptions{Args: map[string]any{"f": "", "n": int64(33)}}); err != nil {
		t.Errorf("a start without a file: %v", err)
	}
	b.Cancel(last.Snapshot().ID)
	if _, err := b.start("scan", jobs.StartOptions{Args: with(34, 8_000_000)}); err != nil {
		t.Errorf("a file after a run with one has ended: %v", err)
	}
}
