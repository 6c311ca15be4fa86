package gateway_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A disk that is full takes the beginning of a line. What comes after it stands on lines of its own, however many
// are lost in between.
//
// It runs in a process of its own, because the limit that stands for a full disk concerns all files of a process: also
// the one in which the test binary notes for "go test" what it has opened.
func TestALineThatWasTornSpoilsNoOther(t *testing.T) {
	const itself = "TIDEWIRE_TEST_TORN"
	if os.Getenv(itself) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), itself+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	cfg := load(t, "jobs: {scan: {exec: ['true']}}\n")
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	s := startConfig(t, cfg)
	trigger := func() string {
		t.Helper()
		id := of(s.json(202, "POST", runs, "{}"), "id")
		s.ended(id)
		return id
	}
	before := trigger()
	info, err := os.Stat(cfg.Audit)
	if err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	full := limit
	full.Cur = uint64(info.Size()) + 20 // bytes of the next line; no other file is written meanwhile
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	lost := trigger()
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	after := trigger()
	s.stop()
	data, err := os.ReadFile(cfg.Audit)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) != 5 || len(lines[2]) != 20 {
		t.Fatalf("the audit log has the lines\n%s\nwant two, 20 bytes of a third, and two", data)
	}
	for i, run := range map[int]string{0: before, 1: before, 3: after, 4: after} {
		if line := decode(t, []byte(lines[i])); line["run"] != run {
			t.Errorf("line %d is %s, want one of run %s, not of %s", i, lines[i], run, lost)
		}
	}
}
