// Package archivetest has the suites that every implementation of the interfaces of package archive must pass.
package archivetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// base is when the runs of the suite begin.
var base = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

// runOf returns a run of a job, created a number of seconds after base. It took a second.
func runOf(id, job, status string, second int) archive.Run {
	created := base.Add(time.Duration(second) * time.Second)
	return archive.Run{
		ID: id, Job: job, Status: status, Trigger: "api", Created: created, Finished: created.Add(time.Second),
		Expires: time.Now().Add(time.Hour), Data: []byte(`{"id":"` + id + `"}`),
	}
}

// A runsTest is one test of the suite.
type runsTest struct {
	*testing.T
	archive.Runs
}

// maxForgotten is how many forgotten runs the archive of a test remembers.
const maxForgotten = 200

// RunRuns runs the suite of [archive.Runs]. Open returns an archive without runs that remembers that many which it has
// forgotten. It is closed at the end of the test that open gets.
func RunRuns(t *testing.T, open func(t *testing.T, forgotten int) archive.Runs) {
	tests := []struct {
		name string
		test func(runsTest)
	}{
		{"a run is found as it was added", runsTest.found},
		{"the first end of a run counts", runsTest.first},
		{"the runs that ended last are kept", runsTest.keep},
		{"the newest of ends at the same time are kept", runsTest.sameTime},
		{"runs of the future make way", runsTest.future},
		{"what has expired is forgotten", runsTest.expired},
		{"ids of many forgotten runs", runsTest.forgotten},
		{"lists are filtered", runsTest.filtered},
		{"pages miss no run and repeat none", runsTest.pages},
		{"the last run of a job", runsTest.last},
		{"output is kept whole", runsTest.output},
		{"the tail of much output is kept", runsTest.tail},
		{"output goes with its run", runsTest.outputGoes},
		{"output that is not to be kept is discarded", runsTest.discard},
		{"many use it at once", runsTest.stress},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(runsTest{t, open(t, maxForgotten)}) })
	}
}

func (t runsTest) add(run archive.Run, keep int) {
	t.Helper()
	if err := t.Add(t.Context(), run, keep); err != nil {
		t.Fatalf("Add(%s) = %v", run.ID, err)
	}
}

// ids are the runs that a filter lets pass, in order.
func (t runsTest) ids(filter archive.RunFilter) string {
	t.Helper()
	list, err := t.List(t.Context(), filter)
	if err != nil {
		t.Fatalf("List(%+v) = %v", filter, err)
	}
	var ids []string
	for _, run := range list {
		ids = append(ids, run.ID)
	}
	return strings.Join(ids, " ")
}

// has checks that a run is kept, or the error of one that is not.
func (t runsTest) has(id string, want error) {
	t.Helper()
	run, err := t.Get(t.Context(), id)
	if !errors.Is(err, want) || err == nil && run.ID != id {
		t.Errorf("Get(%s) = %+v, %v, want %v", id, run, err, want)
	}
}

func (t runsTest) found() {
	want := runOf("a", "scan", "succeeded", 0)
	want.Trigger = "schedule"
	want.Expires = want.Expires.Truncate(time.Millisecond).UTC()
	t.add(want, 9)
	same := func(how string, got archive.Run, err error) {
		t.Helper()
		if err != nil || !bytes.Equal(got.Data, want.Data) || got.Job != want.Job || got.Status != want.Status ||
			got.Trigger != want.Trigger || got.ID != want.ID || !got.Created.Equal(want.Created) ||
			!got.Finished.Equal(want.Finished) || !got.Expires.Equal(want.Expires) {
			t.Errorf("%s: the run is %+v, %v, want %+v", how, got, err, want)
		}
	}
	got, err := t.Get(t.Context(), "a")
	same("Get", got, err)
	list, err := t.List(t.Context(), archive.RunFilter{})
	if len(list) != 1 {
		t.Fatalf("List = %v, want one run", list)
	}
	same("List", list[0], err)
	got, err = t.Last(t.Context(), "scan")
	same("Last", got, err)
	t.has("b", archive.ErrNotFound)
}

func (t runsTest) first() {
	t.add(runOf("a", "scan", "succeeded", 0), 1)
	t.add(runOf("a", "scan", "lost", 0), 1)
	if got, _ := t.Get(t.Context(), "a"); got.Status != "succeeded" {
		t.Errorf("the run is %q, want its first end", got.Status)
	}
	t.add(runOf("b", "scan", "failed", 1), 1)
	t.add(runOf("a", "scan", "lost", 0), 9) // it was forgotten: it does not come back
	if got := t.ids(archive.RunFilter{}); got != "b" {
		t.Errorf("the runs are %q, want b alone", got)
	}
}

func (t runsTest) expired() {
	old := runOf("old", "scan", "succeeded", 1)
	old.Expires = time.Now().Add(-time.Second)
	t.add(runOf("a", "scan", "succeeded", 0), 9)
	t.Print("old", 0, []byte("text\n"), 1000)
	t.add(old, 9)
	for _, when := range []string{"added", "swept"} {
		t.has("old", archive.ErrForgotten)
		if got := t.ids(archive.RunFilter{}); got != "a" {
			t.Errorf("%s: the runs are %q, want a alone", when, got)
		}
		if last, err := t.Last(t.Context(), "scan"); err != nil || last.ID != "a" {
			t.Errorf("%s: the last run is %q, %v, want a", when, last.ID, err)
		}
		if got, err := t.Output(t.Context(), "old", 0, 100); err != nil || len(got.Text) > 0 {
			t.Errorf("%s: the output is %q, %v, want none", when, got.Text, err)
		}
		if err := t.Sweep(t.Context()); err != nil {
			t.Errorf("Sweep = %v", err)
		}
	}
}

// forgotten forgets more runs than are remembered. Those that were forgotten last are.
func (t runsTest) forgotten() {
	var adds sync.WaitGroup
	for w := range 20 {
		adds.Go(func() {
			for i := range maxForgotten/20 + 3 {
				n := i*20 + w
				if err := t.Add(context.Background(), runOf(fmt.Sprint("r", n), "scan", "succeeded", n), 1); err != nil {
					t.Errorf("Add = %v", err)
				}
			}
		})
	}
	adds.Wait()
	known := 0
	for n := range maxForgotten + 60 {
		if _, err := t.Get(t.Context(), fmt.Sprint("r", n)); errors.Is(err, archive.ErrForgotten) {
			known++
		}
	}
	if known != maxForgotten {
		t.Errorf("%d runs are known to be forgotten, want %d", known, maxForgotten)
	}
}

func (t runsTest) filtered() {
	for i, status := range strings.Fields("succeeded failed succeeded lost cancelled succeeded") {
		t.add(runOf(fmt.Sprint("s", i), "scan", status, 10*i), 99)
		t.add(runOf(fmt.Sprint("o", i), "other", status, 10*i+1), 99)
	}
	at := func(second int) time.Time { return base.Add(time.Duration(second) * time.Second) }
	after := archive.RunKey{Created: at(20), ID: "s2"}
	for _, c := range []struct {
		filter archive.RunFilter
		want   string
	}{
		{archive.RunFilter{Limit: 3}, "o5 s5 o4"},
		{archive.RunFilter{Job: "none"}, ""},
		{archive.RunFilter{Job: "scan", Limit: 2}, "s5 s4"},
		{archive.RunFilter{Statuses: []string{"lost", "failed"}}, "o3 s3 o1 s1"},
		{archive.RunFilter{Statuses: []string{"lost", "succeeded"}, Job: "scan"}, "s5 s3 s2 s0"},
		{archive.RunFilter{Statuses: []string{"lost", "succeeded"}, Job: "scan", Limit: 2}, "s5 s3"},
		{archive.RunFilter{Statuses: []string{"queued"}}, ""},
		{archive.RunFilter{Since: at(31)}, "o5 s5 o4 s4 o3"},
		{archive.RunFilter{Before: at(11)}, "s1 o0 s0"},
		{archive.RunFilter{Since: at(10), Before: at(21), Job: "scan"}, "s2 s1"},
		{archive.RunFilter{Since: at(21), Before: at(11)}, ""},
		{archive.RunFilter{After: &after}, "o1 s1 o0 s0"},
		{archive.RunFilter{After: &after, Job: "other", Statuses: []string{"failed"}}, "o1"},
		{archive.RunFilter{After: &after, Since: at(10), Before: at(15)}, "o1 s1"},
	} {
		if got := t.ids(c.filter); got != c.want {
			t.Errorf("List(%+v) is %q, want %q", c.filter, got, c.want)
		}
	}
}

// pages reads a list while new runs come, many of them created at one moment.
func (t runsTest) pages() {
	var want []string
	for i := range 60 {
		id := fmt.Sprintf("r%02d", i)
		t.add(runOf(id, "scan", []string{"succeeded", "failed", "lost"}[i%3], i/8), 999)
		if i%3 != 2 {
			want = append(want, id)
		}
	}
	slices.Reverse(want)
	var got []string
	filter := archive.RunFilter{Job: "scan", Statuses: []string{"failed", "succeeded"}, Limit: 7}
	for page := 0; ; page++ {
		list, err := t.List(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, run := range list {
			got = append(got, run.ID)
		}
		last := list[len(list)-1].Key()
		filter.After = &last
		t.add(runOf(fmt.Sprint("new", page), "scan", "failed", 100+page), 999)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the pages have %v, want %v", got, want)
	}
}

func (t runsTest) stress() {
	const writers, each = 4, 25
	over := make(chan struct{}, writers)
	for w := range writers {
		go func() {
			defer func() { over <- struct{}{} }()
			for i := range each {
				id := fmt.Sprintf("w%dr%d", w, i)
				for k := range 10 {
					t.Print(id, int64(k)*2, []byte("x\n"), 1000)
				}
				if err := t.Add(context.Background(), runOf(id, fmt.Sprint("job", w), "succeeded", i), 10); err != nil {
					t.Errorf("Add = %v", err)
				}
				if _, err := t.List(context.Background(), archive.RunFilter{Statuses: []string{"succeeded"}}); err != nil {
					t.Errorf("List = %v", err)
				}
			}
		}()
	}
	for range writers {
		<-over
	}
	list, err := t.List(t.Context(), archive.RunFilter{Limit: 1000})
	if err != nil || len(list) != writers*10 {
		t.Errorf("%d runs are kept, %v, want %d", len(list), err, writers*10)
	}
	for _, run := range list {
		if got, _ := t.whole(run.ID, 0, 7); string(got) != strings.Repeat("x\n", 10) {
			t.Errorf("the output of %s is %q", run.ID, got)
		}
	}
}
