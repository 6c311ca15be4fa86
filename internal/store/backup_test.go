package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/store"
	"github.com/tidewire/tidewire/snapshot"
)

// A copy made while the directory is used has what was stored, and is a store.
func TestBackup(t *testing.T) {
	dir, to := t.TempDir(), t.TempDir()
	d := open(t, dir)
	now(t, d, table, "INSERT INTO test VALUES (1, 'kept')")
	if _, _, err := d.Snapshots().Claim(t.Context(), "a", snapshot.ClaimOptions{Run: "Run1"}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(to, "copy.db")
	size, err := store.Backup(t.Context(), dir, file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Size() != size || info.Mode().Perm() != 0o600 && os.PathSeparator == '/' {
		t.Errorf("the copy has %v, %v, want %d bytes for its owner", info, err, size)
	}
	now(t, d, "INSERT INTO test VALUES (2, 'later')") // the directory is still used
	if _, err := store.Backup(t.Context(), dir, file); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second copy = %v, want that the file exists", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Backup(ctx, dir, filepath.Join(to, "none.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context Backup = %v", err)
	}
	files, err := os.ReadDir(to)
	if err != nil || len(files) != 1 {
		t.Errorf("there are %v, %v, want the copy alone", files, err)
	}
	closeDir(t, d)

	// Restored over what a killed process left, its WAL is not mixed with the copy.
	if err := os.Rename(file, filepath.Join(to, "tidewire.db")); err != nil {
		t.Fatal(err)
	}
	d = open(t, to)
	if n := count(t, d, "SELECT group_concat(n) FROM test"); n != 1 {
		t.Errorf("the copy has the rows %d, want 1", n)
	}
	if e := entries(t, d.Snapshots())["a"]; e.Run != "Run1" || e.State != snapshot.Orphan {
		t.Errorf("the copy has the entry %v, want an orphan", e)
	}
}

func TestBackupOfWhatIsNoStore(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "copy.db")
	for _, want := range []string{"no such file", "is not a database of Tidewire"} {
		if _, err := store.Backup(t.Context(), dir, file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Backup = %v, want %q", err, want)
		}
		if err := os.WriteFile(filepath.Join(dir, "tidewire.db"), []byte("notes that are longer than a header"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a copy")
	}
}
