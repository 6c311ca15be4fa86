package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"time"
)

const (
	// trimEvery is how often the past is looked at for what is too old or too much.
	trimEvery = time.Minute
	// trimRows is how many rows of one past are deleted in a transaction, so that others wait for a few milliseconds.
	trimRows = 4000
	// trimRounds is how many times a transaction looks for more to delete.
	trimRounds = 32
	// vacuumPages is how many free pages are given back to the system at a time, 4 MB, and ten times as many as it takes to
	// bother. The pragma below has it, too.
	vacuumPages = 1000
	// haste is how many times faster than time passes the past may grow old: see Dir.age.
	haste = 24
	// markEvery is how often the time is noted, so that the next process knows when this one was last at work.
	markEvery = 10 * time.Second
	// clockTolerance is how far the clock may have been set back before the log says so.
	clockTolerance = time.Minute
)

// past is a table of what has happened. Its oldest rows go when they are older than [Options.Keep], and when the database
// is larger than [Options.MaxSize].
type past struct {
	// oldest is a query for the time of the oldest row, in milliseconds since 1970, or NULL.
	oldest string
	// trim deletes the oldest of the rows that are older than before, in milliseconds since 1970, and at most as many as most.
	// It returns how many, or most if others have to wait.
	trim func(t *tx, before int64, most int) (deleted int, err error)
	// forever spares the rows from Keep: their subject has a time of its own for them.
	forever bool
	keep    time.Duration // instead of Keep; 0: that counts

	before int64 // older rows are to be deleted; 0: none
}

// pastOf is the past in a rowid table with an index on the column at, which has milliseconds since 1970.
func pastOf(table, at string) *past {
	return &past{
		oldest: "SELECT min(" + at + ") FROM " + table,
		trim: trimBy("DELETE FROM " + table + " WHERE rowid IN (SELECT rowid FROM " + table +
			" WHERE " + at + "<? ORDER BY " + at + " LIMIT ?)"),
	}
}

// trimBy returns the trim of a past that one statement does, whose arguments are before and most.
func trimBy(statement string) func(t *tx, before int64, most int) (int, error) {
	return func(t *tx, before int64, most int) (int, error) {
		res, err := t.exec(statement, before, most)
		if err != nil {
			return 0, err
		}
		n, err := res.RowsAffected()
		return int(n), err
	}
}

// trimmer deletes what is too old or too much. It belongs to the goroutine that writes.
type trimmer struct {
	pasts   []*past
	kept    time.Time // the time that counts for what is too old
	looked  time.Time // when kept was last moved on; zero before the first time
	marked  time.Time // when the time was last noted
	share   float64   // of its time that each past lost last, to make the database smaller
	tooMuch bool      // nothing is left to delete, and it is too much all the same
}

const (
	setMeta = `INSERT INTO meta (name, value) VALUES (?,?) ON CONFLICT (name) DO UPDATE SET value=excluded.value`
	getMeta = `SELECT value FROM meta WHERE name=?`
)

// readClock finds out when the process before was last at work, and warns if that is in the future.
func (d *Dir) readClock(ctx context.Context) error {
	var err error
	if d.before, err = d.readTime(ctx, "alive"); err != nil {
		return err
	}
	if d.trimmer.kept, err = d.readTime(ctx, "kept"); err != nil {
		return err
	}
	lived, err := d.readTime(ctx, "lived")
	if err != nil {
		return err
	}
	d.opened = time.Now()
	d.livedThen = max(0, lived.UnixMilli())
	if !d.before.IsZero() {
		d.livedThen += max(0, d.opened.Sub(d.before).Milliseconds())
	}
	if now := time.Now(); d.before.Sub(now) > clockTolerance {
		d.options.Logger.Warn("the clock was set back: the store has records of the future", "dir", d.path, "newest", d.before,
			"now", now)
	}
	return nil
}

// readTime reads a time of the table meta, zero if there is none.
func (d *Dir) readTime(ctx context.Context, name string) (time.Time, error) {
	var millis int64
	err := d.read().QueryRowContext(ctx, getMeta, name).Scan(&millis)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	return time.UnixMilli(millis), err
}

// Before returns when the process that had the directory before was last at work, to 10 s unless it ended in order; zero if
// there was none.
func (d *Dir) Before() time.Time { return d.before }

// lived returns how long the directory has been in use at t, in milliseconds: while a process has it, by the monotonic clock,
// and between two processes by the wall clock, but never less than nothing. So it does not go back if the clock is set back.
func (d *Dir) lived(t time.Time) int64 { return d.livedThen + t.Sub(d.opened).Milliseconds() }

// livedAt returns the reading of the monotonic clock at which the directory has been in use for so many milliseconds.
func (d *Dir) livedAt(millis int64) time.Time {
	return d.opened.Add(time.Duration(millis-d.livedThen) * time.Millisecond)
}

// markAlive notes that the process is at work.
func (d *Dir) markAlive(now time.Time) {
	lived := d.lived(now)
	d.soon(func(t *tx) error {
		if _, err := t.exec(setMeta, "alive", now.UnixMilli()); err != nil {
			return err
		}
		_, err := t.exec(setMeta, "lived", lived)
		return err
	})
}

// mark notes that the process is at work, and how old the past may be.
func (d *Dir) mark(now time.Time) {
	d.trimmer.marked = now
	d.markAlive(now)
	kept := d.trimmer.kept
	if kept.IsZero() {
		return
	}
	d.soon(func(t *tx) error {
		_, err := t.exec(setMeta, "kept", kept.UnixMilli())
		return err
	})
}

// age returns the time that counts for what is too old. It is the clock's, but it moves on at most a day in an hour, so that
// a clock that is wrong for a while does not have everything deleted.
func (d *Dir) age(now time.Time) time.Time {
	c := &d.trimmer
	if c.kept.IsZero() || c.kept.After(now) {
		c.kept = now
	} else if !c.looked.IsZero() {
		c.kept = c.kept.Add(haste * now.Sub(c.looked)) // by the monotonic clock
		if c.kept.After(now) {
			c.kept = now
		}
	}
	c.looked = now
	return c.kept.Round(0)
}

// keep is called once a second while the disk works. It notes the time, and deletes some of what is too old or too much.
func (d *Dir) keep() {
	now := time.Now()
	c := &d.trimmer
	if now.Sub(c.marked) >= markEvery {
		d.mark(now)
	}
	if c.looked.IsZero() || now.Sub(c.looked) >= trimEvery {
		age := d.age(now)
		for _, p := range c.pasts {
			if keep := cmp.Or(p.keep, d.options.Keep); !p.forever && keep > 0 {
				p.before = max(p.before, age.Add(-keep).UnixMilli())
			}
		}
	}
	d.samples.tick()
	d.spans.tick()
	d.leftRows.tick(c.kept)
	d.soon(d.trim)
}

// trim is the op that deletes rows that are to go. If the database is too large, rows are to go until it is not.
func (d *Dir) trim(t *tx) error {
	c := &d.trimmer
	for left, rounds := trimRows, 0; left > 0 && rounds < trimRounds; rounds++ {
		n, err := c.delete(t, left)
		if err != nil {
			return err
		}
		left -= n
		var pages, free, size int64
		if err := t.row([]any{&pages, &free, &size}, `SELECT page_count, freelist_count, page_size
			FROM pragma_page_count, pragma_freelist_count, pragma_page_size`); err != nil {
			return err
		}
		// Free pages are used again, so they stay while they are less than a tenth.
		if most := d.options.MaxSize / size; d.options.MaxSize <= 0 || pages-free <= most-most/10 {
			c.tooMuch, c.share = false, 0
			if free > vacuumPages/10 && free > pages/10 {
				return t.vacuum()
			}
			return nil
		}
		if left <= 0 {
			return nil // the next one goes on
		}
		if more, err := c.squeeze(t, time.Now().UnixMilli()); err != nil || !more {
			if err == nil && !c.tooMuch {
				c.tooMuch = true
				d.options.Logger.Warn("the store is larger than it should be, and nothing is left that could be deleted",
					"dir", d.path, "max_size", d.options.MaxSize)
			}
			return err
		}
	}
	return nil
}

// delete deletes rows that are to go, at most as many as most.
func (c *trimmer) delete(t *tx, most int) (deleted int, err error) {
	for _, p := range c.pasts {
		if p.before == 0 || deleted == most {
			continue
		}
		n, err := p.trim(t, p.before, most-deleted)
		if err != nil {
			return deleted, err
		}
		if deleted += n; deleted < most {
			p.before = 0 // there are no others
		}
	}
	return deleted, nil
}

// squeeze has each past lose the oldest share of its time, so that all become shorter alike. The share becomes larger while
// that is not enough: rows may be closer to each other the younger they are. It reports whether there is anything to lose.
func (c *trimmer) squeeze(t *tx, now int64) (more bool, err error) {
	c.share = min(max(2*c.share, 0.01), 0.25)
	for _, p := range c.pasts {
		var oldest sql.NullInt64
		if err := t.row([]any{&oldest}, p.oldest); err != nil {
			return false, err
		}
		if oldest.Valid { // and a second of it, if the clock was set back since
			p.before = oldest.Int64 + max(1000, int64(c.share*float64(now-oldest.Int64)))
			more = true
		}
	}
	return more, nil
}

// vacuum gives free pages back to the system.
func (t *tx) vacuum() error {
	rows, err := t.rows("PRAGMA incremental_vacuum(1000)")
	if err != nil {
		return err
	}
	for rows.Next() { // each step gives back one
	}
	return rows.Close()
}
