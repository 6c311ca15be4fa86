package natsstoretest_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// text returns what a replica answers with, empty if that is no success.
func (g *gatewayProcess) text(path string) string {
	answer, err := http.Get(g.url + path)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		return ""
	}
	return string(text)
}

// What has happened outlives the replica to which it did: the output of its runs, its events, and the history of sources, at
// those that were there and at one that comes later. While a replica stands still, what it is asked is answered with 504.
func TestGatewaysKeepThePast(t *testing.T) {
	t.Parallel()
	servers := own(t, 1, "")
	up := newPolled(t)
	dir := t.TempDir()
	script := filepath.Join(dir, "print.sh")
	lines := "i=0; while [ $i -lt 8000 ]; do echo \"line $i of what is printed\"; i=$((i+1)); done\n"
	if err := os.WriteFile(script, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "tidewire.yaml")
	yaml := fmt.Sprintf(`version: 1
store: {nats: {url: %q, prefix: %s, name: "${env:REPLICA}"}}
upstreams: {u: {http: %q}}
sources: {s: {http: {upstream: u, path: /s}, every: 500ms, show: {history: 1h}}}
jobs:
  print: {exec: [sh, %q]}
  long: {http: {upstream: u, path: /job/long, method: POST}, timeout: 2m}
`, servers.url(), prefix(), up.URL, script)
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []*gatewayProcess{startGateway(t, file), startGateway(t, file)}
	for _, g := range all {
		until(t, 30*time.Second, "a replica is ready", g.isReady)
	}
	time.Sleep(3 * time.Second)
	_, run := all[0].do("POST", "/api/v1/jobs/print/runs", "")
	path := fmt.Sprint("/api/v1/runs/", run["id"])
	ran := ""
	until(t, time.Minute, "the run has ended", func() bool {
		_, got := all[0].do("GET", path, "")
		ran, _ = got["replica"].(string)
		return got["status"] == "succeeded"
	})
	want := all[0].text(path + "/output")
	if !strings.HasSuffix(want, "\nline 7999 of what is printed\n") || !strings.HasPrefix(want, "line 0 ") {
		t.Fatalf("it has printed %d bytes", len(want))
	}
	has, left := all[0], all[1]
	if strings.HasSuffix(strings.Join(all[1].cmd.Env, "\n"), "REPLICA="+ran) {
		has, left = all[1], all[0]
	}
	time.Sleep(2 * time.Second) // it is stored

	status, long := left.do("POST", "/api/v1/jobs/long/runs", "")
	_, long = left.do("GET", fmt.Sprint("/api/v1/runs/", long["id"]), "")
	if owner := long["replica"]; status == 202 && owner == ran { // else the one that is left has it
		_ = has.cmd.Process.Signal(syscall.SIGSTOP)
		if status, got := left.do("POST", fmt.Sprint("/api/v1/runs/", long["id"], "/cancel"), ""); status != 504 {
			t.Errorf("a cancel while the replica stands still = %d %v, want 504", status, got)
		}
	}
	_ = has.cmd.Process.Kill()
	_ = has.cmd.Wait()
	come := startGateway(t, file)
	until(t, 30*time.Second, "a replica is ready", come.isReady)
	for _, g := range []*gatewayProcess{left, come} {
		until(t, 30*time.Second, "the output after the death", func() bool { return g.text(path+"/output") == want })
		until(t, 30*time.Second, "the history from before", func() bool {
			_, got := g.do("GET", "/api/v1/sources/s/history", "")
			times, _ := got["t"].([]any)
			return len(times) > 5
		})
		events := g.text("/api/v1/events?kind=run,start&job=print") + g.text("/api/v1/events?kind=start")
		if !strings.Contains(events, fmt.Sprintf(`"replica":%q`, ran)) || !strings.Contains(events, `"text":"succeeded`) {
			t.Errorf("the events of the replica that died, %s, are %s", ran, events)
		}
	}
}
