package natsstoretest_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// before is a commit of the version that replicas are updated from: the first one of format 1, as nothing was released yet.
const before = "d8a6138a2ea179e4eca1b3faeb6987bfa5154be9"

// errNoHistory is why the version before cannot be built.
var errNoHistory = errors.New("the history of the repository is not here")

// programBefore builds the gateway as it was then, once.
var programBefore = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return "", err
	}
	if exec.Command("git", "-C", root, "cat-file", "-e", before+"^{commit}").Run() != nil {
		return "", errNoHistory
	}
	dir := filepath.Join(filepath.Dir(serverPath), "before")
	path := filepath.Join(filepath.Dir(serverPath), "tidewire-before")
	script := `mkdir "$2" && git -C "$1" archive ` + before + ` | tar -x -C "$2" && cd "$2" && go build -buildvcs=false -o "$3" ./cmd/tidewire`
	if out, err := exec.Command("sh", "-c", script, "sh", root, dir, path).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tidewire as of %s: %w\n%s", before, err, out)
	}
	return path, nil
})

// A receiver of alerts counts what it is told.
type receiver struct{ n atomic.Int64 }

func (r *receiver) ServeHTTP(http.ResponseWriter, *http.Request) { r.n.Add(1) }

// Replicas are updated one after the other, from a recorded version to this one, and back. Meanwhile both start, show and
// cancel runs of each other, sources are polled without a gap, and what was told of an alert is not told again.
func TestUpdate(t *testing.T) {
	t.Parallel()
	old, err := programBefore()
	if errors.Is(err, errNoHistory) {
		t.Skip(err)
	}
	fresh, err2 := program()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	servers, up := own(t, 1, ""), newPolled(t)
	heard := new(receiver)
	ops := httptest.NewServer(heard)
	t.Cleanup(ops.Close)
	const n = 6
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: %q, prefix: %s, name: \"${env:REPLICA}\"}}\nnotify: {ops: {http: %q}}\nupstreams:\n", servers.url(), prefix(), ops.URL)
	for i := range n {
		fmt.Fprintf(&b, "  u%d: {http: %q}\n", i, up.URL)
	}
	b.WriteString("sources:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: u%d, path: /s%d}, every: 500ms, alert: {if: '. > 5', notify: ops}}\n", i, i, i)
	}
	b.WriteString("jobs:\n")
	for i := range n {
		fmt.Fprintf(&b, "  j%d: {http: {upstream: u%d, path: /job/j%d, method: POST}, timeout: 2m}\n", i, i, i)
	}
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(program string) *gatewayProcess {
		g := startProgram(t, program, file)
		until(t, time.Minute, "a replica is ready", g.isReady)
		return g
	}
	pair := [2]*gatewayProcess{start(old), start(old)}
	until(t, time.Minute, "all alerts are told", func() bool { return heard.n.Load() >= n })
	time.Sleep(2 * time.Second)
	told := heard.n.Load() // more than n if sources have moved to the second one just then

	for round, program := range []string{fresh, fresh, old, fresh} { // the one that was updated first goes back once
		var ids [n]string
		for i := range n {
			_, run := pair[i%2].do("POST", fmt.Sprintf("/api/v1/jobs/j%d/runs", i), fmt.Sprint("round", round))
			ids[i], _ = run["id"].(string)
		}
		for i, id := range ids { // of both, at the other one
			g := pair[(i+1)%2]
			if _, again := g.do("POST", fmt.Sprintf("/api/v1/jobs/j%d/runs", i), fmt.Sprint("round", round)); id == "" || again["id"] != id {
				t.Errorf("round %d: the key of j%d leads to %v, want %s", round, i, again, id)
			}
			if status, answer := g.do("POST", "/api/v1/runs/"+id+"/cancel", ""); status != http.StatusAccepted {
				t.Errorf("round %d: a cancel = %d %v", round, status, answer)
			}
		}
		for _, id := range ids {
			for _, g := range pair {
				until(t, time.Minute, "a run has ended everywhere", func() bool {
					_, run := g.do("GET", "/api/v1/runs/"+id, "")
					return run["status"] == "cancelled"
				})
			}
		}
		up.longest()
		leaves := pair[round%2]
		_ = leaves.cmd.Process.Signal(syscall.SIGTERM)
		_ = leaves.cmd.Wait()
		pair[round%2] = start(program)
		if name, gap := up.longest(); gap > 20*time.Second { // on a machine with other work; alone it is half a second
			t.Errorf("round %d: %s was not polled for %v", round, name, gap)
		}
		for i, id := range ids {
			if _, run := pair[round%2].do("GET", "/api/v1/runs/"+id, ""); run["status"] != "cancelled" {
				t.Errorf("round %d: who has come shows run %s as %v", round, id, run)
			}
			if _, again := pair[round%2].do("POST", fmt.Sprintf("/api/v1/jobs/j%d/runs", i), fmt.Sprint("round", round)); again["id"] != id {
				t.Errorf("round %d: afterwards the key of j%d leads to %v, want %s", round, i, again["id"], id)
			}
			for _, g := range pair {
				if _, source := g.do("GET", fmt.Sprint("/api/v1/sources/s", i), ""); source["value"] != 42.0 {
					t.Errorf("round %d: source %d is %v", round, i, source)
				}
			}
		}
	}
	if got := heard.n.Load(); got != told {
		t.Errorf("the receiver was told %d times, want %d: nothing has changed", got, told)
	}
}
