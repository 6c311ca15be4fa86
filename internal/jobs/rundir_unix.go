//go:build unix

package jobs

import (
	"io/fs"
	"os"
	"syscall"
)

// hold marks a directory as one in use until the file is closed, also by the end of the process. It reports false if another
// process, or another part of this one, holds it.
func hold(dir *os.File) bool {
	return syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

// isOwn reports whether a file belongs to the user that this process runs as.
func isOwn(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
