package archivetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

func (t runsTest) keep() {
	// Long began first and ended last.
	long := runOf("long", "scan", "succeeded", 0)
	long.Finished = base.Add(time.Hour)
	for i := range 5 {
		t.add(runOf(fmt.Sprint("s", i), "scan", "succeeded", 10+i), 3)
		t.add(runOf(fmt.Sprint("o", i), "other", "succeeded", 10+i), 9)
	}
	t.add(long, 3)
	if got, want := t.ids(archive.RunFilter{Job: "scan"}), "s4 s3 long"; got != want {
		t.Errorf("the runs of scan are %q, want %q", got, want)
	}
	if got, want := t.ids(archive.RunFilter{Job: "other"}), "o4 o3 o2 o1 o0"; got != want {
		t.Errorf("the runs of other are %q, want %q", got, want)
	}
	for id, want := range map[string]error{"s0": archive.ErrForgotten, "s2": archive.ErrForgotten, "s3": nil, "o0": nil, "none": archive.ErrNotFound} {
		t.has(id, want)
	}
	for i := range 3 { // each forgets several, if there are
		t.add(runOf(fmt.Sprint("n", i), "other", "succeeded", 100+i), 1)
	}
	if got := t.ids(archive.RunFilter{Job: "other"}); got != "n2" {
		t.Errorf("after fewer are to be kept the runs are %q, want n2", got)
	}
	// One that ended before all that are kept is forgotten at once.
	t.add(runOf("late", "scan", "lost", 0), 3)
	t.has("late", archive.ErrForgotten)
}

// Runs that end in the same millisecond are in the order in which they began, and then were added, whatever their ids.
func (t runsTest) sameTime() {
	for _, c := range []struct{ job, order string }{{"up", "abcdef"}, {"down", "fedcba"}, {"mixed", "cfabed"}} {
		for i, r := range c.order {
			run := runOf(c.job+string(r), c.job, "succeeded", i/2)
			run.Finished = base.Add(time.Hour)
			t.add(run, 2)
			if got, err := t.Last(t.Context(), c.job); err != nil || got.ID != run.ID {
				t.Errorf("Last of %s = %q, %v, want %s, the newest of those that ended at the same time", c.job, got.ID, err, run.ID)
			}
		}
		for i, r := range c.order {
			want := archive.ErrForgotten
			if i >= len(c.order)-2 {
				want = nil
			}
			t.has(c.job+string(r), want)
		}
	}
	// One that began before the others, and is added late, was not the last.
	early := runOf("early", "up", "lost", 0)
	early.Finished = base.Add(time.Hour)
	t.add(early, 2)
	t.has("early", archive.ErrForgotten)
	t.has("upf", nil)
}

// A clock that was ahead for a while, and was set back, leaves runs that ended in the future.
func (t runsTest) future() {
	for i := range 3 {
		run := runOf(fmt.Sprint("future", i), "scan", "succeeded", i)
		run.Finished = time.Now().Add(time.Duration(i+1) * 1000 * time.Hour)
		t.add(run, 3)
	}
	for i := range 2 {
		run := runOf(fmt.Sprint("now", i), "scan", "succeeded", 10+i)
		run.Finished = time.Now().Add(time.Duration(i-2) * time.Second)
		t.add(run, 3)
		t.has(run.ID, nil)
		if last, err := t.Last(t.Context(), "scan"); err != nil || last.ID != run.ID {
			t.Errorf("the last run is %q, %v, want %s", last.ID, err, run.ID)
		}
	}
	if got, want := t.ids(archive.RunFilter{Job: "scan"}), "now1 now0 future2"; got != want {
		t.Errorf("the runs are %q, want %q", got, want)
	}
}

func (t runsTest) last() {
	long := runOf("long", "scan", "succeeded", 0)
	long.Finished = base.Add(time.Minute)
	t.add(long, 9)
	t.add(runOf("short", "scan", "succeeded", 5), 9)
	if got, err := t.Last(t.Context(), "scan"); err != nil || got.ID != "long" {
		t.Errorf("Last = %q, %v, want the run that ended last", got.ID, err)
	}
	if _, err := t.Last(t.Context(), "none"); !errors.Is(err, archive.ErrNotFound) {
		t.Errorf("Last of a job without runs = %v, want %v", err, archive.ErrNotFound)
	}
}
