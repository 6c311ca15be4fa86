package conformance_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// programs is the folder with the clients that are written in Go, and the gateway.
var programs string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if _, err := os.Stat("clients/node_modules"); err != nil {
		fmt.Fprintln(os.Stderr, "conformance: the clients from npm are missing: run ci/conformance.sh, or npm ci in conformance/clients")
		return 1
	}
	var err error
	if programs, err = os.MkdirTemp("", "conformance"); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		return 1
	}
	defer os.RemoveAll(programs)
	if out, err := exec.Command("go", "build", "-o", programs+string(filepath.Separator), "./clients/...").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "conformance: go build: %v\n%s", err, out)
		return 1
	}
	gateway := exec.Command("go", "build", "-o", filepath.Join(programs, "gateway"), "./cmd/tidewire")
	gateway.Dir = ".."
	if out, err := gateway.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "conformance: go build: %v\n%s", err, out)
		return 1
	}
	flag.Set("test.parallel", "40") // the tests wait most of the time; of more, each would wait for the starts of the others
	return m.Run()
}

// changing is state that changes while a test runs, and which it waits for. Embed it.
type changing struct {
	mu      sync.Mutex // guards the state, and changed
	changed chan struct{}
}

// change makes a change.
func (c *changing) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// await waits until the condition, which may read the state, is true.
func (c *changing) await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		met := condition()
		if c.changed == nil {
			c.changed = make(chan struct{})
		}
		changed := c.changed
		c.mu.Unlock()
		if met {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s: not after %v", what, patience)
		}
	}
}

// read reads the state.
func read[T any](c *changing, f func() T) T {
	c.mu.Lock()
	defer c.mu.Unlock()
	return f()
}
