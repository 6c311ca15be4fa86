package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// errLocked is returned by lockFile while another process, or another Dir of this one, holds the lock.
var errLocked = errors.New("it is locked")

// takeLock makes this process the one that uses the directory. The file that it returns holds the lock until it is
// closed, or until the process ends.
func takeLock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		defer f.Close()
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("%s cannot be locked: %w: choose a directory on a local disk", f.Name(), err)
		}
		who := "another process"
		if text, _ := io.ReadAll(io.LimitReader(f, 20)); len(text) > 0 {
			if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
				who = fmt.Sprintf("process %d", pid)
			}
		}
		return nil, fmt.Errorf("the directory %s is in use by %s: stop that one first, or choose another directory", dir, who)
	}
	// The number is for people alone, so an error does no harm.
	if f.Truncate(0) == nil {
		_, _ = f.WriteAt(fmt.Appendln(nil, os.Getpid()), 0)
	}
	return f, nil
}

// keepLock takes the lock again if its file was removed, or replaced: whoever comes next could lock another one.
func (d *Dir) keepLock() error {
	own, err := d.lock.Stat()
	if err != nil {
		return err
	}
	if named, err := os.Stat(d.lock.Name()); err == nil && os.SameFile(named, own) {
		return nil
	}
	lock, err := takeLock(d.path)
	if err != nil {
		return mayWrite(err)
	}
	d.lock.Close()
	d.lock = lock
	d.options.Logger.Warn("the lock of the store was removed while it was used: it was made again", "file", lock.Name())
	return nil
}
