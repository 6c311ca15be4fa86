package natsstoretest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// program builds the gateway, once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(serverPath), "tidewire")
	build := exec.Command("go", "build", "-o", path, "./cmd/tidewire")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build tidewire: %w\n%s", err, out)
	}
	return path, nil
})

// gatewayProcess is one replica.
type gatewayProcess struct {
	t    *testing.T
	name string // as the others know it
	cmd  *exec.Cmd
	url  string
	logs *logged
}

// replicaNames counts the gateways of this process: all are on one host.
var replicaNames atomic.Int64

func startGateway(t *testing.T, file string) *gatewayProcess {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return startProgram(t, path, file)
}

// startProgram starts a gateway of any version.
func startProgram(t *testing.T, path, file string) *gatewayProcess {
	t.Helper()
	g := &gatewayProcess{t: t, logs: new(logged), cmd: exec.Command(path, "serve", file, "--listen", "127.0.0.1:0", "--watch", "0")}
	g.name = fmt.Sprint("r", replicaNames.Add(1))
	g.cmd.Env = append(os.Environ(), "REPLICA="+g.name)
	g.cmd.Stderr = g.logs
	dieWithUs(g.cmd)
	out, err := g.cmd.StdoutPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%v: %s", err, g.logs)
	}
	_, g.url, _ = strings.Cut(strings.TrimSpace(line), "listening on ")
	t.Cleanup(func() {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", g.url, g.logs)
		}
	})
	return g
}

// do makes a request and returns its status and the object that answers it.
func (g *gatewayProcess) do(method, path, key string) (int, map[string]any) {
	g.t.Helper()
	status, body := g.try(method, path, key)
	if status == 0 {
		g.t.Fatalf("%s %s: no answer", method, path)
	}
	return status, body
}

// try is do whose status is 0 if there is no answer.
func (g *gatewayProcess) try(method, path, key string) (int, map[string]any) {
	r, err := http.NewRequest(method, g.url+path, strings.NewReader("{}"))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", `"`+key+`"`)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer answer.Body.Close()
	var body map[string]any
	_ = json.NewDecoder(answer.Body).Decode(&body)
	return answer.StatusCode, body
}

// stream returns what a stream of everything has sent until its end.
func (g *gatewayProcess) stream() string {
	answer, err := http.Get(g.url + "/api/v1/stream")
	if err != nil {
		return err.Error()
	}
	defer answer.Body.Close()
	all, _ := io.ReadAll(answer.Body) // its end may be that of the connection
	return string(all)
}

// until waits until a condition holds.
func until(t *testing.T, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after %v: not yet: %s", within, what)
		}
	}
}

func (g *gatewayProcess) isReady() bool {
	status, _ := g.try("GET", "/readyz", "") // without an answer just when the servers have come
	return status == http.StatusOK
}

// The program itself, on real servers: it waits for servers that come later; replicas share sources and jobs; one that
// stops is followed within 2 s, one that is killed within its lease and 5 s; and nothing is ever polled twice at once.
func TestGateways(t *testing.T) {
	t.Parallel()
	servers := own(t, 1, "")
	up := newPolled(t)
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: %q, prefix: %s, name: \"${env:REPLICA}\"}}\nupstreams:\n", servers.url(), prefix())
	for i := range 30 {
		fmt.Fprintf(&b, "  u%d: {http: %q, headers: {X-Replica: \"${env:REPLICA}\"}}\n", i, up.URL)
	}
	b.WriteString("sources:\n")
	for i := range 30 {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: u%d, path: /s%d}, every: 500ms}\n", i, i, i)
	}
	b.WriteString("jobs:\n")
	for i := range 6 {
		fmt.Fprintf(&b, "  j%d: {http: {upstream: u%d, path: /job/j%d, method: POST}, timeout: 2m}\n", i, i, i)
	}
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	servers.servers[0].stop()
	first := startGateway(t, file)
	if status, _ := first.do("GET", "/livez", ""); status != 200 {
		t.Errorf("without servers livez = %d, want 200", status)
	}
	if status, body := first.do("GET", "/api/v1/sources", ""); first.isReady() || status != 503 || body["status"] != 503.0 {
		t.Errorf("without servers the answer is %d %v", status, body)
	}
	if err := servers.servers[0].start(); err != nil {
		t.Fatal(err)
	}
	until(t, 20*time.Second, "the first replica is ready", first.isReady)
	all := []*gatewayProcess{first, startGateway(t, file), startGateway(t, file)}
	for _, g := range all {
		until(t, 10*time.Second, "a replica is ready", g.isReady)
	}
	time.Sleep(3 * time.Second)
	up.longest()
	time.Sleep(2 * time.Second)
	up.check("three replicas", 2*time.Second, all...)
	for _, g := range all {
		if _, got := g.do("GET", "/api/v1/sources/s7", ""); got["value"] != 42.0 {
			t.Errorf("a replica shows %v", got)
		}
	}

	for i := range 6 { // started on one, known to all, cancelled on another
		path := fmt.Sprintf("/api/v1/jobs/j%d/runs", i)
		id := ""
		for _, g := range all {
			status, run := g.do("POST", path, "key")
			if status != 202 || id != "" && run["id"] != id {
				t.Errorf("a start = %d %v, want %s", status, run, id)
			}
			id, _ = run["id"].(string)
		}
		run := "/api/v1/runs/" + id
		if status, got := all[(i+1)%3].do("POST", run+"/cancel", ""); status != 202 {
			t.Errorf("a cancel = %d %v", status, got)
		}
		for _, g := range all {
			until(t, 5*time.Second, "a run has ended everywhere", func() bool {
				_, got := g.do("GET", run, "")
				return got["status"] == "cancelled"
			})
		}
		if n := up.count(fmt.Sprintf("/job/j%d", i)); n != 1 {
			t.Errorf("job j%d was begun %d times, want once", i, n)
		}
	}

	up.longest()
	_ = all[0].cmd.Process.Signal(syscall.SIGTERM)
	_ = all[0].cmd.Wait()
	time.Sleep(2 * time.Second)
	up.check("after a stop", 2*time.Second, all...)
	_ = all[1].cmd.Process.Kill()
	time.Sleep(22 * time.Second)
	up.check("after a death", 20500*time.Millisecond, all...)
	time.Sleep(time.Second)
	up.check("with one replica left", 2*time.Second, all...)
}
