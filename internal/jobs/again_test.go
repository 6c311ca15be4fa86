package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/snapshot"
)

// A run that takes the place of one which waited was accepted before: what has come since does not keep it from the queue.
func TestWhatBeginsAgainIsNotRefused(t *testing.T) {
	for yaml, want := range map[string]string{
		`{exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 1}`:             "queued behind 2",
		`{exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 9, limit: 2/h}`: "queued behind 2",
		`{exec: [x, "{n}"], args: {n: {type: int}}}`:                                       "queued behind 1",
		`{exec: [x, "{n}"], args: {n: {type: int}}, on_busy: reject}`:                      "queued behind 1",
		`{exec: [x, "{n}"], args: {n: {type: int}}, on_busy: replace}`:                     "replaced by a newer start",
	} {
		synctest.Test(t, func(t *testing.T) {
			b := open(t, "jobs: {scan: "+yaml+"}", untilDone)
			for i := range 3 {
				_, _ = b.start("scan", n(i)) // until it takes no more
			}
			opts := jobs.StartOptions{
				Trigger: wire.TriggerHook, Args: map[string]any{"n": int64(7)}, After: &wire.RunRef{Job: "scan", ID: "X"}, Key: "X", ID: "Y",
			}
			run, _, err := b.Start(t.Context(), b.Job("scan"), opts)
			got := fmt.Sprint(err)
			if err == nil {
				snap := run.Snapshot()
				got = fmt.Sprintf("%s behind %d", snap.Status, snap.Position)
			}
			if got != want {
				t.Errorf("%s: it is %s, want %s", yaml, got, want)
			}
		})
	}
}

// openAfter is openOn after a process that has stopped. Runs start as soon as their work is set, unless they are refused.
func openAfter(
	t *testing.T, runs archive.Runs, stopped time.Time, yaml string, work func(context.Context) error, refused func() error,
) (b *bench) {
	t.Helper()
	isSet := make(chan struct{})
	defer close(isSet)
	return openAlerting(t, snapshot.NewMemory(), runs, records{}, yaml, work, func(d *jobs.Deps) {
		d.Before = stopped
		d.Start = func(ctx context.Context, j *jobs.Job, opts jobs.StartOptions) error {
			<-isSet
			if err := refused(); err != nil {
				return err
			}
			_, _, err := b.Start(ctx, j, opts)
			return err
		}
	})
}

// Whatever was waiting when a process stopped begins again, also if other runs follow those of the job, if it keeps few, and however
// long nobody was there.
func TestAllThatWaitedBeginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = `jobs:
  scan: {exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 1000, keep: {runs: 5}, then: {run: next}}
  next: {exec: [y], on_busy: join}
`
		runs := archive.NewMemoryRuns(nil)
		b := openOn(t, runs, yaml, untilDone)
		const waiting = 110
		for i := range waiting + 1 {
			opts := jobs.StartOptions{Trigger: wire.TriggerHook, Args: map[string]any{"n": int64(i)}}
			if _, _, err := b.Start(t.Context(), b.Job("scan"), opts); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the first one has begun its work, so it does not begin again
		b.Stop()
		stopped := time.Now()
		time.Sleep(time.Hour)
		var worked atomic.Int64
		b = openAfter(t, runs, stopped, yaml, func(context.Context) error {
			worked.Add(1)
			return errors.New("so that nothing follows")
		}, func() error { return nil })
		time.Sleep(time.Minute)
		if got := worked.Load(); got != waiting {
			t.Errorf("%d runs have begun again, want %d", got, waiting)
		}
		b.Stop()
	})
}

// A process that ends before all have begun again leaves the others to the next one, whatever has begun and ended meanwhile.
func TestWhatHasNotBegunAgainIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = `jobs: {scan: {exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 1000, keep: {runs: 2}}}`
		runs := archive.NewMemoryRuns(nil)
		b := openOn(t, runs, yaml, untilDone)
		const waiting = 30
		for i := range waiting + 1 {
			opts := jobs.StartOptions{Trigger: wire.TriggerHook, Args: map[string]any{"n": int64(i)}}
			if _, _, err := b.Start(t.Context(), b.Job("scan"), opts); err != nil {
				t.Fatal(err)
			}
		}
		b.Stop()
		var worked, asked atomic.Int64
		work := func(context.Context) error { worked.Add(1); return nil }
		next := openAfter(t, runs, time.Now(), yaml, work, func() error {
			if asked.Add(1) > 10 {
				return &jobs.Refusal{Code: jobs.NoAnswer, Detail: "no replica answers"}
			}
			return nil
		})
		time.Sleep(time.Minute)
		next.Stop()
		next = openAfter(t, runs, time.Now(), yaml, work, func() error { return nil })
		time.Sleep(time.Minute)
		if got := worked.Load(); got != waiting {
			t.Errorf("%d runs have begun again, want %d", got, waiting)
		}
		next.Stop()
	})
}

// A start that follows a run leads to one run, even if nothing is kept of that any more: whoever finds the end of the run before again
// may not know.
func TestWhatFollowsIsStartedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, `jobs: {scan: {exec: [x, "{n}"], args: {n: {type: int}}, keep: {runs: 1}}}`, func(context.Context) error { return nil })
		after := jobs.StartOptions{
			Trigger: wire.TriggerJob, Args: map[string]any{"n": int64(7)}, After: &wire.RunRef{Job: "first", ID: "P"}, Key: "P", ID: "C",
		}
		run, _, err := b.Start(t.Context(), b.Job("scan"), after)
		if err != nil {
			t.Fatal(err)
		}
		run.Wait(t.Context(), time.Minute)
		for i := range 2 {
			if run, err = b.start("scan", n(i)); err != nil {
				t.Fatal(err)
			}
			run.Wait(t.Context(), time.Minute)
			synctest.Wait()
		}
		if _, err := b.Lookup(t.Context(), "C"); !errors.Is(err, jobs.ErrExpired) {
			t.Fatalf("the run is still kept: %v", err)
		}
		_, snap, err := b.Start(t.Context(), b.Job("scan"), after)
		if refusal, ok := errors.AsType[*jobs.Refusal](err); !ok || refusal.Code != jobs.Expired {
			t.Errorf("made again, the start leads to %s %s, %v", snap.ID, snap.Status, err)
		}
	})
}

// While nobody can start the run that takes the place of another one, it is tried again, and neither told nor listed as refused.
func TestWhatBeginsAgainWaitsForItsReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "jobs: {a: {exec: [x], group: g}, b: {exec: [x], group: g}}"
		runs := archive.NewMemoryRuns(nil)
		b := openOn(t, runs, yaml, untilDone)
		for _, job := range []string{"b", "a"} { // which waits for the one before it
			if _, _, err := b.Start(t.Context(), b.Job(job), jobs.StartOptions{Trigger: wire.TriggerHook}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // the first one has begun its work, so it does not begin again
		b.Stop()
		stopped := time.Now()
		var worked atomic.Int64
		var isAway atomic.Bool
		isAway.Store(true)
		again := openAfter(t, runs, stopped, yaml, func(context.Context) error { worked.Add(1); return nil }, func() error {
			if isAway.Load() {
				return &jobs.Refusal{Code: jobs.Away, Detail: "replica b is away", After: 10 * time.Second}
			}
			return nil
		})
		time.Sleep(5 * time.Minute)
		if list, _, _ := again.Runs(t.Context(), archive.RunFilter{Job: "a"}); len(list) != 1 || worked.Load() != 0 || len(again.alerts) != 0 {
			t.Errorf("while it is away there are %d runs, and the alerts are %q, want one, which waited", len(list), again.alerts)
		}
		isAway.Store(false)
		time.Sleep(time.Minute)
		if got := worked.Load(); got != 1 {
			t.Errorf("when it is back %d runs work, want 1", got)
		}
		again.Stop()
	})
}
