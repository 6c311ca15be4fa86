package store

import (
	"context"
	"errors"
	"fmt"
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
	round := d.queue.next()
	stalled := time.AfterFunc(stalledAfter, func() { d.failed(round, errStalled) })
	info, err := os.Stat(d.name)
	stalled.Stop()
	d.queue.next()
	switch {
	case err == nil && os.SameFile(info, d.file):
		if err := d.replaceWAL(); err != nil {
			d.stayAway(err)
			return
		}
		d.goOn()
	case err == nil:
		d.stayAway(errReplaced)
	case errors.Is(err, fs.ErrNotExist):
		d.remake()
	default:
		d.stayAway(err)
	}
}

// stayAway has nothing written until the next look, because of err.
func (d *Dir) stayAway(err error) {
	d.away = err
	d.failed(0, err)
}

// goOn writes what waits into the database that has its name, as it should, and looks after its age and size.
func (d *Dir) goOn() {
	if d.db == nil { // it was away, such as on a disk that was not mounted
		ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
		defer cancel()
		if err := d.open(ctx); err != nil {
			d.stayAway(err)
			return
		}
	} else if err := d.keepLock(); err != nil {
		d.stayAway(err)
		return
	}
	d.away = nil
	if !d.writeAll() {
		return
	}
	d.recovered(d.queue.works()) // if nothing waited
	d.keep()
}

// replaceWAL closes the database if its WAL was removed or replaced, once what that has is saved: goOn opens it again, with
// a new one.
func (d *Dir) replaceWAL() error {
	if d.db == nil || d.db.ownsWAL() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookWithin)
	defer cancel()
	if err := d.db.saveWAL(ctx); err != nil {
		return fmt.Errorf("tidewire.db-wal was removed while it was used, and what it had cannot be saved: %w", err)
	}
	d.options.Logger.Error("tidewire.db-wal was removed while it was used: what it had was saved in tidewire.db", "dir", d.path)
	_ = d.db.close()
	_ = d.lock.Close()
	d.db, d.lock, d.away = nil, nil, errAway
	return nil
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
		d.stayAway(err)
		return
	}
	d.options.Logger.Error("the database was removed while it was used: a new one was made, and the past before is gone",
		"dir", d.path)
	d.writeAgain()
	d.recovered(d.queue.works())
	d.writeAll()
}

// writeAgain has what memory has be written once more: into a new database, or because ops with a part of it were dropped.
func (d *Dir) writeAgain() {
	for _, f := range d.again {
		f()
	}
}
