//go:build unix

package listen

import (
	"os"
	"path/filepath"
	"syscall"
)

// ownerOnly makes new files accessible only to their owner until restore is called. This applies to the whole process:
// a file that another goroutine creates meanwhile is too private rather than too open.
func ownerOnly() (restore func()) {
	before := syscall.Umask(0o177)
	return func() { syscall.Umask(before) }
}

// lockDir locks the directory of a path against other callers of lockDir. Where that is not possible, as on some
// network file systems, it locks nothing.
func lockDir(path string) (unlock func()) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return func() {}
	}
	_ = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
	return func() { dir.Close() }
}
