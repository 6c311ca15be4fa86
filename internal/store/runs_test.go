package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/archive/archivetest"
	"github.com/tidewire/tidewire/internal/store"
)

func TestRuns(t *testing.T) {
	archivetest.RunRuns(t, func(t *testing.T, forgotten int) archive.Runs {
		return open(t, t.TempDir()).Runs().Remember(forgotten)
	})
}

// Each query of runs finds its rows, in their order, by the index that was made for it.
func TestQueriesOfRunsUseTheirIndexes(t *testing.T) {
	d := open(t, t.TempDir())
	for query, index := range store.RunQueries {
		rows, err := d.Read().Query("EXPLAIN QUERY PLAN "+query, slices.Repeat([]any{1}, strings.Count(query, "?"))...)
		if err != nil {
			t.Fatal(err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		all := strings.Join(plan, "\n")
		if strings.Contains(all, "SCAN") || strings.Contains(all, "TEMP B-TREE") || !strings.Contains(all, " "+index+" (") {
			t.Errorf("the plan of %s is\n%s\nwant a search of %s", query, all, index)
		}
	}
}

// ended is a run of one of ten jobs, the nth that was created.
func ended(n int) archive.Run {
	created := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	status := "succeeded"
	switch {
	case n%1000 == 0:
		status = "lost"
	case n%20 == 0:
		status = "failed"
	}
	return archive.Run{
		ID: fmt.Sprintf("RUN%023d", n), Job: fmt.Sprint("job", n%10), Status: status, Trigger: "schedule",
		Created: created, Finished: created.Add(30 * time.Second), Expires: time.Now().Add(1000 * time.Hour),
		Data: bytes.Repeat([]byte("x"), 1000),
	}
}

// What a run printed before the process was killed is there afterwards, as far as it had been written.
func TestOutputSurvivesTheProcess(t *testing.T) {
	before := open(t, t.TempDir())
	before.Runs().Print("a", 0, []byte("first\n"), 1000)
	now(t, before)
	before.Runs().Print("a", 6, []byte("second\n"), 1000)
	now(t, before)
	killed := t.TempDir()
	if err := before.Crash(killed); err != nil {
		t.Fatal(err)
	}
	after := open(t, killed).Runs()
	part, err := after.Output(t.Context(), "a", 0, 100)
	if err != nil || string(part.Text) != "first\nsecond\n" || part.Size != 13 {
		t.Errorf("the output is %q of %d, %v, want both lines", part.Text, part.Size, err)
	}
	if err := after.Add(t.Context(), archive.Run{ID: "a", Job: "j", Expires: time.Now().Add(time.Hour)}, 1); err != nil {
		t.Fatal(err)
	}
	if part, err := after.Output(t.Context(), "a", 6, 100); err != nil || string(part.Text) != "second\n" {
		t.Errorf("the output after the end is %q, %v, want the second line", part.Text, err)
	}
}

// While the disk does not take it, memory for what runs print is bounded, and the newest part of it can be read.
func TestOutputWaitsForTheDisk(t *testing.T) {
	d := open(t, t.TempDir())
	runs := d.Runs()
	runs.Print("a", 0, []byte("first\n"), 1<<30)
	now(t, d)
	release := d.Block()
	line, at := bytes.Repeat([]byte("x"), 99_999), int64(6)
	for range 200 {
		runs.Print("a", at, append(line, '\n'), 1<<30)
		at += 100_000
	}
	part, err := runs.Output(t.Context(), "a", at-5, 100)
	if err != nil || part.Size != at || string(part.Text) != "xxxx\n" {
		t.Errorf("the newest output is %q of %d, %v, want that of %d", part.Text, part.Size, err, at)
	}
	release()
	now(t, d)
	now(t, d)
	if part, err = runs.Output(t.Context(), "a", 0, 0); err != nil || part.Size != at || at-part.Begin > 9<<20 || at-part.Begin < 3<<20 {
		t.Errorf("what is kept begins at %d of %d, %v, want some MiB and nothing before them", part.Begin, part.Size, err)
	}
	if err := runs.Add(t.Context(), archive.Run{ID: "a", Job: "j", Expires: time.Now().Add(time.Hour)}, 1); err != nil {
		t.Fatal(err)
	}
	begin := part.Begin
	if part, err = runs.Output(t.Context(), "a", 0, 0); err != nil || part.Size != at || part.Begin != begin {
		t.Errorf("after the end what is kept begins at %d of %d, %v, want %d", part.Begin, part.Size, err, begin)
	}
}

// Memory for what all runs print is bounded, too, and each of them has its newest part.
func TestOutputOfManyRunsWaitsForTheDisk(t *testing.T) {
	d := open(t, t.TempDir())
	release := d.Block()
	text := bytes.Repeat([]byte("x"), 1<<20)
	const runs = 100
	for i := range runs {
		d.Runs().Print(fmt.Sprint(i), 0, text, 1<<30)
	}
	var held int64
	for i := range runs {
		part, err := d.Runs().Output(t.Context(), fmt.Sprint(i), 0, 0)
		if err != nil || part.Size != int64(len(text)) || part.Begin == part.Size {
			t.Errorf("run %d has %d to %d, %v, want its newest output", i, part.Begin, part.Size, err)
		}
		held += part.Size - part.Begin
	}
	if held > 64<<20 || held < 16<<20 {
		t.Errorf("%d bytes are held, want at most 64 MiB", held)
	}
	release()
	now(t, d)
}

// What a forgotten run has printed is removed from the database, a piece at a time, also by the process after this one.
func TestOutputOfForgottenRunsIsRemoved(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	piece, at := bytes.Repeat([]byte("x"), archive.ChunkSize), int64(0)
	for range 100 {
		d.Runs().Print("a", at, piece, 1<<30)
		at += archive.ChunkSize
	}
	hour := time.Now().Add(time.Hour)
	for i, id := range []string{"a", "b"} {
		run := archive.Run{ID: id, Job: "j", Finished: time.UnixMilli(int64(i)), Expires: hour}
		if err := d.Runs().Add(t.Context(), run, 1); err != nil {
			t.Fatal(err)
		}
	}
	closeDir(t, d)
	d = open(t, path)
	for range 20 {
		now(t, d)
	}
	for _, table := range []string{"run_output", "run_trash"} {
		if n := count(t, d, "SELECT count(*) FROM "+table); n != 0 {
			t.Errorf("%s has %d rows, want none", table, n)
		}
	}
	if _, err := d.Runs().Get(t.Context(), "a"); !errors.Is(err, archive.ErrForgotten) {
		t.Errorf("Get = %v, want %v", err, archive.ErrForgotten)
	}
}

// BenchmarkListRuns lists some of 100,000 runs.
func BenchmarkListRuns(b *testing.B) {
	const all = 100_000
	r := open(b, b.TempDir()).Runs()
	for n := 0; n < all; n += 10_000 {
		var some []archive.Run
		for i := range 10_000 {
			some = append(some, ended(n+i))
		}
		if err := r.AddAll(some, all); err != nil {
			b.Fatal(err)
		}
	}
	last := ended(all / 2).Key()
	for name, filter := range map[string]archive.RunFilter{
		"all":             {},
		"200":             {Limit: 200},
		"job":             {Job: "job3"},
		"rare":            {Statuses: []string{"lost"}},
		"job and rare":    {Job: "job0", Statuses: []string{"lost", "failed"}},
		"job, none":       {Job: "job3", Statuses: []string{"lost", "cancelled"}},
		"five statuses":   {Statuses: []string{"succeeded", "lost", "failed", "cancelled", "timed_out"}},
		"deep":            {After: &last},
		"deep in job":     {After: &last, Job: "job3", Statuses: []string{"succeeded"}},
		"since, until":    {Since: last.Created, Before: last.Created.Add(time.Hour)},
		"job since never": {Since: last.Created.Add(1e6 * time.Hour), Job: "job3"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := r.List(context.Background(), filter); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("add", func(b *testing.B) {
		for n := all; b.Loop(); n++ {
			if err := r.Add(context.Background(), ended(n), all/10); err != nil {
				b.Fatal(err)
			}
		}
	})
}
