//go:build unix

package listen

import (
	"os"
	"path/filepath"
	"syscall"
)

// ownerOnly has new files belong to their owner alone until restore is called. It holds
// for the whole process, so that a file that another goroutine makes meanwhile is closed
// to others rather than open.
func ownerOnly() (restore func()) {
	before := syscall.Umask(0o177)
	return func() { syscall.Umask(before) }
}

// lockDir locks the directory of a path against others that call it. Where that cannot be
// done, as on some network file systems, nothing is locked.
func lockDir(path string) (unlock func()) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {}
	}
	_ = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
	return func() { dir.Close() }
}
