package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/jobs"
	"github.com/tidewire/tidewire/sse/progress"
)

// A brokenArchive cannot be written while it is down, not read while it is unreadable, and does not answer who looks for a
// run while it hangs.
type brokenArchive struct {
	archive.Runs
	down, unreadable, hangs atomic.Bool

	mu        sync.Mutex // guards the field below
	discarded []string
}

func (b *brokenArchive) Discard(run string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.discarded = append(b.discarded, run)
}

var errDisk = errors.New("the disk is full")

func (b *brokenArchive) Add(ctx context.Context, run archive.Run, keep int) error {
	if b.down.Load() {
		return errDisk
	}
	return b.Runs.Add(ctx, run, keep)
}

func (b *brokenArchive) Get(ctx context.Context, id string) (archive.Run, error) {
	if b.unreadable.Load() {
		return archive.Run{}, errDisk
	}
	if b.hangs.Load() {
		<-ctx.Done()
		return archive.Run{}, context.Cause(ctx)
	}
	return b.Runs.Get(ctx, id)
}

func (b *brokenArchive) List(ctx context.Context, filter archive.RunFilter) ([]archive.Run, error) {
	if b.unreadable.Load() {
		return nil, errDisk
	}
	return b.Runs.List(ctx, filter)
}

// Runs that end while the archive cannot be written are found and listed, as many as their job keeps, and come into the
// archive when it can. What cannot be read is an error, and no empty list.
func TestRunsEndWhileTheArchiveCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &brokenArchive{Runs: archive.NewMemoryRuns(nil)}
		b := openOn(t, disk, "jobs: {j: {exec: [x], keep: {runs: 3}}}\n", func(context.Context) error { return nil })
		disk.down.Store(true)
		var ids []string
		for range 5 {
			run, err := b.start("j", jobs.StartOptions{})
			if err != nil {
				t.Fatal(err)
			}
			run.Wait(t.Context(), time.Minute)
			ids = append(ids, run.Snapshot().ID)
			time.Sleep(time.Millisecond)
		}
		check := func(when string) {
			t.Helper()
			synctest.Wait()
			list, more, err := b.Runs(t.Context(), archive.RunFilter{})
			if err != nil || more || len(list) != 3 {
				t.Fatalf("%s: %d runs are listed, more: %t, %v, want 3", when, len(list), more, err)
			}
			for i, id := range ids {
				record, err := b.Lookup(t.Context(), id)
				if kept := i >= 2; kept && (err != nil || record.Status != progress.StatusSucceeded) || !kept && err == nil {
					t.Errorf("%s: run %d of 5 is %q, %v", when, i+1, record.Status, err)
				}
			}
		}
		check("while it is down")
		disk.unreadable.Store(true)
		if _, _, err := b.Runs(t.Context(), archive.RunFilter{}); !errors.Is(err, errDisk) {
			t.Errorf("what cannot be read is listed, with %v", err)
		}
		if _, err := b.Lookup(t.Context(), "none"); !errors.Is(err, errDisk) {
			t.Errorf("a run that cannot be looked up is %v, want why", err)
		}
		if record, err := b.Lookup(t.Context(), ids[4]); err != nil || record.ID != ids[4] {
			t.Errorf("a run that waits for the archive is %q, %v", record.ID, err)
		}
		disk.unreadable.Store(false)
		disk.down.Store(false)
		time.Sleep(2 * time.Minute)
		check("when it works again")
		if got := b.Open(); got != 0 {
			t.Errorf("%d runs wait for the archive, want none", got)
		}
		if !slices.Equal(disk.discarded, ids[:2]) {
			t.Errorf("the output of %v was discarded, want that of the runs that are not kept, %v", disk.discarded, ids[:2])
		}
	})
}

// An interruptedArchive calls a function before each list.
type interruptedArchive struct {
	archive.Runs
	before func()
}

func (i *interruptedArchive) List(ctx context.Context, filter archive.RunFilter) ([]archive.Run, error) {
	if i.before != nil {
		i.before()
	}
	return i.Runs.List(ctx, filter)
}

// A run that ends while a list is made takes the place of no other: what the list does not have follows.
func TestARunThatEndsWhileItIsListedHidesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := &interruptedArchive{Runs: archive.NewMemoryRuns(nil)}
		b := openOn(t, runs, "jobs: {j: {exec: [x]}}\n", func(context.Context) error {
			time.Sleep(time.Second)
			return nil
		})
		for i := range 4 {
			run, err := b.start("j", jobs.StartOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if i < 3 {
				run.Wait(t.Context(), time.Minute)
				time.Sleep(time.Second)
			}
		}
		runs.before = func() { time.Sleep(10 * time.Second) }
		list, more, err := b.Runs(t.Context(), archive.RunFilter{Statuses: []string{"succeeded"}, Limit: 2})
		if err != nil || len(list) != 2 || !more {
			t.Errorf("of three runs that have succeeded, and one that is about to, %d are listed, more: %t, %v, want 2 and more", len(list), more, err)
		}
	})
}

// An archive that does not answer holds up those who ask for what it has, and nobody else.
func TestAnArchiveThatDoesNotAnswer(t *testing.T) {
	disk := &brokenArchive{Runs: archive.NewMemoryRuns(nil)}
	b := openOn(t, disk, "jobs: {j: {exec: [x]}, k: {exec: [x]}}\n", func(context.Context) error { return nil })
	run, err := b.start("j", jobs.StartOptions{Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	run.Wait(t.Context(), time.Minute)
	disk.hangs.Store(true)
	ctx, cancel := context.WithCancel(t.Context())
	var asks sync.WaitGroup
	for range 100 {
		asks.Go(func() {
			if _, _, err := b.Start(ctx, b.Job("j"), jobs.StartOptions{Key: "key"}); err == nil {
				t.Error("a run that cannot be looked up is found")
			}
		})
	}
	time.Sleep(10 * time.Millisecond)
	began := time.Now()
	if _, err := b.start("k", jobs.StartOptions{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("another job was started after %v, want it at once", took)
	}
	cancel()
	asks.Wait()
}

// Runs that end at the same moment displace each other: as many stay as the job keeps.
func TestRunsThatEndTogetherKeepAsManyAsTheJobAllows(t *testing.T) {
	for _, keep := range []int{1, 3} {
		b := open(t, fmt.Sprintf(`jobs: {j: {exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 100, keep: {runs: %d}}}`, keep),
			untilDone)
		var ids []string
		for round := range 10 {
			var cancels sync.WaitGroup
			var runs []string
			for i := range 40 {
				run, err := b.start("j", n(100*round+i))
				if err != nil {
					t.Fatal(err)
				}
				runs = append(runs, run.Snapshot().ID)
			}
			for _, id := range runs {
				cancels.Go(func() { b.Cancel(id) })
			}
			cancels.Wait()
			ids = append(ids, runs...)
		}
		kept := func() (kept int) {
			for _, id := range ids {
				if _, err := b.Lookup(t.Context(), id); err == nil {
					kept++
				}
			}
			return kept
		}
		for deadline := time.Now().Add(10 * time.Second); kept() != keep && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		if got := kept(); got != keep {
			t.Errorf("%d of %d ended runs can be looked up, want %d", got, len(ids), keep)
		}
		b.Stop()
		if got := b.Open(); got != 0 {
			t.Errorf("%d runs are remembered as not in the archive, want none", got)
		}
	}
}

// Of runs that end in the same millisecond, while the archive cannot be written, those stay that were asked for last.
func TestRunsThatEndTogetherAreInTheOrderInWhichTheyBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &brokenArchive{Runs: archive.NewMemoryRuns(nil)}
		begin := make(chan struct{})
		b := openOn(t, disk, `jobs: {j: {exec: [x, "{n}"], args: {n: {type: int}}, on_busy: queue, queue: 100, keep: {runs: 3}}}`,
			func(context.Context) error {
				<-begin
				return nil
			})
		disk.down.Store(true)
		var runs []*jobs.Run
		for i := range 9 {
			run, err := b.start("j", n(i))
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, run)
			time.Sleep(time.Millisecond)
		}
		close(begin)
		synctest.Wait()
		check := func(when string) {
			t.Helper()
			for i, run := range runs {
				_, err := b.Lookup(t.Context(), run.Snapshot().ID)
				if kept, want := err == nil, i >= 6; kept != want {
					t.Errorf("%s: run %d of 9 is kept: %t (%v), want %t", when, i+1, kept, err, want)
				}
			}
		}
		check("while it is down")
		disk.down.Store(false)
		time.Sleep(2 * time.Minute)
		check("when it works again")
	})
}
