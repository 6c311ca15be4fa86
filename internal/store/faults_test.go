package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
)

// patience is how long a test waits for what takes a second or two.
const patience = 20 * time.Second

// until waits until ok returns true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
	}
}

func isFailing(d *store.Dir) bool {
	_, err := d.Failing()
	return err != nil
}

// A safeBuffer is a log that is read while it is written.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// checkLog checks that the log says once that the store fails, with the reason, and once that it works again.
func checkLog(t *testing.T, log fmt.Stringer, reason string) {
	t.Helper()
	text := log.String()
	for _, want := range []string{"the store cannot be written", "the store is written again", reason} {
		if n := strings.Count(text, want); n != 1 {
			t.Errorf("the log has %q %d times, want once:\n%s", want, n, text)
		}
	}
}

// checkSound checks that the database of a directory that is not open is in order.
func checkSound(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(path, "tidewire.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("integrity_check = %q, %v, want ok", result, err)
	}
}

// A life is what happens to runs while the disk fails.
type life struct {
	t     *testing.T
	s     *store.Snapshots
	steps int
}

// live claims, puts and ends runs, none of which may wait for long or fail.
func (l *life) live() {
	l.t.Helper()
	l.steps++
	began := time.Now()
	c, _, err := l.s.Claim(context.Background(), fmt.Sprint("live", l.steps), snapshot.ClaimOptions{})
	if c == nil || err != nil {
		l.t.Fatalf("Claim = %v, %v", c, err)
	}
	c.Put([]byte("put"))
	c, _, err = l.s.Claim(context.Background(), fmt.Sprint("over", l.steps), snapshot.ClaimOptions{})
	if c == nil || err != nil {
		l.t.Fatalf("Claim = %v, %v", c, err)
	}
	if err := c.Finish(context.Background(), []byte("end"), time.Hour); err != nil {
		l.t.Errorf("Finish = %v", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		l.t.Errorf("it took %v, want less than the disk is waited for", took)
	}
}

// check checks that a process that comes next finds what has happened.
func (l *life) check(s *store.Snapshots) {
	l.t.Helper()
	got := entries(l.t, s)
	for i := 1; i <= l.steps; i++ {
		if e := got[fmt.Sprint("live", i)]; e.State != snapshot.Orphan || string(e.Data) != "put" {
			l.t.Errorf("live run %d is %v, want an orphan with its data", i, e)
		}
		if e := got[fmt.Sprint("over", i)]; e.State != snapshot.Final || string(e.Data) != "end" {
			l.t.Errorf("ended run %d is %v, want its end", i, e)
		}
	}
}

// A full disk stops nothing, and what happened meanwhile is written when there is room again.
func TestFullDisk(t *testing.T) {
	path := t.TempDir()
	log := new(safeBuffer)
	d := openLogging(t, path, slog.NewTextHandler(log, nil))
	l := &life{t: t, s: d.Snapshots()}
	now(t, d, table)
	l.live()
	limit := func(pages int) string { return fmt.Sprintf("PRAGMA max_page_count=%d", pages) }
	now(t, d, limit(count(t, d, "SELECT page_count FROM pragma_page_count")+10))
	err := d.Now(t.Context(), "INSERT INTO test SELECT 1, zeroblob(200000)")
	if err == nil || !strings.Contains(err.Error(), "full") || !isFailing(d) {
		t.Errorf("now on a full disk = %v, want that it is full", err)
	}
	for range 3 {
		l.live()
	}
	d.Soon("INSERT INTO test VALUES (2, 'soon')")
	d.Unlimit()
	until(t, "it works", func() bool { return !isFailing(d) })
	if n := count(t, d, "SELECT count(*) FROM test"); n != 2 {
		t.Errorf("%d rows are there, want both", n)
	}
	l.live()
	closeDir(t, d)
	checkLog(t, log, "full")
	checkSound(t, path)
	l.check(open(t, path).Snapshots())
}

// Ops of a failing disk wait in a bounded queue, and those that found no room are counted.
func TestFullQueue(t *testing.T) {
	d := open(t, t.TempDir())
	now(t, d, table)
	release := d.Block()
	for range store.MaxWaiting + 7 {
		d.Soon("INSERT INTO test (v) VALUES ('x')")
	}
	if n := d.Dropped(); n != 7 {
		t.Errorf("%d were dropped, want 7", n)
	}
	done := make(chan error, 1)
	go func() { done <- d.Now(context.Background(), "INSERT INTO test (v) VALUES ('now')") }()
	release()
	if err := <-done; err != nil {
		t.Errorf("now = %v, want room for it", err)
	}
	if n := count(t, d, "SELECT count(*) FROM test"); n != store.MaxWaiting+1 {
		t.Errorf("%d rows are there, want %d", n, store.MaxWaiting+1)
	}
}

// Whoever waits for an op that finds no room is told so, even if the disk works.
func TestWhoWaitsIsToldThatThereIsNoRoom(t *testing.T) {
	d := open(t, t.TempDir())
	release := d.Block()
	d.Fill()
	err := d.Now(t.Context(), "SELECT 1")
	release()
	if err == nil || isFailing(d) {
		t.Errorf("now without room = %v, want why it is not on disk", err)
	}
}

// What found no room, and memory has, is written when there is room again.
func TestWhatFoundNoRoomIsWritten(t *testing.T) {
	d := open(t, t.TempDir())
	release := d.Block()
	for range store.MaxWaiting {
		d.Soon("DELETE FROM alert WHERE key='none'")
	}
	d.Alerts().Keep("tank", []byte("{}"), false)
	d.Events().Add(archive.Event{ID: 1, Kind: "run", At: time.UnixMilli(1)})
	d.Runs().Print("r", 0, []byte("line\n"), 1<<20)
	if n := d.Dropped(); n != 3 {
		t.Fatalf("%d were dropped, want 3", n)
	}
	release()
	until(t, "all is written", func() bool {
		return count(t, d, "SELECT (SELECT count(*) FROM alert) + (SELECT count(*) FROM event) + (SELECT count(*) FROM run_output)") == 3
	})
}

// An end that waits for the disk is newer than what memory has when everything is written once more.
func TestEndsAreNotWrittenOver(t *testing.T) {
	d := open(t, t.TempDir())
	c, _, err := d.Snapshots().Claim(t.Context(), "a", snapshot.ClaimOptions{})
	if err != nil {
		t.Fatal(err)
	}
	release := d.Block()
	ended := make(chan error, 1)
	go func() { ended <- c.Finish(context.Background(), []byte("end"), time.Hour) }()
	until(t, "the end waits", func() bool { return d.Queued() == 1 })
	d.Snapshots().WriteAgain()
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	to := t.TempDir()
	if err := d.Crash(to); err != nil {
		t.Fatal(err)
	}
	if e := entries(t, open(t, to).Snapshots())["a"]; e.State != snapshot.Final || string(e.Data) != "end" {
		t.Errorf("after a crash the run is %v, want its end", e)
	}
}

// Another program that holds the database for long, such as a shell of SQLite, is waited for.
func TestDatabaseHeldByAnotherProgram(t *testing.T) {
	path := t.TempDir()
	log := new(safeBuffer)
	d := openLogging(t, path, slog.NewTextHandler(log, nil))
	l := &life{t: t, s: d.Snapshots()}
	other, err := sql.Open("sqlite", filepath.Join(path, "tidewire.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	l.live()
	until(t, "it fails", func() bool { return isFailing(d) })
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	until(t, "it works", func() bool { return !isFailing(d) })
	closeDir(t, d)
	checkLog(t, log, "locked")
	l.check(open(t, path).Snapshots())
}

// A directory that is removed is made again, with the newest state, also if that takes a while.
func TestDirectoryThatIsRemoved(t *testing.T) {
	for _, at := range []string{"once", "later", "back"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			parent := filepath.Join(t.TempDir(), "parent")
			path := filepath.Join(parent, "data")
			log := new(safeBuffer)
			d := openLogging(t, path, slog.NewTextHandler(log, nil))
			now(t, d, table)
			l := &life{t: t, s: d.Snapshots()}
			l.live()
			if at != "once" {
				if err := os.Rename(parent, parent+".aside"); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(parent, nil, 0o600); err != nil { // so that the directory cannot be made
					t.Fatal(err)
				}
				until(t, "it fails", func() bool { return isFailing(d) })
				l.live()
				if err := os.Remove(parent); err != nil {
					t.Fatal(err)
				}
				if at == "back" { // such as a disk that is mounted again: then nothing is lost
					if err := os.Rename(parent+".aside", parent); err != nil {
						t.Fatal(err)
					}
				}
			} else if err := os.RemoveAll(path); err != nil {
				t.Fatal(err)
			}
			until(t, "it is made again", func() bool {
				return strings.Contains(log.String(), "a new one was made") == (at != "back") && !isFailing(d)
			})
			l.live()
			if at == "back" {
				if n := count(t, d, "SELECT count(*) FROM test"); n != 0 {
					t.Errorf("there are %d rows, want the table that was there before, with none", n)
				}
			}
			closeDir(t, d)
			checkSound(t, path)
			l.check(open(t, path).Snapshots())
			if at == "later" {
				checkSound(t, filepath.Join(parent+".aside", "data"))
			}
		})
	}
}

// A database that was put in the place of the one that is open is not touched, nor its WAL, and what happens meanwhile is
// written if that one comes back.
func TestDatabaseThatIsReplaced(t *testing.T) {
	path, elsewhere := t.TempDir(), t.TempDir()
	other := open(t, t.TempDir())
	now(t, other, table, "INSERT INTO test VALUES (1, 'x')")
	if err := other.Crash(elsewhere); err != nil { // a database with a WAL that is not empty
		t.Fatal(err)
	}
	log := new(safeBuffer)
	d := openLogging(t, path, slog.NewTextHandler(log, nil))
	l := &life{t: t, s: d.Snapshots()}
	l.live()
	exchange := func() {
		t.Helper()
		for _, part := range []string{"", "-wal"} {
			a, b := filepath.Join(path, "tidewire.db"+part), filepath.Join(elsewhere, "tidewire.db"+part)
			for _, move := range [][2]string{{a, a + ".x"}, {b, a}, {a + ".x", b}} {
				if err := os.Rename(move[0], move[1]); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	contents := func() (all []byte) {
		t.Helper()
		for _, part := range []string{"", "-wal"} {
			data, err := os.ReadFile(filepath.Join(path, "tidewire.db"+part))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, data...)
		}
		return all
	}
	exchange()
	before := contents()
	until(t, "it fails", func() bool { return isFailing(d) })
	l.live()
	if !bytes.Equal(contents(), before) {
		t.Error("the other database was changed")
	}
	exchange()
	until(t, "it works", func() bool { return !isFailing(d) })
	closeDir(t, d)
	checkLog(t, log, "was replaced by another file")
	l.check(open(t, path).Snapshots())
}

// Close while another database has the name leaves that one alone.
func TestCloseWhileReplaced(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	now(t, d, table)
	file := filepath.Join(path, "tidewire.db")
	if err := os.Rename(file, file+".aside"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "-wal"} {
		if err := os.Remove(name); err != nil && name != file {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("another one"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "it fails", func() bool { return isFailing(d) })
	if err := d.Close(context.Background()); err == nil {
		t.Error("Close = nil, want that the database was replaced")
	}
	for _, name := range []string{file, file + "-wal"} {
		if data, err := os.ReadFile(name); err != nil || string(data) != "another one" {
			t.Errorf("%s is now %q, %v", name, data, err)
		}
	}
}

// A lock that is removed while it is used does not let a second process in for long.
func TestLockThatIsRemoved(t *testing.T) {
	path := t.TempDir()
	log := new(safeBuffer)
	d := openLogging(t, path, slog.NewTextHandler(log, nil))
	lock := filepath.Join(path, "lock")
	if err := os.Remove(lock); err != nil {
		t.Skip("a file in use cannot be removed here")
	}
	until(t, "it is made again", func() bool { return strings.Contains(log.String(), "the lock of the store was removed") })
	if other, err := store.Open(t.Context(), path, store.Options{}); err == nil {
		_ = other.Close(context.Background())
		t.Error("a second Open succeeded")
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	other, err := store.Open(t.Context(), path, store.Options{}) // before it is noticed
	if err != nil {
		t.Skip("it was noticed at once:", err)
	}
	until(t, "it fails", func() bool { return isFailing(d) })
	if _, err := d.Failing(); !strings.Contains(err.Error(), "is in use by process") {
		t.Errorf("it fails with %v, want that another process uses it", err)
	}
	closeDir(t, other)
	until(t, "it works", func() bool { return !isFailing(d) })
}

// What was in a WAL that is removed while it is used is there after a crash, and so is what follows.
func TestWALThatIsRemoved(t *testing.T) {
	path, crashed := t.TempDir(), t.TempDir()
	log := new(safeBuffer)
	d := openLogging(t, path, slog.NewTextHandler(log, nil))
	now(t, d, table, "INSERT INTO test VALUES (1, 'before')")
	for _, part := range []string{"-wal", "-shm"} {
		if err := os.Remove(filepath.Join(path, "tidewire.db"+part)); err != nil {
			t.Skip("a file in use cannot be removed here")
		}
	}
	now(t, d, "INSERT INTO test VALUES (2, 'into the removed one')")
	until(t, "it is made again", func() bool {
		_, err := os.Stat(filepath.Join(path, "tidewire.db-wal"))
		return err == nil
	})
	now(t, d, "INSERT INTO test VALUES (3, 'after')")
	if err := d.Crash(crashed); err != nil {
		t.Fatal(err)
	}
	if n := count(t, open(t, crashed), "SELECT count(*) FROM test"); n != 3 {
		t.Errorf("after a crash there are %d rows, want 3", n)
	}
	closeDir(t, d)
	checkSound(t, path)
	if n := strings.Count(log.String(), "tidewire.db-wal was removed"); n != 1 {
		t.Errorf("the log says so %d times, want once:\n%s", n, log)
	}
}
