package audit_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/flood"
)

// logTo is a log that appends to what name points at, and what it has logged.
func logTo(name *string, lost func()) (*audit.Log, *bytes.Buffer) {
	var said bytes.Buffer
	return audit.New(audit.Options{
		File: func() string { return *name }, Clock: clock.New(), Lost: lost,
		Logger: slog.New(slog.NewTextHandler(&said, nil)),
	}), &said
}

// read is the lines of a file.
func read(t *testing.T, file string) (lines []map[string]any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var object map[string]any
		if err := json.Unmarshal([]byte(line), &object); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		lines = append(lines, object)
	}
	return lines
}

func TestALineFollowsTheNameOfTheFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	log, _ := logTo(&name, nil)
	who := audit.Actor{slog.String("user", "ann")}
	log.Record(who, "cancel", slog.String("run", "1"))
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	log.Record(who, "cancel", slog.String("run", "2"))
	name = filepath.Join(dir, "b")
	log.Record(audit.Program(), "run-ended", slog.String("run", "3"))
	name = ""
	log.Record(who, "cancel", slog.String("run", "4"))
	log.Close()
	for file, want := range map[string]string{"a.1": "ann cancel 1", "a": "ann cancel 2", "b": "tidewire run-ended 3"} {
		lines := read(t, filepath.Join(dir, file))
		if len(lines) != 1 {
			t.Errorf("%s has %d lines, want 1", file, len(lines))
			continue
		}
		if got := lines[0]["user"].(string) + " " + lines[0]["action"].(string) + " " + lines[0]["run"].(string); got != want {
			t.Errorf("%s has %q, want %q", file, got, want)
		}
	}
}

func TestLostLinesAreCounted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "none", "audit")
	lost := 0
	log, said := logTo(&name, func() { lost++ })
	if err := audit.Check(name); err == nil || !strings.HasPrefix(err.Error(), "audit: ") {
		t.Errorf("Check = %v, want an error of audit", err)
	}
	log.Record(nil, "a")
	log.Record(nil, "b")
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := audit.Check(name); err != nil {
		t.Errorf("Check = %v, want nil", err)
	}
	log.Record(nil, "c")
	log.Close()
	if lines := read(t, name); lost != 2 || len(lines) != 1 || lines[0]["action"] != "c" {
		t.Errorf("%d lines are lost and the file has %v, want 2 lost and c", lost, lines)
	}
	cannot, again := strings.Count(said.String(), "cannot be written"), strings.Count(said.String(), "written again")
	if cannot != 1 || again != 1 {
		t.Errorf("logged %s, want once that lines are lost and once that they are not", said)
	}
}

func TestMeteredLinesAreCountedByCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "audit")
		log, _ := logTo(&name, nil)
		for range flood.PerCaller + 3 {
			log.RecordMetered("ann", slog.String("user", "ann"), audit.Actor{slog.String("user", "ann")}, "denied")
		}
		log.RecordMetered("bob", slog.String("user", "bob"), audit.Actor{slog.String("user", "bob")}, "denied")
		log.Report(time.Now())
		time.Sleep(flood.Window)
		log.Report(time.Now())
		for range flood.PerCaller + 1 {
			log.RecordMetered("bob", slog.String("user", "bob"), audit.Actor{slog.String("user", "bob")}, "denied")
		}
		log.Close()
		lines := read(t, name)
		var more []float64
		for _, line := range lines {
			if n, ok := line["more"].(float64); ok {
				more = append(more, n)
			}
		}
		if want := []float64{3, 1}; len(lines) != 2*flood.PerCaller+1+2 || !slices.Equal(more, want) {
			t.Errorf("%d lines of which some say that there were %v more, want %d and %v",
				len(lines), more, 2*flood.PerCaller+3, want)
		}
	})
}

func TestALineIsBounded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit")
	log, _ := logTo(&name, nil)
	log.Record(audit.Program(), "trigger", slog.String("run", "1"),
		slog.String("args", strings.Repeat("<", 8<<10)), slog.String("more", strings.Repeat("x", 7<<10)))
	log.Close()
	line := read(t, name)[0]
	if line["truncated"] != true || line["args"] != nil || line["more"] == nil || line["run"] != "1" {
		t.Errorf("the line has %d members, want it without the longest one, and to say so", len(line))
	}
}
