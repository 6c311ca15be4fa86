package file_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/file"
)

// Some files below /proc and /sys are regular by their mode, and are read like a pipe.
func TestAFileThatNeverEndsIsRefused(t *testing.T) {
	const name = "/proc/kmsg"
	if f, err := os.Open(name); errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		t.Skip("only root may read such a file: ", err)
	} else if err == nil {
		f.Close()
	}
	done := make(chan error, 1)
	go func() {
		_, err := file.Read(name, 1<<30)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, file.ErrNotRegular) {
			t.Errorf("Read(%s) = %v, want %v", name, err, file.ErrNotRegular)
		}
	case <-time.After(10 * time.Second):
		t.Errorf("Read(%s) has not returned after 10 s", name)
	}
}
