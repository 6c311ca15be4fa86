//go:build unix

package main

import (
	"fmt"
	"log/slog"
	"syscall"
)

const (
	fewFiles    = 1024 // below it, a page that is looked at and sources that are polled soon need more
	tooFewFiles = 32   // below it, nobody would be answered
)

// checkFileLimit says so where few files and connections may be open at once: later it would show as connections that
// nobody answers and sources that fail.
func checkFileLimit(log *slog.Logger) error {
	var limit syscall.Rlimit // the soft limit, which the Go runtime has raised as far as it may be
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // no limit is known
	}
	switch n := uint64(limit.Cur); {
	case n < tooFewFiles:
		return fmt.Errorf("only %d files and connections may be open at once (ulimit -n): Tidewire needs at least %d, better %d", n, tooFewFiles, fewFiles)
	case n < fewFiles:
		log.Warn("the limit of open files and connections is low: raise ulimit -n, or LimitNOFILE= in systemd", "limit", n, "better", fewFiles)
	}
	return nil
}
