package store

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// maxLeftRows is how many names of rows that have left are kept of a split source: as many as it may have rows at a time.
	maxLeftRows = 1000
	// maxForgetting bounds the names that wait in memory to be forgotten while the disk fails. The table has the others: the
	// next process forgets them.
	maxForgetting = 50_000
	// forgetNames is how many names one transaction forgets, of which each has some ten rows if it came and went quickly.
	forgetNames = 100
)

// leftRowTables has the names of rows that have left, in their order.
const leftRowTables = `CREATE TABLE left_row (
	n INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, split TEXT NOT NULL, at INTEGER NOT NULL) STRICT`

const (
	addLeftRow  = `INSERT OR REPLACE INTO left_row (n, source, split, at) VALUES (?,?,?,?)`
	dropLeftRow = `DELETE FROM left_row WHERE source=?`
	readLeftRow = `SELECT n, source, split, at FROM left_row ORDER BY n`
)

// LeftRows says which rows of split sources are gone for good. What they are called is up to upstreams, which may call them
// otherwise each day: so the past of a row that has left is kept for a year, as that of every source, but only while it is one
// of the 1,000 of its split source that left last. After that nothing in the directory has its name any more, but the events
// in which it occurs, and these have a bound of their own.
//
// It alone has the past of a source forgotten before its time.
type LeftRows struct {
	dir *Dir

	mu sync.Mutex // guards the fields below

	most       int // of a split source
	n          int64
	rows       map[string]*leftRow   // by the name of their source
	splits     map[string][]*leftRow // the same by split source, in the order in which they left
	forgetting []*leftRow            // those that are gone for good and still to be forgotten
	queued     bool                  // an op is, which forgets some
}

// A leftRow is a row.
type leftRow struct {
	n             int64
	source, split string
	at            int64 // when it left, in milliseconds since 1970
}

// restoreLeftRows reads the names.
func (d *Dir) restoreLeftRows(ctx context.Context) error {
	l := &LeftRows{dir: d, most: maxLeftRows, rows: map[string]*leftRow{}, splits: map[string][]*leftRow{}}
	rows, err := d.read().QueryContext(ctx, readLeftRow)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row := new(leftRow)
		if err := rows.Scan(&row.n, &row.source, &row.split, &row.at); err != nil {
			return err
		}
		l.n = row.n
		l.addLocked(row)
	}
	d.leftRows = l
	d.again = append(d.again, l.again)
	return rows.Err()
}

// LeftRows returns the rows of split sources that have left.
func (d *Dir) LeftRows() *LeftRows { return d.leftRows }

// Leave tells that a row has left whose source is named, of a source that is split. It does not block.
func (l *LeftRows) Leave(split, source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeLocked(source)
	l.n++
	row := &leftRow{l.n, source, split, time.Now().UnixMilli()}
	l.addLocked(row)
	l.dir.soon(row.write)
	l.wakeLocked()
}

func (r *leftRow) write(t *tx) error {
	_, err := t.exec(addLeftRow, r.n, r.source, r.split, r.at)
	return err
}

// Return tells that there is a source again that a row has, or another one of its name. It does not block.
func (l *LeftRows) Return(source string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.removeLocked(source) {
		l.dir.soon(func(t *tx) error {
			_, err := t.exec(dropLeftRow, source)
			return err
		})
	}
}

// addLocked adds the row that left last. Of those that are too many the first ones are gone for good.
func (l *LeftRows) addLocked(row *leftRow) {
	l.rows[row.source] = row
	all := append(l.splits[row.split], row)
	for len(all) > l.most {
		l.goneLocked(all[0])
		all = slices.Delete(all, 0, 1)
	}
	l.splits[row.split] = all
}

// goneLocked has a row be forgotten.
func (l *LeftRows) goneLocked(row *leftRow) {
	delete(l.rows, row.source)
	if len(l.forgetting) < maxForgetting {
		l.forgetting = append(l.forgetting, row)
	}
}

// removeLocked removes a name that is in use again. It reports whether it was there.
func (l *LeftRows) removeLocked(source string) bool {
	row := l.rows[source]
	if row == nil {
		n := len(l.forgetting)
		l.forgetting = slices.DeleteFunc(l.forgetting, func(other *leftRow) bool { return other.source == source })
		return len(l.forgetting) < n
	}
	delete(l.rows, source)
	l.cutLocked(row.split, func(other *leftRow) bool { return other == row })
	return true
}

// cutLocked removes rows from those of a split source.
func (l *LeftRows) cutLocked(split string, is func(*leftRow) bool) {
	if l.splits[split] = slices.DeleteFunc(l.splits[split], is); len(l.splits[split]) == 0 {
		delete(l.splits, split)
	}
}

// tick is called once a second while the disk works, with the time that counts for what is too old, see [Samples.tick].
func (l *LeftRows) tick(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := now.Add(-spansFor).UnixMilli()
	for split, all := range l.splits {
		if all[0].at >= old {
			continue
		}
		l.cutLocked(split, func(row *leftRow) bool {
			if row.at < old {
				l.goneLocked(row)
			}
			return row.at < old
		})
	}
	l.queued = false
	l.wakeLocked()
}

// wakeLocked has names be forgotten if some are to be.
func (l *LeftRows) wakeLocked() {
	if l.queued || len(l.forgetting) == 0 {
		return
	}
	l.queued = true
	l.dir.soonOf(func() func(*tx) error {
		taken := l.take()
		return func(t *tx) error {
			for _, one := range taken {
				if err := one.write(t); err != nil {
					return err
				}
			}
			return nil
		}
	})
}

// A forgotten is a name of which memory has nothing any more.
type forgotten struct {
	source string
	id     int64 // of its samples; 0: it has none
	states bool  // its states go, too: nobody has begun to record it again
}

// take has memory forget some of the names. Whatever of them is still to be written stays until that is done.
func (l *LeftRows) take() (taken []forgotten) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(l.forgetting), forgetNames)
	some := slices.Clone(l.forgetting[:n])
	l.forgetting = slices.Delete(l.forgetting, 0, n)
	later := 0
	for _, row := range some {
		id, ok := l.dir.samples.forgetLeft(row.source)
		if !ok {
			l.forgetting = append(l.forgetting, row)
			later++
			continue
		}
		taken = append(taken, forgotten{row.source, id, l.dir.spans.forget(row.source)})
	}
	if l.queued = false; later < n { // otherwise tick goes on
		l.wakeLocked()
	}
	return taken
}

// write deletes all rows that have the name.
func (f *forgotten) write(t *tx) error {
	if f.states {
		if _, err := t.exec(forgetSpans, f.source); err != nil {
			return err
		}
	}
	if f.id != 0 {
		of := sampled{id: f.id}
		if _, err := t.exec(dropChunks, of.key(0, 0), of.lastKey()); err != nil {
			return err
		}
		if _, err := t.exec(dropSource, f.id); err != nil {
			return err
		}
	}
	_, err := t.exec(dropLeftRow, f.source)
	return err
}

// again has the database have these names and no others.
func (l *LeftRows) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.AppendSeq(slices.Clone(l.forgetting), maps.Values(l.rows))
	l.dir.soon(func(t *tx) error {
		if _, err := t.exec("DELETE FROM left_row"); err != nil {
			return err
		}
		for _, row := range all {
			if err := row.write(t); err != nil {
				return err
			}
		}
		return nil
	})
}
