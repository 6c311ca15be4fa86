package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup writes a copy of the database in the directory of that name to a new file, which only its owner can read, and
// returns its size. It can run while another process uses the directory: the copy is what was stored at one moment. As the
// tidewire.db of a directory it is a store. Nothing is left of a copy that is not complete, and an existing file is not
// overwritten.
func Backup(ctx context.Context, dir, file string) (size int64, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("store: back up %s: %w", dir, err)
		}
	}()
	if _, err := os.Lstat(file); err == nil {
		return 0, fmt.Errorf("%s already exists: name another file", file)
	}
	name := filepath.Join(dir, databaseName)
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%w: a gateway makes it when it starts", err)
	} else if err != nil {
		return 0, err
	}
	if _, err := prepareFile(name); err != nil {
		return 0, describe(name, err)
	}
	db, err := connect(name, 1, "")
	if err != nil {
		return 0, err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, describe(name, err)
	}
	defer conn.Close()
	if version, err := checkOwner(ctx, conn); err != nil {
		return 0, describe(name, err)
	} else if version == 0 {
		return 0, fmt.Errorf("%s is empty", name)
	}
	partial, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".partial-*") // mode 0600
	if err != nil {
		return 0, err
	}
	defer os.Remove(partial.Name())
	defer partial.Close()
	if _, err := conn.ExecContext(ctx, "VACUUM INTO ?", partial.Name()); err != nil {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		return 0, fmt.Errorf("write %s: %w", file, err)
	}
	if err := partial.Sync(); err != nil {
		return 0, err
	}
	info, err := partial.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), publish(partial.Name(), file)
}

// publish gives a complete file its name, unless another file has that.
func publish(partial, file string) error {
	err := os.Link(partial, file)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s already exists: name another file", file)
	}
	return os.Rename(partial, file) // the file system has no hard links
}
