package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	errForeign = errors.New("belongs to another program: move it away, or choose another directory")
	errNewer   = errors.New("was written by a newer version of Tidewire: use that version, or another directory")
	errNoStore = errors.New("is not a database of Tidewire: move it away, or choose another directory")
)

const (
	// cacheKiB bounds the memory of each connection for pages of the database, in KiB.
	cacheKiB = 4096
	// maxReaders is how many queries may run at once; others wait.
	maxReaders = 3
	// busyMillis is how long a connection waits for another process, such as a shell of SQLite.
	busyMillis = 2000
)

// database is the open file. One connection writes; it belongs to the goroutine that writes. A few others read.
type database struct {
	name    string
	file    fs.FileInfo // to see whether the name still stands for it
	created bool        // there was no file before
	wal     fs.FileInfo // the one that is used; nil until ownsWAL finds it
	writes  *sql.DB
	conn    *sql.Conn // the one of writes
	reads   *sql.DB
	tx      *tx  // the one that is used again and again
	full    bool // conn synchronizes each transaction
}

// openDatabase opens the file of that name, makes it if there is none, and brings its schema to the newest version. It
// changes nothing in a file that it refuses.
func openDatabase(ctx context.Context, name string) (_ *database, err error) {
	defer func() {
		if err != nil {
			err = describe(name, err)
		}
	}()
	_, _ = sqlite.Fdatasync(true) // as SQLite does it everywhere; where it cannot be had, fsync does the same
	db := &database{name: name}
	if db.created, err = prepareFile(name); err != nil {
		return nil, err
	}
	if db.file, err = os.Stat(name); err != nil {
		return nil, err
	}
	if db.writes, err = connect(name, 1, ""); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			db.close()
		}
	}()
	if db.conn, err = db.writes.Conn(ctx); err != nil {
		return nil, err
	}
	version, err := checkOwner(ctx, db.conn)
	if err != nil {
		return nil, err
	}
	// auto_vacuum counts for a database without tables alone. A WAL that was long once is cut to 16 MiB.
	var mode string
	if _, err := db.conn.ExecContext(ctx, "PRAGMA auto_vacuum=INCREMENTAL"); err != nil {
		return nil, err
	}
	if err := db.conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
		return nil, err
	} else if mode != "wal" {
		return nil, errors.New("is on a file system without shared memory: choose a directory on a local disk")
	}
	if _, err := db.conn.ExecContext(ctx, "PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=16777216"); err != nil {
		return nil, err
	}
	if err := migrate(ctx, db.conn, version); err != nil {
		return nil, err
	}
	db.tx = &tx{conn: db.conn, prepared: make(map[string]*sql.Stmt)}
	db.ownsWAL() // from here on it is that one
	db.reads, err = connect(name, maxReaders, "&_query_only=1")
	return db, err
}

// prepareFile makes an empty file if there is none, and refuses one that is not SQLite's, and one to which the WAL beside
// it does not belong: SQLite would write that WAL into it.
func prepareFile(name string) (created bool, err error) {
	wal, err := os.Stat(name + "-wal")
	hasWAL := err == nil && wal.Size() > 0
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		if hasWAL {
			return false, fmt.Errorf("%[1]s is missing, and %[1]s-wal, which belongs to it, is here: put it back, or remove that one", name)
		}
		f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return false, err
		}
		return true, f.Close()
	}
	if err != nil {
		return false, err
	}
	defer f.Close() // before SQLite has locked anything: to close a file drops the locks of its process
	head := make([]byte, 20)
	switch _, err := io.ReadFull(f, head); {
	case errors.Is(err, io.EOF) && hasWAL: // SQLite would remove that one
		return false, fmt.Errorf("%[1]s is empty, and %[1]s-wal belongs to the database that was here before: "+
			"put that one back, or remove %[1]s-wal and %[1]s-shm", name)
	case errors.Is(err, io.EOF):
		return true, nil // empty
	case errors.Is(err, io.ErrUnexpectedEOF):
		return false, errNoStore
	case err != nil:
		return false, err
	case !strings.HasPrefix(string(head), "SQLite format 3\x00"):
		return false, errNoStore
	case hasWAL && head[18] == 1: // a copy made by VACUUM INTO, which was never opened
		return false, fmt.Errorf("%[1]s is a backup, and %[1]s-wal belongs to the database that was here before: "+
			"remove %[1]s-wal and %[1]s-shm", name)
	}
	return false, nil
}

// connect returns connections to an existing file.
func connect(name string, most int, options string) (*sql.DB, error) {
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/data
	}
	// fullfsync is what makes a disk of macOS write. temp_store keeps sorting out of the directory for temporary files.
	source := fmt.Sprintf("file://%s?mode=rw&_dqs=0&_busy_timeout=%d&_pragma=cache_size(-%d)"+
		"&_pragma=fullfsync(1)&_pragma=temp_store(memory)%s", (&url.URL{Path: path}).EscapedPath(), busyMillis, cacheKiB, options)
	db, err := sql.Open("sqlite", source)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

// isCurrent reports whether the name of the file still stands for it.
func (db *database) isCurrent() bool {
	info, err := os.Stat(db.name)
	return err == nil && os.SameFile(info, db.file)
}

// ownsWAL reports whether the name of the WAL still stands for the one that is used: what is written into one that was
// removed, or is another's, is lost with the process.
func (db *database) ownsWAL() bool {
	info, err := os.Stat(db.name + "-wal")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return db.wal == nil
	case err != nil:
		return true // it is not known
	case db.wal == nil:
		db.wal = info
	}
	return os.SameFile(info, db.wal)
}

// saveWAL writes all that the WAL has into the file.
func (db *database) saveWAL(ctx context.Context) error {
	var busy, frames, saved int
	err := db.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &saved)
	if err == nil && busy != 0 {
		err = errors.New("somebody reads what is in the WAL")
	}
	return err
}

// close closes the file. SQLite writes the WAL into it and removes that, if it can.
func (db *database) close() error {
	if db.conn != nil && !(db.isCurrent() && db.ownsWAL()) {
		// SQLite would remove the WAL by its name, which may be that of another database by now.
		_ = db.conn.Raw(func(conn any) error {
			_, err := conn.(sqlite.FileControl).FileControlPersistWAL("main", 1)
			return err
		})
	}
	var errs []error
	if db.reads != nil {
		errs = append(errs, db.reads.Close())
	}
	if db.tx != nil {
		for _, s := range db.tx.prepared {
			s.Close()
		}
	}
	if db.conn != nil {
		errs = append(errs, db.conn.Close())
	}
	return errors.Join(append(errs, db.writes.Close())...)
}

// begin begins a transaction, which will be on disk when it is committed, or else when the system gets to it.
func (db *database) begin(full bool) (*tx, error) {
	if full != db.full {
		mode := "PRAGMA synchronous=NORMAL"
		if full {
			mode = "PRAGMA synchronous=FULL"
		}
		if _, err := db.tx.exec(mode); err != nil {
			return nil, err
		}
		db.full = full
	}
	db.tx.round++
	db.tx.after = db.tx.after[:0]
	_, err := db.tx.exec("BEGIN IMMEDIATE")
	return db.tx, err
}

// tx is the transaction that an op writes in. It must not be used after the op has returned.
type tx struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt // by query
	round    uint64               // differs in each transaction
	after    []func()
}

// committed has f called once the transaction is written, on the goroutine that writes.
func (t *tx) committed(f func()) { t.after = append(t.after, f) }

// statement prepares a query once for all transactions. Queries must be constants, or there would be no end of them.
func (t *tx) statement(query string) (*sql.Stmt, error) {
	if s := t.prepared[query]; s != nil {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), query)
	if err == nil {
		t.prepared[query] = s
	}
	return s, err
}

// exec runs a constant statement.
func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return s.Exec(args...)
}

// rows runs a constant query. The caller closes what it returns before it runs another statement.
func (t *tx) rows(query string, args ...any) (*sql.Rows, error) {
	s, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return s.Query(args...)
}

// row runs a constant query of one row at most: its Scan returns [sql.ErrNoRows] if there is none.
func (t *tx) row(dest []any, query string, args ...any) error {
	s, err := t.statement(query)
	if err != nil {
		return err
	}
	return s.QueryRow(args...).Scan(dest...)
}

// describe adds the name of the file, and what to do about a damaged one.
func describe(name string, err error) error {
	switch code(err) {
	case sqlite3.SQLITE_NOTADB:
		err = errNoStore
	case sqlite3.SQLITE_CORRUPT:
		return fmt.Errorf("%s is damaged: %w: put a backup in its place, or move it away to begin with an empty one", name, err)
	}
	if strings.Contains(err.Error(), name) {
		return err
	}
	if code(err) == sqlite3.SQLITE_READONLY {
		return fmt.Errorf("%s cannot be written: %w: have it owned by the user that runs tidewire, and not read-only", name, err)
	}
	return fmt.Errorf("%s %w", name, err)
}

// advise adds to an error of an open database what to do, if there is anything.
func advise(name string, err error) error {
	if c := code(err); c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB {
		return fmt.Errorf("%s is damaged: %w: stop tidewire, and put a backup in its place", name, err)
	}
	return err
}

// code is the primary result code of an error of SQLite, 0 of any other error.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// isDisk reports whether an error means that nothing can be written now, rather than that an op is wrong.
func isDisk(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY,
		sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM,
		sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_NOLFS:
		return true
	}
	return errors.Is(err, errAway) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
