//go:build unix

package file_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/file"
)

// Nobody writes to the pipe, so opening it to read would wait for ever.
func TestAPipeIsNotWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	_, err := fetch(t, &file.Source{Path: path}, kind.Env{})
	if want := path + ": it is not a regular file"; err == nil || err.Error() != want {
		t.Errorf("Fetch = %v, want %s", err, want)
	}
}
