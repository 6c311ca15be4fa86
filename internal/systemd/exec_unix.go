//go:build unix

package systemd

import "syscall"

// closeOnExec keeps a file descriptor from commands that are started later.
func closeOnExec(fd int) { syscall.CloseOnExec(fd) }
