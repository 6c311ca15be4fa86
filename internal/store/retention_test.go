package store_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
)

const pastTable = `CREATE TABLE past (at INTEGER PRIMARY KEY, v)`

// withPast returns a Dir with a table of the past that has a row for each of the last days, of 1000 bytes.
func withPast(t *testing.T, path string, opts store.Options, days int) *store.Dir {
	t.Helper()
	d, err := store.Open(t.Context(), path, opts)
	if err != nil {
		t.Fatal(err)
	}
	now(t, d, pastTable, fmt.Sprintf(`WITH RECURSIVE day(n) AS (VALUES (0) UNION ALL SELECT n+1 FROM day WHERE n<%d)
		INSERT INTO past SELECT %d-n*86400000, zeroblob(1000) FROM day`, days-1, time.Now().UnixMilli()))
	d.AddPast("past", false)
	return d
}

func TestPastGoesWhenItIsOld(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := withPast(t, path, store.Options{Keep: 100 * 24 * time.Hour}, 6000)
		defer closeDir(t, d)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := count(t, d, "SELECT count(*) FROM past"); n < 100 || n > 101 {
			t.Errorf("%d days are left, want 100", n)
		}
		time.Sleep(10 * time.Second) // free pages are given back
		synctest.Wait()
		if free := count(t, d, "SELECT freelist_count FROM pragma_freelist_count"); free > 100 {
			t.Errorf("%d pages are free, want at most 100", free)
		}
	})
}

// A clock that jumps ahead has little deleted. When it is right again nothing more is.
func TestClockThatJumpsAheadDeletesLittle(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d := withPast(t, path, store.Options{Keep: 100 * 24 * time.Hour}, 100)
		time.Sleep(time.Minute)
		closeDir(t, d)
		time.Sleep(365 * 24 * time.Hour) // as seen by the next process
		d, err := store.Open(t.Context(), path, store.Options{Keep: 100 * 24 * time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		d.AddPast("past", false)
		time.Sleep(time.Hour + time.Minute)
		synctest.Wait()
		if n := count(t, d, "SELECT count(*) FROM past"); n < 98 || n > 99 {
			t.Errorf("an hour later %d days are left, want 98 or 99", n)
		}
		if before := d.Before(); time.Since(before) < 365*24*time.Hour {
			t.Errorf("the process before was last at work at %v, want a year ago", before)
		}
		closeDir(t, d)
	})
}

func TestClockThatWasSetBackIsLogged(t *testing.T) {
	path := t.TempDir()
	var log bytes.Buffer
	d := open(t, path)
	now(t, d, fmt.Sprintf("INSERT INTO meta VALUES ('alive', %d) ON CONFLICT DO UPDATE SET value=excluded.value",
		time.Now().Add(time.Hour).UnixMilli()))
	crashed := t.TempDir()
	if err := d.Crash(crashed); err != nil {
		t.Fatal(err)
	}
	d = openLogging(t, crashed, slog.NewTextHandler(&log, nil))
	closeDir(t, d)
	if !strings.Contains(log.String(), "the clock was set back") {
		t.Errorf("the log is %q, want that the clock was set back", &log)
	}
}

// The oldest rows go when the file is too large, and the newest stay, also if the file grows all the time.
func TestSizeIsBounded(t *testing.T) {
	path := t.TempDir()
	const most = 1 << 20
	synctest.Test(t, func(t *testing.T) {
		d := withPast(t, path, store.Options{MaxSize: most}, 3000)
		defer closeDir(t, d)
		time.Sleep(time.Minute)
		for i := range 50 {
			now(t, d, fmt.Sprintf(`WITH RECURSIVE row(n) AS (VALUES (0) UNION ALL SELECT n+1 FROM row WHERE n<29)
				INSERT INTO past SELECT %d+n, zeroblob(1000) FROM row`, time.Now().UnixMilli()+int64(i%3)*200))
			time.Sleep(time.Second)
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		n := count(t, d, "SELECT count(*) FROM past")
		if n < 500 {
			t.Errorf("%d rows of 1000 bytes are left of %d bytes, want most of what fits", n, most)
		}
		pages := count(t, d, "SELECT page_count FROM pragma_page_count")
		if pages*4096 > most+100*4096 {
			t.Errorf("there are %d pages, want at most %d bytes, and what is free", pages, most)
		}
	})
}

// What is not past stays, and the log says so.
func TestStateIsNoPast(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d, err := store.Open(t.Context(), path, store.Options{MaxSize: 1 << 20, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		now(t, d, table, "INSERT INTO test SELECT 1, zeroblob(3000000)")
		time.Sleep(time.Minute)
		if n := count(t, d, "SELECT count(*) FROM test"); n != 1 {
			t.Error("the row is gone")
		}
		if err := d.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "larger than it should be"); n != 1 {
			t.Errorf("the log says %d times that the store is too large, want once:\n%s", n, &log)
		}
	})
}

// Runs go, with their output, when the database is too large, the oldest first.
func TestRunsGoWhenTheyAreTooMuch(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		d, err := store.Open(t.Context(), path, store.Options{MaxSize: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer closeDir(t, d)
		const runs = 300
		begin := time.Now()
		for n := range runs {
			id := fmt.Sprintf("RUN%03d", n)
			d.Runs().Print(id, 0, bytes.Repeat([]byte("x"), 8000), 1<<20)
			created := begin.Add(time.Duration(n-runs) * time.Hour)
			run := archive.Run{ID: id, Job: "a", Status: "succeeded", Created: created, Finished: created, Expires: begin.AddDate(1, 0, 0)}
			if err := d.Runs().Add(t.Context(), run, 1000); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		list, err := d.Runs().List(t.Context(), archive.RunFilter{Limit: 1000})
		if err != nil || len(list) < 60 || len(list) > 130 || list[0].ID != "RUN299" {
			t.Fatalf("%d runs are left, %v, want about 100, and the newest", len(list), err)
		}
		pages := count(t, d, "SELECT page_count FROM pragma_page_count")
		if outputs := count(t, d, "SELECT count(DISTINCT run) FROM run_output"); outputs != len(list) || pages*4096 > 1<<20+100*4096 {
			t.Errorf("%d runs have output in %d pages, want %d in at most 256 pages, and what is free", outputs, pages, len(list))
		}
	})
}
