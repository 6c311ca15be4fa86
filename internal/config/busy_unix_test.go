//go:build unix

package config_test

import (
	"syscall"
	"testing"
	"time"
)

// busy returns how long this process has been at work so far, which does not depend on what else the machine does.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
