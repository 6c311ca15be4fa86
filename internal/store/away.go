package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"
)

var (
	errAway     = errors.New("there is no database")
	errReplaced = errors.New("tidewire.db was replaced by another file: restart tidewire to use that one")
)

// lookWithin bounds the making of a new database.
const lookWithin = 5 * time.Second

// look is called once a second. It sees whether the name still stands for the database that is open, and tries again what
// has failed.
func (d *Dir) look() {
	info, err := os.Stat(d.name)
	switch {
	case err == nil && d.db != nil && os.SameFile(info, d.db.file):
		d.away = nil
		d.writeAll()
		if _, failing := d.Failing(); failing == nil {
			d.keep()
		}
		if _, failing := d.Failing(); errors.Is(failing, errReplaced) { // back again, and nothing waited
			d.recovered(d.queue.works())
		}
	case err == nil:
		d.away = errReplaced
		d.failed(0, d.away)
	case errors.Is(err, fs.ErrNotExist):
		d.remake()
	default:
		d.away = err
		d.failed(0, d.away)
	}
}

// remake makes a new database in place of one that was removed.
func (d *Dir) remake() {
	if d.db != nil {
		// The file may have another name now, and what is in the WAL belongs to it.
		_, _ = d.db.conn.ExecContext(context.Background(), "PRAGMA wal_checkpoint(TRUNCATE)")
		_ = d.db.close()
		for _, rest := range []string{"-wal", "-shm"} {
			if info, err := os.Stat(d.name + rest); err == nil && (rest == "-shm" || info.Size() == 0) {
				_ = os.Remove(d.name + rest)
			}
		}
		_ = d.lock.Close()
		d.db, d.lock, d.away = nil, nil, errAway
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	if err := d.open(ctx); err != nil {
		d.away = err
		d.failed(0, err)
		return
	}
	d.options.Logger.Error("the database was removed while it was used: a new one was made, and the past before is gone",
		"dir", d.path)
	for _, f := range d.remade {
		f()
	}
	d.recovered(d.queue.works())
	d.writeAll()
}
