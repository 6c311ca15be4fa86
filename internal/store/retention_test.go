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
