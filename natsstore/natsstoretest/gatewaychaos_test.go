package natsstoretest_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// started is a start that was answered with 202.
type started struct{ key, id string }

// TestGatewayChaos has three gateways on three servers, of which one after the other is killed or stopped and started again,
// while clients start runs. No source is polled twice at once; none is left alone for longer than a lease, 5 s and its
// interval; each Idempotency-Key leads to one run; and each run that was answered with 202 has the same end at all gateways.
func TestGatewayChaos(t *testing.T) {
	if *chaos < 30*time.Second {
		t.Skip("-chaos is shorter than two faults")
	}
	t.Parallel()
	dice := rand.New(rand.NewPCG(*seed, 1))
	servers := own(t, 3, "")
	up := newPolled(t)
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: {nats: {url: %q, prefix: %s, replicas: 3}}\nupstreams:\n", servers.url(), prefix())
	for i := range 12 {
		fmt.Fprintf(&b, "  u%d: {http: %q}\n", i, up.URL)
	}
	b.WriteString("sources:\n")
	for i := range 12 {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: u%d, path: /s%d}, every: 500ms}\n", i, i, i)
	}
	b.WriteString("jobs:\n")
	for i := range 6 {
		fmt.Fprintf(&b, "  j%d: {http: {upstream: u%d, path: /quick/j%d, method: POST}, on_busy: queue, queue: 100, keep: {runs: 1000}}\n", i, i, i)
	}
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex // guards the two below
	gateways := make([]*gatewayProcess, 3)
	var all []started
	for i := range gateways {
		gateways[i] = startGateway(t, file)
		until(t, 20*time.Second, "a gateway is ready", gateways[i].isReady)
	}
	time.Sleep(3 * time.Second)
	up.longest()

	over := make(chan struct{})
	var clients sync.WaitGroup
	for c := range 3 {
		clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-over:
					return
				case <-time.After(300 * time.Millisecond):
				}
				key, path := fmt.Sprintf("c%d-%d", c, n), fmt.Sprintf("/api/v1/jobs/j%d/runs", (c+n)%6)
				for again := range 2 { // at two gateways, the second time as a retry
					mu.Lock()
					g := gateways[(c+n+again)%3]
					mu.Unlock()
					if status, run := g.try("POST", path, key); status == http.StatusAccepted {
						mu.Lock()
						all = append(all, started{path + key, run["id"].(string)})
						mu.Unlock()
					}
				}
			}
		})
	}
	for end := time.Now().Add(*chaos); time.Now().Before(end); {
		victim := dice.IntN(3)
		mu.Lock()
		g := gateways[victim]
		mu.Unlock()
		switch dice.IntN(3) {
		case 0:
			t.Logf("%s: gateway %d is killed", time.Now().Format(time.TimeOnly), victim)
			_ = g.cmd.Process.Kill()
			_ = g.cmd.Wait()
		case 1:
			t.Logf("%s: gateway %d stops", time.Now().Format(time.TimeOnly), victim)
			_ = g.cmd.Process.Signal(syscall.SIGTERM)
			_ = g.cmd.Wait()
		case 2:
			s := servers.servers[victim]
			t.Logf("%s: server %d is killed", time.Now().Format(time.TimeOnly), victim)
			s.kill()
			time.Sleep(5 * time.Second)
			if err := s.start(); err != nil {
				t.Error(err)
			}
			time.Sleep(15 * time.Second)
			continue
		}
		time.Sleep(5 * time.Second)
		fresh := startGateway(t, file)
		mu.Lock()
		gateways[victim] = fresh
		mu.Unlock()
		time.Sleep(20 * time.Second)
	}
	close(over)
	clients.Wait()
	if name, gap := up.longest(); gap > 20500*time.Millisecond {
		t.Errorf("%s was not polled for %v", name, gap)
	}
	runs, keys := map[string]bool{}, map[string]string{}
	for _, s := range all {
		runs[s.id] = true
		if other := keys[s.key]; other != "" && other != s.id {
			t.Errorf("the key of %s led to %s and to %s", s.key, other, s.id)
		}
		keys[s.key] = s.id
	}
	t.Logf("%d starts, %d runs", len(all), len(runs))
	for id := range runs {
		ends := map[string]bool{}
		for _, g := range gateways {
			until(t, 2*time.Minute, "a run has ended", func() bool {
				_, run := g.try("GET", "/api/v1/runs/"+id, "")
				if run["finished_at"] == nil {
					return false
				}
				ends[fmt.Sprint(run["status"], run["finished_at"])] = true
				return true
			})
		}
		if len(ends) != 1 {
			t.Errorf("run %s has ended as %v", id, ends)
		}
	}
}
