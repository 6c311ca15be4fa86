package natsstoretest_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// serverPath is the program of nats-server, which is built without the race detector.
var serverPath string

func TestMain(m *testing.M) {
	if role := os.Getenv("NATSSTORE_ROLE"); role != "" {
		runRole(role) // this process plays another one of the program under test
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "natsstore")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	serverPath = filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", serverPath, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build nats-server: %v\n%s", err, out)
		return 1
	}
	defer stopShared()
	flag.Parse()
	if flag.Lookup("test.run").Value.String() == "" {
		// The tests that need these programs run in parallel, after all others, which mostly wait.
		var built sync.WaitGroup
		defer built.Wait()
		built.Go(func() { _, _ = program(); _, _ = programBefore() })
	}
	return m.Run()
}
