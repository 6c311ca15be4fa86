package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A backup is made while the gateway runs, by the configuration and by the directory, and can be served.
func TestBackupWhileItRuns(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(dir string) {
		text := "version: 1\nstore: {dir: " + dir + "}\nsources: {a: {exec: [echo, '1'], every: 1h}}\n"
		if err := os.WriteFile("tidewire.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("data")
	r := begin(t, "serve", "--listen", "127.0.0.1:0", "tidewire.yaml")
	ready := func(v map[string]any) bool { return v["name"] == "a" && v["state"] == "ok" }
	r.await("readiness", ready)
	for _, args := range [][]string{{"backup", "one.db"}, {"backup", "tidewire.yaml", "two.db"}, {"backup", "data", "three.db"}} {
		code, stdout, stderr := tidewire(t, args...)
		if code != 0 || stdout != "" || !regexp.MustCompile(args[len(args)-1]+` has been written: 0\.\d MB`).MatchString(stderr) {
			t.Errorf("%v = %d, %q, %q, want 0 and the size on stderr", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := tidewire(t, "backup", "one.db"); code != exitFailure || !strings.Contains(stderr, "one.db already exists") {
		t.Errorf("backup over a file = %d, %q", code, stderr)
	}
	if code, stderr := r.stop(); code != 0 {
		t.Errorf("serve ended with %d, want 0\n%s", code, stderr)
	}
	if err := os.Mkdir("restored", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename("one.db", filepath.Join("restored", "tidewire.db")); err != nil {
		t.Fatal(err)
	}
	write("restored")
	r = begin(t, "serve", "--listen", "127.0.0.1:0", "tidewire.yaml")
	r.await("readiness", ready)
	if code, stderr := r.stop(); code != 0 {
		t.Errorf("serve of the copy ended with %d, want 0\n%s", code, stderr)
	}

	if err := os.WriteFile("tidewire.yaml", []byte("version: 1\nsources: {a: {exec: [echo, '1']}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tidewire(t, "backup", "four.db"); code != exitFailure || !strings.Contains(stderr, "keeps state in memory") {
		t.Errorf("backup of memory = %d, %q", code, stderr)
	}
	if err := os.WriteFile("tidewire.yaml", []byte("version: 1\nstore: {nats: {url: h, prefix: plant}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tidewire(t, "backup", "four.db"); code != exitFailure || !strings.Contains(stderr, "nats stream backup plant DIRECTORY") {
		t.Errorf("backup of NATS = %d, %q", code, stderr)
	}
}
