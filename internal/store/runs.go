package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
)

const (
	// defaultMaxForgotten is how many ids of runs that were forgotten are remembered, but for tests.
	defaultMaxForgotten = 10_000
	// forgetStep bounds the runs that are forgotten by one transaction for one reason.
	forgetStep = 20
)

// runTables has the runs that have ended, with an index for each way to list them; how many there are of each job, since to
// count them takes as long as there are many; what they have printed, in pieces; and the runs that were forgotten: their
// ids, and those whose output is still to be removed.
const runTables = `CREATE TABLE run (
	n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, job TEXT NOT NULL, status TEXT NOT NULL, trigger TEXT NOT NULL,
	created INTEGER NOT NULL, finished INTEGER NOT NULL, expires INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE INDEX run_created ON run (created, id);
CREATE INDEX run_job ON run (job, created, id);
CREATE INDEX run_status ON run (status, created, id);
CREATE INDEX run_job_status ON run (job, status, created, id);
CREATE INDEX run_finished ON run (job, finished, id);
CREATE INDEX run_expires ON run (expires);
CREATE TABLE run_count (job TEXT PRIMARY KEY, runs INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE run_output (
	n INTEGER PRIMARY KEY, run TEXT NOT NULL, at INTEGER NOT NULL, text BLOB NOT NULL, UNIQUE (run, at)) STRICT;
CREATE TABLE run_forgotten (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE run_trash (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`

// endsInOrder has runs that ended in the same millisecond be in the order in which they began and then were added, which n
// says, the last column of each index: by their random ids the newest could count as the oldest, and be forgotten.
const endsInOrder = `DROP INDEX run_finished; CREATE INDEX run_finished ON run (job, finished, created)`

// Queries of runs. In lists, + keeps SQLite from using the index on expires; of two indexes that begin with what is asked
// for it takes any.
const (
	runColumns = `SELECT id, job, status, trigger, created, finished, expires, data FROM run `
	runPage    = `created >= ? AND (created, id) < (?, ?) AND +expires > ? ORDER BY created DESC, id DESC LIMIT ?`

	listRuns       = runColumns + `WHERE ` + runPage
	listJob        = runColumns + `WHERE job=? AND ` + runPage
	listStatus     = runColumns + `WHERE status=? AND ` + runPage
	listJobStatus  = runColumns + `INDEXED BY run_job_status WHERE job=? AND status=? AND ` + runPage
	lastRun        = runColumns + `WHERE job=? AND finished <= ? AND +expires > ? ORDER BY finished DESC, created DESC, n DESC LIMIT 1`
	oneRun         = runColumns + `WHERE id=?`
	isForgotten    = `SELECT count(*) FROM run_forgotten WHERE id=?`
	addRun         = `INSERT INTO run (id, job, status, trigger, created, finished, expires, data) VALUES (?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`
	countRun       = `INSERT INTO run_count (job, runs) VALUES (?, 1) ON CONFLICT (job) DO UPDATE SET runs=runs+1`
	runsOf         = `SELECT runs FROM run_count WHERE job=?`
	oldestRuns     = `SELECT n, id, job FROM run WHERE job=? ORDER BY finished, created, n LIMIT ?`
	futureRuns     = `SELECT n, id, job FROM run WHERE job=? AND finished > ? ORDER BY finished, created, n LIMIT ?`
	expiredRuns    = `SELECT n, id, job FROM run WHERE expires <= ? ORDER BY expires LIMIT ?`
	dropRun        = `DELETE FROM run WHERE n=?`
	discountRun    = `UPDATE run_count SET runs=runs-1 WHERE job=?`
	dropCount      = `DELETE FROM run_count WHERE job=? AND runs=0`
	noteForgotten  = `INSERT INTO run_forgotten (id) VALUES (?) ON CONFLICT (id) DO NOTHING`
	boundForgotten = `DELETE FROM run_forgotten WHERE n <= (SELECT max(n) FROM run_forgotten) - ?`
)

// Runs is [archive.Runs] in a directory. Make one by [Dir.Runs].
type Runs struct {
	dir          *Dir
	maxForgotten int // belongs to the goroutine that writes

	mu sync.Mutex // guards the fields below

	printing map[string]*printed // by run: those that have printed and not ended
	held     int                 // bytes of text in them
	emptying bool                // an op is queued that removes the output of runs that were forgotten
}

// Runs returns the runs that the directory has.
func (d *Dir) Runs() *Runs { return d.runs }

// Add implements [archive.Runs]. If the disk fails, the caller has to try again.
func (r *Runs) Add(ctx context.Context, run archive.Run, keep int) error {
	if _, err := r.dir.Failing(); err != nil {
		return fmt.Errorf("store: add a run: %w", err) // before it waits for the disk, once for each attempt
	}
	return r.dir.now(ctx, func(t *tx) error {
		for _, name := range archive.OutputsOf(run.ID) {
			if err := r.flush(t, name); err != nil {
				return err
			}
		}
		if err := r.add(t, run, max(keep, 1)); err != nil {
			return err
		}
		t.committed(func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.dropLocked(run.ID)
		})
		return r.sweep(t)
	})
}

// add adds a run, and forgets the oldest of its job.
func (r *Runs) add(t *tx, run archive.Run, keep int) error {
	var over int
	if err := t.row([]any{&over}, isForgotten, run.ID); err != nil || over > 0 {
		return err
	}
	result, err := t.exec(addRun, run.ID, run.Job, run.Status, run.Trigger,
		run.Created.UnixMilli(), run.Finished.UnixMilli(), run.Expires.UnixMilli(), notNil(run.Data))
	if err != nil {
		return err
	}
	if added, err := result.RowsAffected(); err != nil || added == 0 {
		return err
	}
	if _, err := t.exec(countRun, run.Job); err != nil {
		return err
	}
	var runs int
	if err := t.row([]any{&runs}, runsOf, run.Job); err != nil || runs <= keep {
		return err
	}
	most := min(runs-keep, forgetStep)
	n, err := r.forget(t, futureRuns, run.Job, time.Now().Add(archive.Ahead).UnixMilli(), most)
	if err != nil || n == most {
		return err
	}
	_, err = r.forget(t, oldestRuns, run.Job, most-n)
	return err
}

// notNil is data as a value that is not NULL.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

// sweep forgets runs that have expired.
func (r *Runs) sweep(t *tx) error {
	_, err := r.forget(t, expiredRuns, time.Now().UnixMilli(), forgetStep)
	return err
}

// forget forgets the runs that a query returns: their n, id and job. It returns how many there were.
func (r *Runs) forget(t *tx, query string, args ...any) (int, error) {
	type run struct {
		n       int64
		id, job string
	}
	rows, err := t.rows(query, args...)
	if err != nil {
		return 0, err
	}
	var old []run
	for rows.Next() {
		var o run
		if err := rows.Scan(&o.n, &o.id, &o.job); err != nil {
			rows.Close()
			return 0, err
		}
		old = append(old, o)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(old) == 0 {
		return 0, err
	}
	for _, o := range old {
		for _, s := range []struct {
			statement string
			arg       any
		}{{dropRun, o.n}, {discountRun, o.job}, {dropCount, o.job}, {noteForgotten, o.id}, {dropKeys, o.id}} {
			if _, err := t.exec(s.statement, s.arg); err != nil {
				return 0, err
			}
		}
		for _, output := range archive.OutputsOf(o.id) {
			if _, err := t.exec(noteTrash, output); err != nil {
				return 0, err
			}
		}
	}
	t.committed(r.emptyTrash)
	_, err = t.exec(boundForgotten, r.maxForgotten)
	return len(old), err
}

// past has the oldest runs be forgotten when the database is too large. How old they may be, their jobs say.
func (r *Runs) past() *past {
	return &past{
		oldest:  "SELECT min(created) FROM run",
		forever: true,
		trim: func(t *tx, before int64, most int) (int, error) {
			var trash, n int
			if err := t.row([]any{&trash}, "SELECT count(*) FROM run_trash"); err != nil || trash > 0 {
				return most, err // what they take is known when their output is removed
			}
			if err := t.row([]any{&n}, "SELECT count(*) FROM run WHERE created<?", before); err != nil || n == 0 {
				return 0, err
			}
			_, err := r.forget(t, "SELECT n, id, job FROM run WHERE created<? ORDER BY created, id LIMIT ?", before, forgetStep)
			return most, err
		},
	}
}

// Sweep implements [archive.Runs].
func (r *Runs) Sweep(context.Context) error {
	r.dir.soon(r.sweep)
	r.emptyTrash()
	return nil
}

// Get implements [archive.Runs].
func (r *Runs) Get(ctx context.Context, id string) (archive.Run, error) {
	list, err := r.query(ctx, oneRun, id)
	if err != nil {
		return archive.Run{}, err
	}
	if len(list) > 0 {
		if list[0].Expires.After(time.Now()) {
			return list[0], nil
		}
		return archive.Run{}, archive.ErrForgotten
	}
	var over int
	if err := r.dir.read().QueryRowContext(ctx, isForgotten, id).Scan(&over); err != nil {
		return archive.Run{}, fmt.Errorf("store: read runs: %w", err)
	}
	if over > 0 {
		return archive.Run{}, archive.ErrForgotten
	}
	return archive.Run{}, archive.ErrNotFound
}

// Last implements [archive.Runs].
func (r *Runs) Last(ctx context.Context, job string) (archive.Run, error) {
	now := time.Now().UnixMilli()
	for _, until := range []int64{now + archive.Ahead.Milliseconds(), math.MaxInt64} {
		if list, err := r.query(ctx, lastRun, job, until, now); err != nil {
			return archive.Run{}, err
		} else if len(list) > 0 {
			return list[0], nil
		}
	}
	return archive.Run{}, archive.ErrNotFound
}

// List implements [archive.Runs]. With several statuses it makes a query of each, since none is fast for all of them.
func (r *Runs) List(ctx context.Context, filter archive.RunFilter) ([]archive.Run, error) {
	if filter.Limit <= 0 {
		filter.Limit = archive.RunLimit
	}
	since, before, beforeID := int64(math.MinInt64), int64(math.MaxInt64), ""
	if !filter.Since.IsZero() {
		since = ceilMillis(filter.Since)
	}
	if !filter.Before.IsZero() {
		before = ceilMillis(filter.Before)
	}
	if after := filter.After; after != nil && after.Created.UnixMilli() < before {
		before, beforeID = after.Created.UnixMilli(), after.ID
	}
	page := []any{since, before, beforeID, time.Now().UnixMilli(), filter.Limit}
	switch {
	case filter.Statuses == nil && filter.Job == "":
		return r.query(ctx, listRuns, page...)
	case filter.Statuses == nil:
		return r.query(ctx, listJob, append([]any{filter.Job}, page...)...)
	}
	var all []archive.Run
	for _, status := range filter.Statuses {
		query, args := listStatus, append([]any{status}, page...)
		if filter.Job != "" {
			query, args = listJobStatus, append([]any{filter.Job}, args...)
		}
		list, err := r.query(ctx, query, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	slices.SortFunc(all, func(a, b archive.Run) int { return b.Key().Compare(a.Key()) })
	return all[:min(len(all), filter.Limit)], nil
}

// query returns the runs that a query of runColumns has.
func (r *Runs) query(ctx context.Context, query string, args ...any) (list []archive.Run, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: read runs: %w", err)
		}
	}()
	rows, err := r.dir.read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var run archive.Run
		var created, finished, expires int64
		if err := rows.Scan(&run.ID, &run.Job, &run.Status, &run.Trigger, &created, &finished, &expires, &run.Data); err != nil {
			return nil, err
		}
		run.Created, run.Finished, run.Expires = ofMilli(created), ofMilli(finished), ofMilli(expires)
		list = append(list, run)
	}
	return list, rows.Err()
}

func ofMilli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// isNone reports whether an error means that a query has no row.
func isNone(err error) bool { return errors.Is(err, sql.ErrNoRows) }
