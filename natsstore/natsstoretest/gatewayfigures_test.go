package natsstoretest_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var figures = flag.Bool("figures", false, "measure gateways, alone on the machine: TestFigure...")

// needsFigures skips a test that is to have the machine for itself.
func needsFigures(t *testing.T) {
	t.Helper()
	if !*figures {
		t.Skip("without -figures")
	}
}

// figureConfig writes the configuration of gateways with n sources in up to 500 units. store is what the key store has.
func figureConfig(t *testing.T, url, store string, n int, every time.Duration) (file string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "version: 1\nstore: %s\ndefaults: {every: %v}\nupstreams:\n", store, every)
	units := min(n, 500)
	for i := range units {
		fmt.Fprintf(&b, "  u%d: {http: %q, headers: {X-Replica: \"${env:REPLICA}\"}}\n", i, url)
	}
	b.WriteString("sources:\n")
	for i := range n {
		fmt.Fprintf(&b, "  s%d: {http: {upstream: u%d, path: /s%d}}\n", i, i%units, i)
	}
	file = filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func sharedStore(replicas int) string {
	return fmt.Sprintf("{nats: {url: \"${env:NATS_URL}\", prefix: %s, replicas: %d, name: \"${env:REPLICA}\"}}", prefix(), replicas)
}

// startFigure starts a gateway on one of the servers, and waits until it is ready.
func startFigure(t *testing.T, file, server string) *gatewayProcess {
	t.Helper()
	t.Setenv("NATS_URL", server)
	g := startGateway(t, file)
	until(t, time.Minute, "a gateway is ready", g.isReady)
	return g
}

// How long a value takes from the upstream to clients of the replica that polls, and to clients of another one.
func TestFigureLatency(t *testing.T) {
	needsFigures(t)
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, time.Now().UnixMicro())
			}))
			defer up.Close()
			c := own(t, n, "")
			file := figureConfig(t, up.URL, sharedStore(n), 20, 500*time.Millisecond)
			first, second := startFigure(t, file, c.servers[0].url()), startFigure(t, file, c.servers[n-1].url())
			time.Sleep(3 * time.Second)
			var mu sync.Mutex // guards heard
			heard := map[string]time.Duration{}
			var near, far, between []time.Duration
			listen := func(g *gatewayProcess) io.Closer {
				answer, err := http.Get(g.url + "/api/v1/stream")
				if err != nil || answer.StatusCode != http.StatusOK {
					t.Fatal(answer, err)
				}
				go func() {
					lines := bufio.NewScanner(answer.Body)
					lines.Buffer(nil, 1<<20)
					for lines.Scan() {
						data, ok := strings.CutPrefix(lines.Text(), "data:")
						var s struct {
							Key   string
							Value int64
						}
						if !ok || json.Unmarshal([]byte(data), &s) != nil || !strings.HasPrefix(s.Key, "source/") {
							continue
						}
						took, key := time.Since(time.UnixMicro(s.Value)), fmt.Sprint(s.Key, s.Value)
						mu.Lock()
						if before, ok := heard[key]; !ok {
							heard[key] = took
						} else if before >= 0 {
							near, far, between = append(near, before), append(far, took), append(between, took-before)
							heard[key] = -1
						}
						mu.Unlock()
					}
				}()
				return answer.Body
			}
			one, other := listen(first), listen(second)
			time.Sleep(2 * time.Second)
			mu.Lock()
			near, far, between = nil, nil, nil // of what there was before
			mu.Unlock()
			time.Sleep(20 * time.Second)
			one.Close()
			other.Close()
			mu.Lock()
			defer mu.Unlock()
			t.Logf("%d values, from the upstream's answer to the first client: p50 %v p99 %v; to that of the other replica: p50 %v p99 %v; between both: p50 %v p99 %v",
				len(near), quantile(near, 0.5), quantile(near, 0.99), quantile(far, 0.5), quantile(far, 0.99), quantile(between, 0.5), quantile(between, 0.99))
		})
	}
}

// A moving is an upstream that knows when sources are polled, and by which replica.
type moving struct {
	mu    sync.Mutex // guards the fields below
	busy  map[string]bool
	last  map[string]time.Time
	by    map[string]string
	moved []time.Time // when a source was polled by another replica than before
	twice int
	gap   time.Duration // the longest time without a poll
}

func (m *moving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, by, now := r.URL.Path, r.Header.Get("X-Replica"), time.Now()
	m.mu.Lock()
	if m.busy[name] {
		m.twice++
	}
	if last, ok := m.last[name]; ok {
		m.gap = max(m.gap, now.Sub(last))
	}
	if m.by[name] != by {
		m.moved = append(m.moved, now)
	}
	m.busy[name], m.last[name], m.by[name] = true, now, by
	m.mu.Unlock()
	time.Sleep(5 * time.Millisecond)
	m.mu.Lock()
	m.busy[name] = false
	m.mu.Unlock()
	fmt.Fprint(w, now.UnixMilli())
}

// during measures what moves while something happens, and for some time after that.
func (m *moving) during(t *testing.T, what string, happens func(), after time.Duration) {
	t.Helper()
	m.mu.Lock()
	m.moved, m.gap, m.twice = nil, 0, 0
	m.mu.Unlock()
	happens()
	done := time.Now()
	time.Sleep(after)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, last := range m.last {
		m.gap = max(m.gap, time.Since(last))
	}
	if len(m.moved) == 0 {
		t.Errorf("%s: nothing moves", what)
		return
	}
	first, last := m.moved[0], m.moved[len(m.moved)-1]
	t.Logf("%s: %d sources move within %v, the last one %v after it was done; the longest time without a poll is %v; %d are polled twice at once",
		what, len(m.moved), last.Sub(first).Round(time.Millisecond), last.Sub(done).Round(time.Millisecond), m.gap.Round(time.Millisecond), m.twice)
	if m.twice > 0 {
		t.Errorf("%s: sources are polled twice at once", what)
	}
}

// How long 500 sources, each polled each second, take to move when a replica comes, stops and dies.
func TestFigureMoves(t *testing.T) {
	needsFigures(t)
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint("R", n), func(t *testing.T) {
			m := &moving{busy: map[string]bool{}, last: map[string]time.Time{}, by: map[string]string{}}
			up := httptest.NewServer(m)
			defer up.Close()
			c := own(t, n, "")
			file := figureConfig(t, up.URL, sharedStore(n), 500, time.Second)
			var all []*gatewayProcess
			m.during(t, "the first one comes", func() { all = append(all, startFigure(t, file, c.servers[0].url())) }, 5*time.Second)
			m.during(t, "a second one comes", func() { all = append(all, startFigure(t, file, c.servers[n-1].url())) }, 5*time.Second)
			m.during(t, "a third one comes", func() { all = append(all, startFigure(t, file, c.servers[n/2].url())) }, 5*time.Second)
			m.during(t, "the third one stops", func() {
				_ = all[2].cmd.Process.Signal(syscall.SIGTERM)
				_ = all[2].cmd.Wait()
			}, 5*time.Second)
			m.during(t, "the second one is killed", func() { _ = all[1].cmd.Process.Kill() }, 25*time.Second)
		})
	}
}

// rss returns the memory of a process that is resident, in MiB.
func rss(pid int) float64 {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := strings.Fields(string(raw))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

var sources = flag.Int("sources", 10_000, "how many TestFigureMemory has")

// What 10,000 sources cost a gateway alone in memory, and each of two replicas, in memory and, at rest, of a processor.
func TestFigureMemory(t *testing.T) {
	needsFigures(t)
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q", r.URL.Path) }))
	defer up.Close()
	measure := func(what string, began time.Time, all ...*gatewayProcess) {
		t.Helper()
		for i, g := range all {
			until(t, 5*time.Minute, "all sources have a value", func() bool {
				_, list := g.try("GET", "/api/v1/sources", "")
				ok := 0
				some, _ := list["sources"].([]any)
				for _, s := range some {
					if s.(map[string]any)["state"] == "ok" {
						ok++
					}
				}
				if ok < *sources {
					time.Sleep(time.Second)
				}
				return ok == *sources
			})
			t.Logf("%s: gateway %d has all values after %v", what, i, time.Since(began).Round(100*time.Millisecond))
		}
		time.Sleep(10 * time.Second)
		before := make([]time.Duration, len(all))
		for i, g := range all {
			before[i] = cpuOf(g.cmd.Process.Pid)
		}
		time.Sleep(20 * time.Second)
		for i, g := range all {
			cpu := cpuOf(g.cmd.Process.Pid) - before[i]
			t.Logf("%s: gateway %d has %.1f MiB and needs %.2f %% of a processor", what, i, rss(g.cmd.Process.Pid), float64(cpu)/float64(20*time.Second)*100)
		}
	}
	began := time.Now()
	alone := startFigure(t, figureConfig(t, up.URL, "memory", *sources, time.Hour), "")
	measure("alone", began, alone)
	_ = alone.cmd.Process.Kill()

	c := own(t, 1, "")
	file := figureConfig(t, up.URL, sharedStore(1), *sources, time.Hour)
	began = time.Now()
	first := startFigure(t, file, c.servers[0].url())
	measure("one replica", began, first)
	began = time.Now()
	second := startFigure(t, file, c.servers[0].url())
	measure("two replicas", began, first, second)
}
