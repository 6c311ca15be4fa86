package store

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

// Crash copies into the directory to what a process leaves that is killed between two transactions.
func (d *Dir) Crash(to string) error {
	return d.now(context.Background(), func(*tx) error {
		for _, name := range []string{"tidewire.db", "tidewire.db-wal"} {
			if err := copyFile(filepath.Join(to, name), filepath.Join(d.path, name)); err != nil {
				return err
			}
		}
		return nil
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	// It stays open: closing it would drop the locks that SQLite has on the file.
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	out.Close()
	kept = append(kept, in)
	return err
}

var kept []*os.File // by copyFile

// Soon has statements run with the next transaction.
func (d *Dir) Soon(statements ...string) {
	d.soon(func(t *tx) error { return execAll(t, statements) })
}

// Now has statements run and waits until they are on disk.
func (d *Dir) Now(ctx context.Context, statements ...string) error {
	return d.now(ctx, func(t *tx) error { return execAll(t, statements) })
}

// Sum returns what a query finds within a transaction.
func (d *Dir) Sum(query string, args ...any) (sum, rows int, err error) {
	err = d.now(context.Background(), func(t *tx) error {
		found, err := t.rows(query, args...)
		if err != nil {
			return err
		}
		for sum, rows = 0, 0; found.Next(); rows++ {
			var n int
			if err := found.Scan(&n); err != nil {
				return err
			}
			sum += n
		}
		if err := found.Close(); err != nil {
			return err
		}
		var again int
		return t.row([]any{&again}, query, args...)
	})
	return sum, rows, err
}

func execAll(t *tx, statements []string) error {
	for _, s := range statements {
		if _, err := t.exec(s); err != nil {
			return err
		}
	}
	return nil
}

// Block has the goroutine that writes wait, as for a disk, until release is called.
func (d *Dir) Block() (release func()) {
	held, began := make(chan struct{}), make(chan struct{})
	d.queue.add(op{run: func(*tx) error {
		close(began)
		<-held
		return nil
	}}, true)
	<-began
	return func() { close(held) }
}

// KeepLeft bounds the rows that have left, of each split source.
func (d *Dir) KeepLeft(most int) {
	d.leftRows.mu.Lock()
	defer d.leftRows.mu.Unlock()
	d.leftRows.most = most
}

// Names returns how many sources memory has something of.
func (d *Dir) Names() (states, samples int) {
	d.spans.mu.Lock()
	states = len(d.spans.sources)
	d.spans.mu.Unlock()
	d.samples.mu.Lock()
	defer d.samples.mu.Unlock()
	return states, len(d.samples.sources)
}

// ForgetLeftAsOf has rows be forgotten that left long before a time.
func (d *Dir) ForgetLeftAsOf(now time.Time) { d.leftRows.tick(now) }

// WriteAgain has what memory has be written once more.
func (d *Dir) WriteAgain() {
	_ = d.now(context.Background(), func(*tx) error {
		d.writeAgain()
		return nil
	})
}

// Read returns the connections that read.
func (d *Dir) Read() *sql.DB { return d.read() }

// MaxWaiting is how many ops wait while the disk fails.
const MaxWaiting = maxWaiting

// AddPast has a table with times in the column at be one of the past. It is an op, as
// pasts belong to the goroutine that writes.
func (d *Dir) AddPast(table string, forever bool) {
	p := pastOf(table, "at")
	p.forever = forever
	_ = d.now(context.Background(), func(*tx) error {
		d.trimmer.pasts = append(d.trimmer.pasts, p)
		return nil
	})
}

// Remember has the runs remember that many which were forgotten.
func (r *Runs) Remember(forgotten int) *Runs {
	_ = r.dir.now(context.Background(), func(*tx) error {
		r.maxForgotten = forgotten
		return nil
	})
	return r
}

// AddAll adds many runs by one transaction.
func (r *Runs) AddAll(runs []archive.Run, keep int) error {
	return r.dir.now(context.Background(), func(t *tx) error {
		for _, run := range runs {
			if err := r.add(t, run, keep); err != nil {
				return err
			}
		}
		return nil
	})
}

// RunQueries are the queries by which runs are listed, found and forgotten, with the index that each should use.
var RunQueries = map[string]string{
	listRuns: "run_created", listJob: "run_job", listStatus: "run_status", listJobStatus: "run_job_status",
	lastRun: "run_finished", oldestRuns: "run_finished", futureRuns: "run_finished", expiredRuns: "run_expires", readOutput: "sqlite_autoindex_run_output_1",
	outputEnd: "sqlite_autoindex_run_output_1", emptyTrash: "sqlite_autoindex_run_output_1",
}

// The queries of spans with which a process begins.
const (
	NewestSpans = newestSpans
	EndSpans    = endSpans
)

// Unlimit has the file be as large as it wants, at once.
func (d *Dir) Unlimit() {
	// It cannot be an op, as these wait. The goroutine that writes may use the connection, which has a lock of its own.
	_, _ = d.db.conn.ExecContext(context.Background(), "PRAGMA max_page_count=1000000")
}

// EventsWithin are events of the directory with other bounds, of which so many are in memory, too.
func (d *Dir) EventsWithin(bounds archive.EventBounds, tail int) *Events {
	return newEvents(d, bounds, tail)
}

// Settle waits until what is too much is deleted.
func (e *Events) Settle() {
	e.mu.Lock()
	e.pruneLocked(true)
	e.mu.Unlock()
	e.Written()
}

// Written waits until all events are written.
func (e *Events) Written() { _ = e.dir.now(context.Background(), func(*tx) error { return nil }) }

// Flush writes what was put.
func (d *Dir) Flush() { _ = d.snapshots.settle(context.Background(), false) }

// Path returns the directory.
func (d *Dir) Path() string { return d.path }

// Batch has what waits be written, as it is after 50 ms, and returns when it is.
func (d *Dir) Batch() error {
	done := make(chan error, 1)
	d.queue.add(op{run: func(*tx) error { return nil }, done: done}, true)
	return <-done
}

// Settle has everything be written, and what is due be merged into minutes and hours.
func (d *Dir) Settle() error {
	for range 200 {
		if err := d.Batch(); err != nil {
			return err
		}
		d.samples.mu.Lock()
		settled := len(d.samples.due) == 0 && len(d.samples.log) == 0
		d.samples.mu.Unlock()
		if settled {
			break
		}
	}
	return d.Batch()
}

// Waiting returns how many bytes of polls, and of chunks of them, wait to be written.
func (d *Dir) Waiting() (log, chunks int) {
	d.samples.mu.Lock()
	defer d.samples.mu.Unlock()
	return len(d.samples.log), d.samples.waiting
}

// BoundWaiting sets how many bytes of polls, and of chunks of them, wait while the disk fails.
func (d *Dir) BoundWaiting(most int) {
	d.samples.mu.Lock()
	defer d.samples.mu.Unlock()
	d.samples.most = most
}

// MeanOfAMinute is the mean of numbers whose polls were in one minute.
func MeanOfAMinute(numbers ...float64) float64 {
	var c cells
	var chunk []byte
	for i, x := range numbers {
		chunk = appendPoll(chunk, 0, &archive.Poll{At: time.UnixMilli(int64(i))}, []number{{"", x}})
	}
	_ = polls(chunk, func(p *storedPoll) { c.add(minutely, p, nil) }) // it is whole
	return c.list[0].bucket().Mean
}

// Fill has so many ops wait that there is room for no other one.
func (d *Dir) Fill() {
	for range 2 * maxWaiting {
		d.queue.add(op{run: func(*tx) error { return nil }, done: make(chan error, 1)}, false)
	}
}

// Queued returns how many ops wait.
func (d *Dir) Queued() int {
	d.queue.mu.Lock()
	defer d.queue.mu.Unlock()
	return len(d.queue.waiting)
}

// WriteAgain has all states be written once more.
func (s *Snapshots) WriteAgain() { s.writeAgain() }

var errUndone = errors.New("undone")

// Undo runs an op that is wrong, and has registered a function for the time when it is written.
func (d *Dir) Undo(committed func()) error {
	return d.now(context.Background(), func(t *tx) error {
		t.committed(committed)
		return errUndone
	})
}

// Trim drops what is too old of a source at a time, in a transaction that is undone if that is wanted.
func (s *Samples) Trim(name string, now time.Time, undo bool) error {
	return s.dir.now(context.Background(), func(t *tx) error {
		s.mu.Lock()
		of := *s.sources[name]
		s.mu.Unlock()
		if err := s.trimSource(t, &of, now); err != nil || !undo {
			return err
		}
		return errUndone
	})
}
