package store

import (
	"context"
	"maps"
	"sync"
)

const meaningTables = `CREATE TABLE source_meaning (source TEXT PRIMARY KEY, meaning TEXT NOT NULL) STRICT, WITHOUT ROWID`

// Meanings keeps what the values of sources mean, see [sources.Meanings].
type Meanings struct {
	dir *Dir

	mu  sync.Mutex // guards the field below
	all map[string]string
}

// openMeanings reads the meanings.
func (d *Dir) openMeanings(ctx context.Context) error {
	m := &Meanings{dir: d, all: map[string]string{}}
	rows, err := d.read().QueryContext(ctx, "SELECT source, meaning FROM source_meaning")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var source, meaning string
		if err := rows.Scan(&source, &meaning); err != nil {
			return err
		}
		m.all[source] = meaning
	}
	d.meanings = m
	d.again = append(d.again, m.writeAgain)
	return rows.Err()
}

// Meanings returns what the values of sources mean.
func (d *Dir) Meanings() *Meanings { return d.meanings }

// Meaning returns what was set last, "" if nothing is known of the source.
func (m *Meanings) Meaning(source string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[source]
}

// SetMeaning sets it; "" forgets the source. It does not block; the meaning survives the process within 50 ms, and so no later
// than the next value.
func (m *Meanings) SetMeaning(source, meaning string) {
	m.mu.Lock()
	defer m.mu.Unlock() // so that all and the queue have the same order
	if meaning == "" {
		delete(m.all, source)
	} else {
		m.all[source] = meaning
	}
	m.dir.soon(setMeaning(source, meaning))
}

func setMeaning(source, meaning string) func(*tx) error {
	return func(t *tx) error {
		if meaning == "" {
			_, err := t.exec("DELETE FROM source_meaning WHERE source=?", source)
			return err
		}
		_, err := t.exec("INSERT OR REPLACE INTO source_meaning (source, meaning) VALUES (?,?)", source, meaning)
		return err
	}
}

// writeAgain has the database have these meanings and no others.
func (m *Meanings) writeAgain() {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := maps.Clone(m.all)
	m.dir.soon(func(t *tx) error {
		if _, err := t.exec("DELETE FROM source_meaning"); err != nil {
			return err
		}
		for source, meaning := range all {
			if err := setMeaning(source, meaning)(t); err != nil {
				return err
			}
		}
		return nil
	})
}
