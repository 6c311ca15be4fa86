package main

import (
	"log/slog"
	"strings"
	"syscall"
	"testing"
)

// The limit is the process's, so this test is not parallel. It puts the soft limit back.
func TestFewFilesAreSaidAtTheStart(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) }()
	for _, c := range []struct {
		limit uint64
		want  string // in the error
		warns bool
	}{
		{12, "only 12 files and connections may be open at once (ulimit -n)", false},
		{31, "only 31 files", false},
		{32, "", true},
		{1023, "", true},
		{1024, "", false},
	} {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: c.limit, Max: before.Max}); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		err := checkFileLimit(slog.New(slog.NewTextHandler(&log, nil)))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %d: %v, want %q", c.limit, err, c.want)
		}
		if warned := strings.Contains(log.String(), "ulimit -n"); warned != c.warns {
			t.Errorf("with %d the log is %q, want a warning: %t", c.limit, log.String(), c.warns)
		}
	}
}
