//go:build unix

package main

import (
	"fmt"
	"log/slog"
	"syscall"
)

const (
	fewFiles    = 1024 // below it, an open page and polled sources soon need more
	tooFewFiles = 32   // below it, no request could be answered
)

// checkFileLimit warns if the limit of open files and connections is low: later that would show as unanswered
// connections and failing sources.
func checkFileLimit(log *slog.Logger) error {
	var limit syscall.Rlimit // the soft limit, which the Go runtime has raised to the hard limit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // the limit is unknown
	}
	switch n := uint64(limit.Cur); {
	case n < tooFewFiles:
		return fmt.Errorf(
			"only %d files and connections may be open at once (ulimit -n): Tidewire needs at least %d, better %d", n,
			tooFewFiles, fewFiles,
		)
	case n < fewFiles:
		log.Warn(
			"the limit of open files and connections is low: raise ulimit -n, or LimitNOFILE= in systemd", "limit", n,
			"better", fewFiles,
		)
	}
	return nil
}
