package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file goes with a start, and what the run leaves is saved, but never over what is there.
func TestRunWithFiles(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "report.sh")
	if err := os.WriteFile(script, []byte(`tr a-z A-Z <"$1" >"$TIDEWIRE_RUN_DIR/report.txt"; echo "$2"`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	table := filepath.Join(dir, "table.csv")
	if err := os.WriteFile(table, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, fmt.Sprintf(`version: 1
jobs:
  report: {exec: [sh, %q, '{table}', '{text}'], args: {table: {type: file, max_size: 1kB}, text: {default: x}}, results: report.txt}
`, script)))
	t.Setenv("TIDEWIRE_URL", r.url)
	code, _, stderr := tidewire(t, "run", "report", "table=@"+table, "text=@me")
	if code != 0 || !strings.Contains(stderr, "it has left report.txt (3 bytes): "+r.url+"/api/v1/runs/") {
		t.Errorf("run = %d %s, want it to name the file", code, stderr)
	}
	to := filepath.Join(dir, "out")
	if err := os.Mkdir(to, 0o700); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = tidewire(t, "run", "report", "table=@"+table, "--files", to)
	if got, err := os.ReadFile(filepath.Join(to, "report.txt")); code != 0 || err != nil || string(got) != "ABC" {
		t.Errorf("run --files = %d %s, and saved %q, %v", code, stderr, got, err)
	}
	code, _, stderr = tidewire(t, "run", "report", "table=@"+table, "--files", to)
	if code != exitFailure || !strings.Contains(stderr, "exists") {
		t.Errorf("run --files over a file = %d %s, want it to fail", code, stderr)
	}
	if err := os.WriteFile(table, make([]byte, 1001), 0o600); err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"@" + table: "takes a file of at most 1000 bytes", "@" + dir + "/none": "no such file", table: "this is not a file, write table=@PATH\n"} {
		if code, _, stderr := tidewire(t, "run", "report", "table="+value); code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("table=%s = %d %s, want %d and %s", value, code, stderr, exitUsage, want)
		}
	}
}
