package store_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A database that is damaged while it is used is said to be, with what to do.
func TestDamageWhileItIsUsed(t *testing.T) {
	path := t.TempDir()
	closeDir(t, open(t, path))
	d := openLogging(t, path, slog.NewTextHandler(io.Discard, nil))
	file := filepath.Join(path, "tidewire.db")
	f, err := os.OpenFile(file, os.O_WRONLY, 0) // closing it would drop the locks that SQLite has on the file
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size())-4096), 4096); err != nil {
		t.Fatal(err)
	}
	until(t, "it fails", func() bool {
		d.Alerts().Keep("a", []byte("1"), true)
		return isFailing(d)
	})
	if _, err := d.Failing(); !strings.Contains(err.Error(), file+" is damaged: ") || !strings.Contains(err.Error(), "stop tidewire") {
		t.Errorf("it fails with %v, want that the file is damaged, and what to do", err)
	}
}
