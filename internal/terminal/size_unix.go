//go:build unix

package terminal

import (
	"os"

	"golang.org/x/sys/unix"
)

// size returns the size of a terminal, and reports whether f is one.
func size(f *os.File) (columns, rows int, ok bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	_ = conn.Control(func(fd uintptr) {
		if ws, err := unix.IoctlGetWinsize(int(fd), unix.TIOCGWINSZ); err == nil {
			columns, rows, ok = int(ws.Col), int(ws.Row), true
		}
	})
	return columns, rows, ok
}
