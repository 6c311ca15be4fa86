package store

import (
	"context"
	"maps"
	"sync"
)

const alertTables = `CREATE TABLE alert (source TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID`

// Alerts keeps one record for each source, see [alert.Store]: what must outlive the process of its alert.
type Alerts struct {
	dir *Dir

	mu   sync.Mutex        // guards the field below
	rows map[string][]byte // by source
}

// openAlerts reads the records.
func (d *Dir) openAlerts(ctx context.Context) error {
	a := &Alerts{dir: d, rows: map[string][]byte{}}
	rows, err := d.read().QueryContext(ctx, "SELECT source, data FROM alert")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var source string
		var data []byte
		if err := rows.Scan(&source, &data); err != nil {
			return err
		}
		a.rows[source] = data
	}
	d.alerts = a
	d.again = append(d.again, a.writeAgain)
	return rows.Err()
}

// Alerts returns the records that the directory has.
func (d *Dir) Alerts() *Alerts { return d.alerts }

// Each calls f for each record. It does not fail.
func (a *Alerts) Each(_ context.Context, f func(source string, record []byte)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for source, data := range a.rows {
		f(source, data)
	}
	return nil
}

// Keep replaces the record of a source; nil removes it. It does not block. The record survives the process within 50 ms,
// and the power as soon as the disk has it, if that is to be at once.
func (a *Alerts) Keep(source string, record []byte, atOnce bool) {
	a.mu.Lock()
	defer a.mu.Unlock() // so that rows and the queue have the same order
	if record == nil {
		delete(a.rows, source)
	} else {
		a.rows[source] = record
	}
	a.dir.queue.add(op{run: keepAlert(source, record), full: atOnce}, atOnce)
}

func keepAlert(source string, record []byte) func(*tx) error {
	return func(t *tx) error {
		if record == nil {
			_, err := t.exec("DELETE FROM alert WHERE source=?", source)
			return err
		}
		_, err := t.exec("INSERT OR REPLACE INTO alert (source, data) VALUES (?,?)", source, record)
		return err
	}
}

// writeAgain has the database have these records and no others.
func (a *Alerts) writeAgain() {
	a.mu.Lock()
	defer a.mu.Unlock() // so that rows and the queue have the same order
	all := maps.Clone(a.rows)
	a.dir.soon(func(t *tx) error {
		if _, err := t.exec("DELETE FROM alert"); err != nil {
			return err
		}
		for source, record := range all {
			if err := keepAlert(source, record)(t); err != nil {
				return err
			}
		}
		return nil
	})
}
