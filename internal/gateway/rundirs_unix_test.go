//go:build unix

package gateway_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// The directories of runs of a process that was killed go with the next start, those of a process that lives stay.
func TestDirectoriesOfRunsThatAreLeft(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	hour := time.Now().Add(-time.Hour)
	for _, name := range []string{"tidewire-run-left", "tidewire-run-held", "other"} {
		if err := os.MkdirAll(filepath.Join(tmp, name, "arg-table"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(tmp, name), hour, hour); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(tmp, "tidewire-run-young"), 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(filepath.Join(tmp, "tidewire-run-held"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	start(t, reports(t, ""))
	until(t, "a directory that was left to be removed", func() bool {
		_, err := os.Stat(filepath.Join(tmp, "tidewire-run-left"))
		return os.IsNotExist(err)
	})
	for _, name := range []string{"tidewire-run-held", "tidewire-run-young", "other"} {
		if _, err := os.Stat(filepath.Join(tmp, name)); err != nil {
			t.Errorf("%s is gone: %v", name, err)
		}
	}
}
