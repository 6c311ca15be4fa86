//go:build unix

package file_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tidewire/tidewire/internal/file"
)

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pipe, link, dir, os.DevNull, "/dev/tty"} {
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_APPEND | os.O_CREATE} {
			f, err := file.Open(name, flag, 0o600) // of a pipe it would wait for another end
			if err == nil {
				f.Close()
				t.Errorf("Open(%s, %#x) = nil, want an error", name, flag)
			}
			if name == pipe && !errors.Is(err, file.ErrNotRegular) {
				t.Errorf("Open(%s, %#x) = %v, want %v", name, flag, err, file.ErrNotRegular)
			}
		}
		if _, err := file.Read(name, 10); !errors.Is(err, file.ErrNotRegular) && name != "/dev/tty" {
			t.Errorf("Read(%s) = %v, want %v", name, err, file.ErrNotRegular)
		}
	}
}

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := file.Read(name, 10); err != nil || string(got) != "0123456789" {
		t.Errorf("Read = %q, %v", got, err)
	}
	_, err := file.Read(name, 9)
	large, ok := errors.AsType[*file.TooLargeError](err)
	if !ok || large.Most != 9 || !strings.HasSuffix(err.Error(), "it has more than 9 bytes") {
		t.Errorf("Read = %v, want more than 9 bytes", err)
	}
	if _, err := file.Read(name+"x", 9); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read = %v, want %v", err, fs.ErrNotExist)
	}
	f, err := file.Open(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	f.Close()
	if got, _ := file.Read(name, 100); string(got) != "0123456789x" {
		t.Errorf("Read = %q, want what was appended too", got)
	}
}
