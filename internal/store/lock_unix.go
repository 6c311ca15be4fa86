//go:build unix

package store

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// isReadOnly reports whether err means that a file system is read-only.
func isReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

// lockFile locks f for this open file alone, without waiting.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
