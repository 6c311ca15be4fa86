package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// databaseName is the name of the file in the directory.
const databaseName = "tidewire.db"

// Options are the options of [Open].
type Options struct {
	// Logger gets what goes wrong, once when it begins and once when it is over. Nil discards it.
	Logger *slog.Logger

	// Keep is how long the past is kept where nothing else says so. Zero means for ever. Rows older than that go within
	// minutes; if the clock jumps ahead, at most a day's rows go in an hour.
	Keep time.Duration

	// MaxSize bounds the database, in bytes, give or take a tenth: what is the oldest of each past goes before. What is not
	// past, such as the newest states, never goes. Zero means no bound.
	MaxSize int64

	// Changed is called when Failing begins or ceases to return an error. It must not block. Nil means that nobody is told.
	Changed func()

	// Written is told how long each transaction took. It must not block. Nil means that nobody is.
	Written func(took time.Duration)
}

// Dir is an open directory. Its methods may be called from any goroutine. Make one with [Open].
type Dir struct {
	path    string
	name    string // of the database
	options Options
	queue   queue
	reads   atomic.Pointer[sql.DB]
	stop    chan struct{} // closed to end write
	stopped chan struct{} // closed when write has ended
	closing func() error  // once

	snapshots *Snapshots
	runs      *Runs
	events    *Events
	alerts    *Alerts
	meanings  *Meanings
	samples   *Samples
	spans     *Spans
	leftRows  *LeftRows
	before    time.Time // the process before was at work
	opened    time.Time // by the monotonic clock
	livedThen int64     // see lived; when it was opened
	last      []func()  // called by close before the goroutine that writes ends

	// The fields below belong to the goroutine that writes.

	lock    *os.File
	db      *database   // nil while there is none
	file    fs.FileInfo // of db, or of the last one
	away    error       // why db must not be written: it is nil, or its name stands for another file
	trimmer trimmer
	wrong   time.Time // when it was last logged that an op is wrong

	// again has what queues all that memory has to be written, see writeAgain. It is complete before write begins.
	again []func()
}

// Open opens the directory of that name, and makes it if there is none. It fails with a sentence for people if another
// process uses the directory, or if its database cannot be used, which it does not change then. The Dir lives until
// [Dir.Close]; ctx bounds Open alone.
func Open(ctx context.Context, path string, options Options) (*Dir, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Changed == nil {
		options.Changed = func() {}
	}
	d := &Dir{
		path: path, name: filepath.Join(path, databaseName), options: options,
		queue: queue{wake: make(chan struct{}, 1)},
		stop:  make(chan struct{}), stopped: make(chan struct{}),
	}
	if err := d.open(ctx); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	err := errors.Join(d.readClock(ctx), d.restore(ctx), d.openEvents(ctx), d.openAlerts(ctx), d.openMeanings(ctx), d.restoreSamples(ctx),
		d.restoreSpans(ctx), d.restoreLeftRows(ctx))
	if err != nil {
		_ = d.db.close()
		_ = d.lock.Close()
		return nil, fmt.Errorf("store: %w", describe(d.name, err))
	}
	d.runs = &Runs{dir: d, maxForgotten: defaultMaxForgotten, printing: make(map[string]*printed)}
	d.runs.emptyTrash() // of the process before
	d.trimmer.pasts = append(d.trimmer.pasts, d.runs.past())
	d.again = append(d.again, d.runs.again)
	d.closing = sync.OnceValue(d.close)
	go d.write()
	return d, nil
}

// open takes the lock and opens the database.
func (d *Dir) open(ctx context.Context) error {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		if to, no := os.Readlink(d.path); no == nil && errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("the directory %s is a link to %s, which is not there: make that, or mount its disk", d.path, to)
		}
		return mayWrite(err)
	}
	lock, err := takeLock(d.path)
	if err != nil {
		return mayWrite(err)
	}
	db, err := openDatabase(ctx, d.name)
	if err != nil {
		lock.Close()
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: it must belong to the user that tidewire runs as (chown), such as a backup that was put there", err)
		}
		return err
	}
	d.lock, d.db, d.file, d.away = lock, db, db.file, nil
	d.reads.Store(db.reads)
	return nil
}

// mayWrite adds what to do to an error of a directory that is not writable.
func mayWrite(err error) error {
	if errors.Is(err, fs.ErrPermission) || isReadOnly(err) {
		return fmt.Errorf("%w: choose a directory that this user can write, such as /var/lib/tidewire of a service", err)
	}
	return err
}

// read returns connections that can only read. They see what was written before the query began. It must be asked for each
// query, as it changes when the database was removed and made again; a query may fail at any time.
func (d *Dir) read() *sql.DB { return d.reads.Load() }

// Size returns how many bytes the database has on disk.
func (d *Dir) Size() int64 {
	var size int64
	for _, part := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(d.name + part); err == nil {
			size += info.Size()
		}
	}
	return size
}

// Close writes what waits, and gives the directory up. It may be called again. If ctx ends before, because the disk does not
// answer, it returns that, and leaves behind the goroutine that waits for the disk.
func (d *Dir) Close(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- d.closing() }()
	if err := wait(ctx, ended); err != nil {
		return fmt.Errorf("store: close %s: %w", d.path, err)
	}
	return nil
}

// close ends the goroutine that writes and closes the database. It reports what could not be written.
func (d *Dir) close() error {
	for _, f := range d.last {
		f()
	}
	d.markAlive(time.Now())
	d.queue.close()
	close(d.stop)
	<-d.stopped
	var err error
	if d.db != nil {
		err = d.db.close()
	}
	if d.lock != nil {
		d.lock.Close() // last: the directory is free from here on
	}
	if _, failing := d.Failing(); failing != nil {
		return failing
	}
	return err
}
