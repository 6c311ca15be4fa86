package natsstoretest_test

import (
	"encoding/json"
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
store: {nats: {url: %[1]q, prefix: %[2]s, name: "${env:REPLICA}"}}
upstreams: {u: {http: %[3]q}, w0: {http: %[3]q}, w1: {http: %[3]q}, w2: {http: %[3]q}, w3: {http: %[3]q}}
sources:
  s: {http: {upstream: u, path: /s}, every: 500ms, show: {history: 1h}}
  p: {for: [a, b, c, d, e, f], push: {}}
hooks:
  w0: {job: slow/w0, verify: {token: 0123456789abcdef, header: X-Token}, args: {n: .n}}
  w1: {job: slow/w1, verify: {token: 0123456789abcdef, header: X-Token}, args: {n: .n}}
  w2: {job: slow/w2, verify: {token: 0123456789abcdef, header: X-Token}, args: {n: .n}}
  w3: {job: slow/w3, verify: {token: 0123456789abcdef, header: X-Token}, args: {n: .n}}
jobs:
  slow: {for: [w0, w1, w2, w3], http: {upstream: "{each}", path: "/job/{each}-{n}", method: POST}, args: {n: {}}, on_busy: queue, timeout: 2m}
  print: {exec: [sh, %[4]q]}
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
	sent := deliverAndPush(t, left)
	if owner := long["replica"]; status == 202 && owner == ran { // else the one that is left has it
		_ = has.cmd.Process.Signal(syscall.SIGSTOP)
		if status, got := left.do("POST", fmt.Sprint("/api/v1/runs/", long["id"], "/cancel"), ""); status != 504 {
			t.Errorf("a cancel while the replica stands still = %d %v, want 504", status, got)
		}
	}
	_ = has.cmd.Process.Kill()
	_ = has.cmd.Wait()
	come := startGateway(t, file)
	defer func() {
		for _, g := range []*gatewayProcess{left, come} {
			sent.check(t, g, up, ran)
		}
	}()
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

// What was sent to a replica: the runs to which the deliveries have led that wait, by job.
type sentBefore map[string]string

// deliverAndPush sends a value to each source and two deliveries to each hook, of which the second one waits.
func deliverAndPush(t *testing.T, to *gatewayProcess) sentBefore {
	t.Helper()
	post := func(path, body string, want int) (got map[string]any) {
		request, err := http.NewRequest("POST", to.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Token", "0123456789abcdef")
		request.Header.Set("Content-Type", "application/json")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		_ = json.NewDecoder(answer.Body).Decode(&got)
		if answer.StatusCode != want {
			t.Errorf("POST %s %s = %d %v, want %d", path, body, answer.StatusCode, got, want)
		}
		return got
	}
	waiting := sentBefore{}
	for _, job := range []string{"w0", "w1", "w2", "w3"} {
		for _, n := range []string{"first", "second"} {
			waiting[job], _ = post("/hooks/"+job, fmt.Sprintf(`{"n":%q}`, n), 202)["run"].(string)
		}
	}
	for _, source := range []string{"a", "b", "c", "d", "e", "f"} {
		post("/api/v1/sources/p%2F"+source, "7", 204)
	}
	return waiting
}

// check checks after the death of one that a replica has the values, and that the deliveries that waited there have begun, and those
// at the other one wait.
func (s sentBefore) check(t *testing.T, g *gatewayProcess, up *polled, dead string) {
	for _, source := range []string{"a", "b", "c", "d", "e", "f"} {
		if _, got := g.do("GET", "/api/v1/sources/p%2F"+source, ""); got["value"] != 7.0 {
			t.Errorf("the value that was sent to %s is not there: %v", source, got)
		}
	}
	for job, id := range s {
		until(t, time.Minute, "the delivery to "+job+" waits or has begun again", func() bool {
			_, run := g.do("GET", "/api/v1/runs/"+id, "")
			then, _ := run["then"].([]any)
			switch {
			case run["replica"] != dead:
				return run["status"] == "queued" && up.count("/job/"+job+"-second") == 0
			case len(then) == 0:
				return false
			}
			_, next := g.do("GET", fmt.Sprint("/api/v1/runs/", then[0].(map[string]any)["id"]), "")
			return run["status"] == "lost" && next["status"] == "running" && up.count("/job/"+job+"-second") == 1
		})
	}
}
