package natsstoretest_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// While no server answers, gateways stop their work when their lease is over and say so; when one is back, also with an
// empty stream, they go on by themselves.
func TestGatewayOutage(t *testing.T) {
	t.Parallel()
	servers := own(t, 1, "")
	up, name := newPolled(t), prefix()
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: %q, prefix: %s, name: \"${env:REPLICA}\"}}\nupstreams:\n", servers.url(), name)
	for i := range 12 {
		fmt.Fprintf(&b, "  u%d: {http: %q, headers: {X-Replica: \"${env:REPLICA}\"}}\n", i, up.URL)
	}
	b.WriteString("sources:\n")
	for i := range 12 {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: u%d, path: /s%d}, every: 500ms}\n", i, i, i)
	}
	fmt.Fprintf(&b, "jobs:\n  j: {http: {upstream: u0, path: /quick/j, method: POST}}\n")
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	all := []*gatewayProcess{startGateway(t, file), startGateway(t, file)}
	works := func(what string) {
		t.Helper()
		for _, g := range all {
			until(t, 30*time.Second, what+": a gateway is ready", g.isReady)
		}
		time.Sleep(5 * time.Second)
		up.longest()
		time.Sleep(3 * time.Second)
		up.check(what, 2*time.Second, all...)
		for _, g := range all {
			until(t, 10*time.Second, what+": a run starts", func() bool {
				status, _ := g.do("POST", "/api/v1/jobs/j/runs", "")
				return status == http.StatusAccepted || status == http.StatusConflict
			})
			if _, got := g.do("GET", "/api/v1/sources/s3", ""); got["state"] != "ok" {
				t.Errorf("%s: a gateway shows %v", what, got)
			}
		}
	}
	works("at first")
	over := make(chan string, 1)
	go func() { over <- all[0].stream() }()
	servers.servers[0].stop()
	time.Sleep(20 * time.Second)
	up.longest()
	time.Sleep(2 * time.Second)
	if _, gap := up.longest(); gap < 2*time.Second {
		t.Error("sources are polled although the lease is over")
	}
	for _, g := range all {
		live, _ := g.do("GET", "/livez", "")
		status, run := g.do("POST", "/api/v1/jobs/j/runs", "")
		if live != 200 || g.isReady() || status != 503 {
			t.Errorf("without servers livez = %d, ready = %v, a start = %d %v", live, g.isReady(), status, run)
		}
	}
	select {
	case said := <-over:
		if !strings.Contains(said, "event: bye") || !strings.Contains(said, `{"reason":"store"}`) {
			t.Errorf("a stream of a gateway without its lease ends with %q", said[max(0, len(said)-200):])
		}
	default:
		t.Error("a stream of a gateway without its lease goes on")
	}
	if err := servers.servers[0].start(); err != nil {
		t.Fatal(err)
	}
	works("after an outage")
	up.mu.Lock()
	up.mayOverlap = true // one process notices that before another one
	up.mu.Unlock()
	servers.wipe(t, name)
	time.Sleep(5 * time.Second)
	up.mu.Lock()
	up.mayOverlap = false
	up.mu.Unlock()
	works("with an empty stream")
}

// While the servers are away for less than the lease, a gateway should get requests: if they choose another leader, none
// of its replicas could be asked otherwise.
func TestGatewayStaysReady(t *testing.T) {
	t.Parallel()
	servers := own(t, 1, "")
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	text := fmt.Sprintf("version: 1\nstore: {nats: {url: %q, prefix: %s, name: \"${env:REPLICA}\"}}\nsources: {s: {exec: [echo, a]}}\n",
		servers.url(), prefix())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g := startGateway(t, file)
	says := func(want string) func() bool {
		return func() bool {
			status, body := g.do("GET", "/readyz", "")
			return status == http.StatusOK && body["status"] == want
		}
	}
	until(t, 30*time.Second, "the gateway is ready", says("ok"))
	servers.servers[0].stop()
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if status, body := g.do("GET", "/readyz", ""); status != http.StatusOK {
			t.Fatalf("readyz = %d %v while there is a lease", status, body)
		}
	}
	until(t, 5*time.Second, "the gateway says that it does not reach the store", says("degraded"))
	if err := servers.servers[0].start(); err != nil {
		t.Fatal(err)
	}
	until(t, 30*time.Second, "the gateway says that it reaches the store", says("ok"))
}
