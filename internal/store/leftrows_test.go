package store_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
)

// Of rows that come and go, a directory has the names of those that are there and of the newest that have left, and of no
// others: in each table and in memory, whatever happens to the process, and whoever comes back.
func TestOfRowsThatHaveLeftTheNewestAreKept(t *testing.T) {
	for seed := range uint64(2) {
		synctest.Test(t, func(t *testing.T) { testLeftRows(t, rand.New(rand.NewPCG(seed, 16))) })
	}
}

func testLeftRows(t *testing.T, r *rand.Rand) {
	const most = 5
	path := t.TempDir()
	d := openQuietly(t, path)
	defer func() { closeDir(t, d) }()
	d.KeepLeft(most)
	there, left := map[string]bool{"tank": true}, map[string][]string{} // by split source, in their order
	wanted := func() []string {
		all := slices.Collect(maps.Keys(there))
		for _, names := range left {
			all = append(all, names...)
		}
		slices.Sort(all)
		return all
	}
	poll := func(name string) {
		now := time.Now()
		d.Spans().Enter(name, now, "ok", "")
		d.Samples().Add(name, archive.Sample{Poll: archive.Poll{At: now, State: "ok"}, Value: 7.0})
	}
	come := func(name string) {
		d.LeftRows().Return(name)
		d.Samples().Keep(name, time.Hour)
		there[name] = true
		for split, names := range left {
			left[split] = slices.DeleteFunc(names, func(other string) bool { return other == name })
		}
		poll(name)
	}
	leave := func(name string) {
		time.Sleep(time.Millisecond) // or it was in no state at all
		split, _, _ := strings.Cut(name, "/")
		d.Samples().Leave(name)
		d.Spans().Leave(name, time.Now())
		d.LeftRows().Leave(split, name)
		delete(there, name)
		if left[split] = append(left[split], name); len(left[split]) > most {
			left[split] = left[split][1:]
		}
	}
	next := 0
	for range 25 {
		for range r.IntN(12) {
			var rows []string
			for name := range there {
				if name != "tank" {
					rows = append(rows, name)
				}
			}
			slices.Sort(rows)
			switch split := []string{"pods", "jobs"}[r.IntN(2)]; {
			case len(rows) > 8 || len(rows) > 0 && r.IntN(3) == 0:
				leave(rows[r.IntN(len(rows))])
			case len(left[split]) > 0 && r.IntN(4) == 0:
				come(left[split][r.IntN(len(left[split]))])
			default:
				come(fmt.Sprint(split, "/", next))
				next++
			}
		}
		poll("tank")
		switch r.IntN(8) {
		case 0: // the process is killed
			time.Sleep(100 * time.Millisecond) // what happened before is written
			to := t.TempDir()
			if err := d.Crash(to); err != nil {
				t.Fatal(err)
			}
			closeDir(t, d)
			path = to
			d = openQuietly(t, path)
		case 1: // it is stopped
			closeDir(t, d)
			d = openQuietly(t, path)
		case 2: // what memory has is written once more
			d.WriteAgain()
		}
		d.KeepLeft(most)
		for name := range there {
			d.Samples().Keep(name, time.Hour)
			poll(name)
		}
		time.Sleep(3 * time.Second)
		wantNames(t, d, wanted())
	}
	d.ForgetLeftAsOf(time.Now().Add(367 * 24 * time.Hour))
	left = nil
	time.Sleep(3 * time.Second)
	wantNames(t, d, wanted())
	if names := namesIn(t, d, "left_row"); len(names) > 0 {
		t.Errorf("after a year there are still the names of %v", names)
	}
}

// A name that waits to be forgotten is not lost when the table is written anew: a process that is killed then leaves it to the next
// one.
func TestNamesThatAreToBeForgottenOutliveTheProcess(t *testing.T) {
	d := openQuietly(t, t.TempDir())
	defer func() { closeDir(t, d) }()
	d.KeepLeft(5)
	for i := range 450 {
		name := fmt.Sprint("pod/", i)
		now := time.Now()
		d.Spans().Enter(name, now.Add(-time.Minute), "ok", "")
		d.Spans().Leave(name, now)
		d.LeftRows().Leave("pod", name)
	}
	waited := false
	for range 4 {
		d.WriteAgain()
		if err := d.Batch(); err != nil {
			t.Fatal(err)
		}
		left := namesIn(t, d, "left_row")
		waited = waited || len(left) > 5
		for _, name := range namesIn(t, d, "span") {
			if !slices.Contains(left, name) {
				t.Fatalf("%s has a past, and nobody forgets it: %d rows are known that have left", name, len(left))
			}
		}
	}
	if !waited {
		t.Error("no name had to wait")
	}
}

// wantNames fails the test unless a directory has the past of these sources and of no others.
func wantNames(t *testing.T, d *store.Dir, want []string) {
	t.Helper()
	for _, table := range []string{"span", "sample_source"} {
		if got := namesIn(t, d, table); !slices.Equal(got, want) {
			t.Fatalf("%s has\n  %v\nwant\n  %v", table, got, want)
		}
	}
	if states, samples := d.Names(); states != len(want) || samples != len(want) {
		t.Fatalf("memory has states of %d and samples of %d, want %d", states, samples, len(want))
	}
	if rest, _, err := d.Sum(`SELECT count(*) FROM sample WHERE key>>36 NOT IN (SELECT id FROM sample_source)`); err != nil || rest != 0 {
		t.Fatalf("there are %d samples of nobody, %v", rest, err)
	}
	for _, name := range want {
		past, err := d.Spans().Past(context.Background(), name, time.Unix(0, 0), time.Now())
		polls, failed := d.Samples().Polls(context.Background(), name)
		if err != nil || failed != nil || len(past.Spans) == 0 || len(polls) == 0 {
			t.Fatalf("%s has the states %v and the polls %v: %v, %v", name, past.Spans, polls, err, failed)
		}
	}
}

// namesIn returns the names of sources that are in a table, sorted.
func namesIn(t *testing.T, d *store.Dir, table string) (names []string) {
	t.Helper()
	column := "source"
	if table == "sample_source" {
		column = "name"
	}
	rows, err := d.Read().QueryContext(context.Background(), "SELECT DISTINCT "+column+" FROM "+table+" ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return names
}
