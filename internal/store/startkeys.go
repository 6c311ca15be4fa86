package store

import (
	"context"
	"crypto/sha256"
	"fmt"
)

const (
	// maxKeys and maxOwnKeys are how many Idempotency-Keys are kept, and how many of one caller: as many as a process
	// remembers, and a few more until the next keyStep.
	maxKeys    = 10_000
	maxOwnKeys = 1_000
	keyStep    = 100
)

// startKeyTables has the Idempotency-Keys of starts, with the runs that they led to.
const startKeyTables = `CREATE TABLE start_key (
	n INTEGER PRIMARY KEY AUTOINCREMENT, caller TEXT NOT NULL, job TEXT NOT NULL, key TEXT NOT NULL, args BLOB NOT NULL,
	run TEXT NOT NULL, UNIQUE (caller, job, key)) STRICT;
CREATE INDEX start_key_caller ON start_key (caller, n);
CREATE INDEX start_key_run ON start_key (run)`

const (
	putKey      = `INSERT OR REPLACE INTO start_key (caller, job, key, args, run) VALUES (?,?,?,?,?)`
	boundKeys   = `DELETE FROM start_key WHERE n <= (SELECT max(n) FROM start_key) - ?` // at once, unlike an OFFSET
	boundOwnKey = `DELETE FROM start_key WHERE caller=?1 AND n <=
		(SELECT n FROM start_key WHERE caller=?1 ORDER BY n DESC LIMIT 1 OFFSET ?2)`
	dropKeys = `DELETE FROM start_key WHERE run=?`
	allKeys  = `SELECT caller, job, key, args, run FROM start_key ORDER BY n`
)

// StartKeys keeps Idempotency-Keys, see [jobs.Keys]. A key goes with its run, when that is forgotten.
type StartKeys struct{ dir *Dir }

// StartKeys returns the Idempotency-Keys that the directory has.
func (d *Dir) StartKeys() *StartKeys { return &StartKeys{d} }

// Each calls f for each key, the oldest first.
func (s *StartKeys) Each(
	ctx context.Context, f func(caller, job, key string, args [sha256.Size]byte, run string),
) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: read Idempotency-Keys: %w", describe(s.dir.name, err))
		}
	}()
	rows, err := s.dir.read().QueryContext(ctx, allKeys)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var caller, job, key, run string
		var args []byte
		if err := rows.Scan(&caller, &job, &key, &args, &run); err != nil {
			return err
		}
		if len(args) == sha256.Size {
			f(caller, job, key, [sha256.Size]byte(args), run)
		}
	}
	return rows.Err()
}

// Keep keeps a key. It does not block. What is stored later by a call that waits, such as the claim of the run's topic, is
// not stored without it.
func (s *StartKeys) Keep(caller, job, key string, args [sha256.Size]byte, run string) {
	s.dir.soon(func(t *tx) error {
		added, err := t.exec(putKey, caller, job, key, args[:], run)
		if err != nil {
			return err
		}
		if n, err := added.LastInsertId(); err != nil || n%keyStep != 0 {
			return err
		}
		if _, err := t.exec(boundOwnKey, caller, maxOwnKeys); err != nil {
			return err
		}
		_, err = t.exec(boundKeys, maxKeys)
		return err
	})
}
