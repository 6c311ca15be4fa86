//go:build unix

package exec_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/kind/exec"
)

// A program that ignores TERM makes its poll a second late: then it is killed.
func TestExecThatDoesNotEnd(t *testing.T) {
	ignores := filepath.Join(t.TempDir(), "ignores") // is opened by the program once it does
	if err := syscall.Mkfifo(ignores, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan time.Time)
	go func() {
		if f, err := os.Open(ignores); err == nil {
			f.Close()
		}
		at := time.Now()
		cancel()
		ended <- at
	}()
	_, err := exec.Command{Argv: []string{"/bin/sh", "-c", `trap '' TERM; : >"$0"; while :; do sleep 1; done`, ignores}}.Fetch(ctx)
	if took := time.Since(<-ended); !errors.Is(err, context.Canceled) || took < time.Second {
		t.Errorf("Fetch = %v %v after it was given up, want %v after a second", err, took, context.Canceled)
	}
}
