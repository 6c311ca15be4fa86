package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// Whatever a configuration is read from is looked at, whether it is good or bad, and only what differs from what
// was read counts.
func TestFilesOfAConfiguration(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(path("conf.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("t.yaml", "version: 1\ninclude: conf.d/*.yaml\nupstreams: {u: {http: 'https://x', bearer: '${file:token}'}}")
	write("conf.d/a.yaml", "sources: {a: {exec: [echo]}}")
	write("token", "secret")

	_, files, err := config.Open(path("t.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{path("t.yaml"), path("conf.d"), path("conf.d/a.yaml"), path("token")}
	if got := files.Names(); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) || got[0] != want[0] {
		t.Errorf("files of a good configuration: %q, want %q", got, want)
	}
	before, changed := files.Look()
	if changed {
		t.Error("changed before anything was")
	}
	is := func(what string, want bool) {
		t.Helper()
		now, changed := files.Look()
		if changed != want || (now != before) != want {
			t.Errorf("%s: changed is %v, the sum is another one: %v; want %v", what, changed, now != before, want)
		}
	}
	later := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path("t.yaml"), later, later); err != nil {
		t.Fatal(err)
	}
	is("another time", false)
	write("token", "Secret")
	is("another token of the same length", true)
	write("token", "secret")
	is("the token as it was", false)
	if err := os.Chtimes(path("token"), later, later); err != nil {
		t.Fatal(err)
	}
	is("an old token", false)
	write("token", "sEcret")
	if err := os.Chtimes(path("token"), later, later); err != nil { // as rsync does it, or a server whose clock is behind
		t.Fatal(err)
	}
	is("another token of the same length and time", true)
	write("token", "secret")
	is("the first token again", false)
	write("conf.d/b.yaml", "")
	is("one more file to include", true)
	if err := os.Remove(path("conf.d/b.yaml")); err != nil {
		t.Fatal(err)
	}
	is("without it", false)
	write("new", "sources: {b: {exec: [echo]}}")
	if err := os.Rename(path("new"), path("conf.d/a.yaml")); err != nil {
		t.Fatal(err)
	}
	is("a file replaced by another", true)
	if err := os.Remove(path("t.yaml")); err != nil {
		t.Fatal(err)
	}
	is("no file", true)

	// What is bad depends on files, too.
	write("t.yaml", "version: 1\ninclude: [")
	_, files, err = config.Open(path("t.yaml"))
	if err == nil || !slices.Equal(files.Names(), []string{path("t.yaml")}) {
		t.Errorf("files of what is not YAML: %q, %v, want the file itself, and an error", files.Names(), err)
	}
	write("t.yaml", "version: 1\ninclude: other/*.yaml\nupstreams: {u: {http: 'https://x', bearer: '${file:missing}'}}")
	_, files, err = config.Open(path("t.yaml"))
	if _, ok := err.(config.Problems); !ok {
		t.Fatalf("a bad configuration: %v, want problems", err)
	}
	before, _ = files.Look()
	is("still bad", false)
	if err := os.Mkdir(path("other"), 0o700); err != nil {
		t.Fatal(err)
	}
	is("the directory is there", true)
	before, _ = files.Look()
	write("missing", "secret")
	if now, _ := files.Look(); now == before {
		t.Error("a file that was missing is there, and the sum is the same")
	}
	_, files, err = config.Open(path("none.yaml"))
	if err == nil || !strings.Contains(err.Error(), "no such file") || !slices.Equal(files.Names(), []string{path("none.yaml")}) {
		t.Errorf("without a file: %q, %v, want its name and that there is none", files.Names(), err)
	}
}
