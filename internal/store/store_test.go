package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
)

// open opens a directory until the test ends.
func open(t testing.TB, path string) *store.Dir {
	t.Helper()
	return openLogging(t, path, slog.NewTextHandler(t.Output(), nil))
}

func openLogging(t testing.TB, path string, to slog.Handler) *store.Dir {
	t.Helper()
	d, err := store.Open(t.Context(), path, store.Options{Logger: slog.New(to)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close(context.Background()) })
	return d
}

func closeDir(t testing.TB, d *store.Dir) {
	t.Helper()
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func now(t testing.TB, d *store.Dir, statements ...string) {
	t.Helper()
	if err := d.Now(context.Background(), statements...); err != nil {
		t.Fatal(err)
	}
}

func count(t testing.TB, d *store.Dir, query string) int {
	t.Helper()
	var n int
	if err := d.Read().QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const table = `CREATE TABLE test (n INTEGER PRIMARY KEY, v)`

func TestDirIsMadeForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "data")
	d := open(t, path)
	now(t, d, table)
	for name, want := range map[string]fs.FileMode{
		"": 0o700, "tidewire.db": 0o600, "tidewire.db-wal": 0o600, "tidewire.db-shm": 0o600, "lock": 0o600,
	} {
		info, err := os.Stat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want && os.PathSeparator == '/' {
			t.Errorf("%q has mode %o, want %o", name, got, want)
		}
	}
	closeDir(t, d)
	closeDir(t, d)
	if _, err := os.Stat(filepath.Join(path, "tidewire.db-wal")); err == nil {
		t.Error("a WAL is left after Close")
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	_, err := store.Open(t.Context(), path, store.Options{})
	want := fmt.Sprintf("store: the directory %s is in use by process %d: stop that one first, or choose another directory", path, os.Getpid())
	if err == nil || err.Error() != want {
		t.Errorf("a second Open = %v, want %q", err, want)
	}
	closeDir(t, d)
	open(t, path)
}

// Nothing is changed in a file that cannot be used.
func TestFilesThatAreRefused(t *testing.T) {
	stored := func(t *testing.T, path string, statements string) {
		closeDir(t, open(t, path))
		db, err := sql.Open("sqlite", filepath.Join(path, "tidewire.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec(statements); err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *testing.T, path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, want string
		make       func(t *testing.T, dir, file string)
	}{
		{"text", "is not a database of Tidewire: move it away", func(t *testing.T, _, file string) {
			write(t, file, "some notes that somebody keeps here\n")
		}},
		{"short text", "is not a database of Tidewire: move it away", func(t *testing.T, _, file string) { write(t, file, "notes") }},
		{"another program", "belongs to another program: move it away", func(t *testing.T, dir, _ string) {
			stored(t, dir, "PRAGMA application_id=7")
		}},
		{"tables of another program", "belongs to another program", func(t *testing.T, dir, file string) {
			stored(t, dir, "PRAGMA application_id=0; PRAGMA user_version=0; PRAGMA journal_mode=DELETE")
		}},
		{"newer", "was written by a newer version of Tidewire: use that version, or another directory " +
			"(its schema is version 99, and this one knows versions up to 5)", func(t *testing.T, dir, _ string) {
			stored(t, dir, "PRAGMA user_version=99")
		}},
		{"cut off", "is damaged: ", func(t *testing.T, dir, file string) {
			stored(t, dir, "CREATE TABLE more (v); INSERT INTO more SELECT randomblob(50000)")
			if err := os.Truncate(file, 8192); err != nil {
				t.Fatal(err)
			}
		}},
		{"overwritten", "is damaged: ", func(t *testing.T, dir, file string) {
			stored(t, dir, "PRAGMA user_version=5")
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 4000), 100); err != nil {
				t.Fatal(err)
			}
		}},
		{"WAL alone", ".db is missing, and ", func(t *testing.T, _, file string) { write(t, file+"-wal", "frames") }},
		{"empty with a WAL", ".db is empty, and ", func(t *testing.T, _, file string) {
			write(t, file, "")
			write(t, file+"-wal", "frames")
		}},
		{"backup with the WAL of another", ".db is a backup, and ", func(t *testing.T, dir, file string) {
			stored(t, dir, "PRAGMA journal_mode=DELETE")
			write(t, file+"-wal", "frames")
		}},
		{"directory", "is a directory", func(t *testing.T, dir, file string) {
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "tidewire.db")
			c.make(t, dir, file)
			before, _ := os.ReadFile(file)
			wal, _ := os.ReadFile(file + "-wal")
			d, err := store.Open(t.Context(), dir, store.Options{})
			if err == nil {
				_ = d.Close(context.Background())
				t.Fatal("Open succeeded")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
				t.Errorf("Open = %q, want the file's name and %q", err, c.want)
			}
			if after, _ := os.ReadFile(file); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
			if after, _ := os.ReadFile(file + "-wal"); !bytes.Equal(wal, after) {
				t.Error("the WAL was changed")
			}
		})
	}
}

// What shares a batch is one transaction, 50 ms after the first.
func TestSoonIsOneTransaction(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var took []time.Duration
		var mu sync.Mutex
		d, err := store.Open(t.Context(), path, store.Options{Written: func(d time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close(context.Background())
		now(t, d, table)
		synctest.Wait()
		mu.Lock()
		took = nil
		mu.Unlock()
		for i := range 10 {
			d.Soon(fmt.Sprintf("INSERT INTO test VALUES (%d, 'x')", i))
			time.Sleep(4 * time.Millisecond)
		}
		synctest.Wait()
		if n := count(t, d, "SELECT count(*) FROM test"); n != 0 {
			t.Errorf("after 40 ms %d rows were written, want none", n)
		}
		time.Sleep(11 * time.Millisecond)
		synctest.Wait()
		if n := count(t, d, "SELECT count(*) FROM test"); n != 10 {
			t.Errorf("after 51 ms %d rows were written, want 10", n)
		}
		if len(took) != 1 {
			t.Errorf("they took %d transactions, want 1", len(took))
		}
	})
}

func TestNowWaitsForTheDisk(t *testing.T) {
	d := open(t, t.TempDir())
	now(t, d, table)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			now(t, d, fmt.Sprintf("INSERT INTO test VALUES (%d, 'x')", i))
			if n := count(t, d, fmt.Sprintf("SELECT count(*) FROM test WHERE n=%d", i)); n != 1 {
				t.Errorf("row %d is not there when now has returned", i)
			}
		})
	}
	wg.Wait()
}

// An op that is wrong is dropped, and those that share its transaction are not.
func TestWrongOpsAreDroppedAlone(t *testing.T) {
	var log bytes.Buffer
	d := openLogging(t, t.TempDir(), slog.NewTextHandler(&log, nil))
	now(t, d, table)
	release := d.Block()
	d.Soon("INSERT INTO test VALUES (1, 'a')")
	d.Soon("INSERT INTO test VALUES (2, 'a')", "INSERT INTO test VALUES (1, 'again')")
	d.Soon("INSERT INTO nowhere VALUES (1)")
	d.Soon("INSERT INTO test VALUES (3, 'a')")
	errs := make(chan error)
	go func() { errs <- d.Now(t.Context(), "INSERT INTO test VALUES (3, 'again')") }()
	release()
	if err := <-errs; err == nil || !strings.Contains(err.Error(), "UNIQUE") {
		t.Errorf("now of an op that is wrong = %v, want why", err)
	}
	now(t, d, "INSERT INTO test VALUES (4, 'a')")
	if n := count(t, d, "SELECT group_concat(n, '') FROM test"); n != 134 {
		t.Errorf("the rows are %d, want 1, 3 and 4", n)
	}
	if since, err := d.Failing(); err != nil || d.Dropped() != 3 {
		t.Errorf("failing since %v: %v, dropped %d, want that it works, and 3", since, err, d.Dropped())
	}
	closeDir(t, d)
	if n := strings.Count(log.String(), "a record was not stored"); n != 1 {
		t.Errorf("the log has %d lines about records that were dropped, want 1 in a minute:\n%s", n, &log)
	}
}

// What an op that is wrong wanted to do once it is written is not done.
func TestWhatIsUndoneIsNotCommitted(t *testing.T) {
	d := open(t, t.TempDir())
	called := false
	if err := d.Undo(func() { called = true }); err == nil {
		t.Error("now of an op that is wrong = nil, want why")
	}
	now(t, d)
	if called {
		t.Error("an op that was undone is told that it was written")
	}
}

// An op reads what it has written.
func TestOpsRead(t *testing.T) {
	d := open(t, t.TempDir())
	now(t, d, table, "INSERT INTO test VALUES (2, 'a'), (3, 'a'), (4, 'b')")
	if sum, rows, err := d.Sum("SELECT n FROM test WHERE v=?", "a"); sum != 5 || rows != 2 || err != nil {
		t.Errorf("the sum of %d rows is %d, %v, want 2 and 5", rows, sum, err)
	}
	if _, _, err := d.Sum("SELECT n FROM test WHERE v=?", "c"); !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("a row that is not there: %v, want sql.ErrNoRows", err)
	}
}

// Close writes what waits.
func TestCloseWritesWhatWaits(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	now(t, d, table)
	for i := range 2500 {
		d.Soon(fmt.Sprintf("INSERT INTO test VALUES (%d, 'x')", i))
	}
	closeDir(t, d)
	d.Soon("INSERT INTO test VALUES (9999, 'late')")
	if err := d.Now(t.Context(), "INSERT INTO test VALUES (9999, 'late')"); err == nil {
		t.Error("now after Close = nil")
	}
	d = open(t, path)
	if n := count(t, d, "SELECT count(*) FROM test"); n != 2500 {
		t.Errorf("%d rows are there, want 2500", n)
	}
}

// A disk that does not answer holds up neither Close nor anybody who waits, for long.
func TestDiskThatHangs(t *testing.T) {
	path := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := openLogging(t, path, slog.NewTextHandler(&log, nil))
		now(t, d, table)
		release := d.Block()
		began := time.Now()
		err := d.Now(t.Context(), "INSERT INTO test VALUES (1, 'x')")
		if took := time.Since(began); err == nil || took != 5*time.Second {
			t.Errorf("now = %v after %v, want an error after 5 s", err, took)
		}
		if err := d.Now(t.Context(), "INSERT INTO test VALUES (2, 'x')"); err == nil || time.Since(began) != 5*time.Second {
			t.Errorf("the next now = %v after %v, want an error at once", err, time.Since(began))
		}
		if since, err := d.Failing(); err == nil || time.Since(since) != 0 {
			t.Errorf("failing since %v: %v", since, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d.Close(ctx); err == nil {
			t.Error("Close = nil, want that it took too long")
		}
		release()
		closeDir(t, d)
		for _, want := range []string{"the disk has not answered for 5 s", "is written again"} {
			if strings.Count(log.String(), want) != 1 {
				t.Errorf("the log does not have %q once:\n%s", want, &log)
			}
		}
		d = open(t, path)
		if n := count(t, d, "SELECT count(*) FROM test"); n != 2 {
			t.Errorf("%d rows are there, want both", n)
		}
		closeDir(t, d)
	})
}

// A link to a disk that is not mounted is said to be one.
func TestLinkToNothing(t *testing.T) {
	link := filepath.Join(t.TempDir(), "data")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Skip("links cannot be made here:", err)
	}
	d, err := store.Open(t.Context(), link, store.Options{})
	if err == nil {
		_ = d.Close(context.Background())
		t.Fatal("Open succeeded")
	}
	if want := link + " is a link to nowhere, which is not there"; !strings.Contains(err.Error(), want) {
		t.Errorf("Open = %v, want %q", err, want)
	}
}

// While the disk fails nothing waits for it, and what was put is not said to be stored.
func TestWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := openLogging(t, t.TempDir(), slog.DiscardHandler)
		s := d.Snapshots()
		c, _, err := s.Claim(t.Context(), "a", snapshot.ClaimOptions{})
		if err != nil {
			t.Fatal(err)
		}
		is := func(when string, stored bool) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.Stored(ctx); (err == nil) != stored {
				t.Errorf("%s: Stored = %v", when, err)
			}
			if err := s.Sync(t.Context()); err != nil {
				t.Errorf("%s: Sync = %v", when, err)
			}
		}
		c.Put([]byte("1"))
		is("while it works", true)
		release := d.Block()
		c.Put([]byte("2"))
		is("while it does not answer", false)
		time.Sleep(time.Minute)
		is("while it is known to fail", false)
		release()
		time.Sleep(time.Minute)
		is("when it answers", true)
		closeDir(t, d)
	})
}
