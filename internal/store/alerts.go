package store

import (
	"context"
	"maps"
	"sync"
)

const (
	alertTables = `CREATE TABLE alert (source TEXT PRIMARY KEY, data BLOB NOT NULL) STRICT, WITHOUT ROWID`
	// alertKeys makes the names of sources keys.
	alertKeys = `ALTER TABLE alert RENAME COLUMN source TO key; UPDATE alert SET key='source/'||key`
)

// Alerts keeps one record for each key, see [alert.Store]: what must outlive the process of the alert of a source or a job,
// and of a silence.
type Alerts struct {
	dir *Dir

	mu   sync.Mutex        // guards the field below
	rows map[string][]byte // by key
}

// openAlerts reads the records.
func (d *Dir) openAlerts(ctx context.Context) error {
	a := &Alerts{dir: d, rows: map[string][]byte{}}
	rows, err := d.read().QueryContext(ctx, "SELECT key, data FROM alert")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var data []byte
		if err := rows.Scan(&key, &data); err != nil {
			return err
		}
		a.rows[key] = data
	}
	d.alerts = a
	d.again = append(d.again, a.writeAgain)
	return rows.Err()
}

// Alerts returns the records that the directory has.
func (d *Dir) Alerts() *Alerts { return d.alerts }

// Each calls f for each record. It does not fail.
func (a *Alerts) Each(_ context.Context, f func(key string, record []byte)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key, data := range a.rows {
		f(key, data)
	}
	return nil
}

// Keep replaces the record of a key; nil removes it. It does not block. The record survives the process within 50 ms,
// and the power as soon as the disk has it, if that is to be at once.
func (a *Alerts) Keep(key string, record []byte, atOnce bool) {
	a.mu.Lock()
	defer a.mu.Unlock() // so that rows and the queue have the same order
	if record == nil {
		delete(a.rows, key)
	} else {
		a.rows[key] = record
	}
	a.dir.queue.add(op{run: keepAlert(key, record), full: atOnce}, atOnce)
}

// Kept waits until all records that were kept before are on disk. It does not wait for a disk that fails, or does not
// answer, and returns that, nor beyond ctx.
func (a *Alerts) Kept(ctx context.Context) error {
	return a.dir.now(ctx, func(*tx) error { return nil })
}

func keepAlert(key string, record []byte) func(*tx) error {
	return func(t *tx) error {
		if record == nil {
			_, err := t.exec("DELETE FROM alert WHERE key=?", key)
			return err
		}
		_, err := t.exec("INSERT OR REPLACE INTO alert (key, data) VALUES (?,?)", key, record)
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
		for key, record := range all {
			if err := keepAlert(key, record)(t); err != nil {
				return err
			}
		}
		return nil
	})
}
