package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"
)

// Times are those of Dir.lived, in milliseconds.
const sessionTables = `CREATE TABLE session (
	id BLOB PRIMARY KEY,
	begun INTEGER NOT NULL,
	used INTEGER NOT NULL,
	data BLOB NOT NULL
) STRICT, WITHOUT ROWID`

// endWithin is how long the end of a session waits for the disk.
const endWithin = time.Second

// Sessions keeps the sessions of people, see [access.Sessions]. It knows neither ids, only their hashes, nor what data is.
type Sessions struct{ dir *Dir }

// Sessions returns the sessions that the directory has.
func (d *Dir) Sessions() *Sessions { return &Sessions{d} }

// Each calls f for each session. Times are readings of the monotonic clock of this process.
func (s *Sessions) Each(ctx context.Context, f func(id [sha256.Size]byte, begun, used time.Time, data []byte)) error {
	rows, err := s.dir.read().QueryContext(ctx, "SELECT id, begun, used, data FROM session")
	if err != nil {
		return fmt.Errorf("store: read sessions: %w", describe(s.dir.name, err))
	}
	defer rows.Close()
	for rows.Next() {
		var id, data []byte
		var begun, used int64
		if err := rows.Scan(&id, &begun, &used, &data); err != nil {
			return fmt.Errorf("store: read sessions: %w", describe(s.dir.name, err))
		}
		if len(id) == sha256.Size {
			f([sha256.Size]byte(id), s.dir.livedAt(begun), s.dir.livedAt(used), data)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("store: read sessions: %w", describe(s.dir.name, err))
	}
	return nil
}

// Keep keeps a session: within 50 ms it survives the process.
func (s *Sessions) Keep(id [sha256.Size]byte, begun, used time.Time, data []byte) {
	from, to := s.dir.lived(begun), s.dir.lived(used)
	s.dir.soon(func(t *tx) error {
		_, err := t.exec("INSERT OR REPLACE INTO session (id, begun, used, data) VALUES (?,?,?,?)", id[:], from, to, data)
		return err
	})
}

// Use notes when a session was used, if it is kept.
func (s *Sessions) Use(id [sha256.Size]byte, used time.Time) {
	to := s.dir.lived(used)
	s.dir.soon(func(t *tx) error {
		_, err := t.exec("UPDATE session SET used=max(used,?) WHERE id=?", to, id[:])
		return err
	})
}

// End forgets sessions. It returns when that is on disk, or after a second; then it is done as soon as the disk works.
func (s *Sessions) End(ids ...[sha256.Size]byte) {
	ctx, cancel := context.WithTimeout(context.Background(), endWithin)
	defer cancel()
	_ = s.dir.now(ctx, func(t *tx) error { // the Dir says what is wrong with the disk
		for _, id := range ids {
			if _, err := t.exec("DELETE FROM session WHERE id=?", id[:]); err != nil {
				return err
			}
		}
		return nil
	})
}
