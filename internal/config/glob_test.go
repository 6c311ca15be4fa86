package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// A pattern such as /*/*/*.yaml would look through all of a disk, again at every look for changes.
func TestAPatternLooksIntoABoundedNumberOfDirectories(t *testing.T) {
	dir := t.TempDir()
	for i := range 201 {
		if err := os.MkdirAll(filepath.Join(dir, "d", fmt.Sprint(i)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	name := filepath.Join(dir, "tidewire.yaml")
	if err := os.WriteFile(name, []byte("version: 1\ninclude: d/*/*.yaml\nsources: {a: {exec: [echo, a]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := config.Open(name); err == nil || !strings.Contains(err.Error(), "include: the pattern looks into more than 200 directories") {
		t.Errorf("Open with 201 directories = %v, want it refused", err)
	}
	if err := os.Remove(filepath.Join(dir, "d", "0")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "d", "file"), nil, 0o600); err != nil { // counts for none
		t.Fatal(err)
	}
	if _, _, err := config.Open(name); err != nil {
		t.Errorf("Open with 199 directories and more = %v", err)
	}
}
