package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// natsServer builds the program of nats-server, once, in the module that requires it.
var natsServer = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nats-server")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nats-server")
	build := exec.Command("go", "build", "-o", path, "github.com/nats-io/nats-server/v2")
	build.Dir = filepath.Join("..", "natsstore", "natsstoretest")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build nats-server: %w\n%s", err, out)
	}
	return path, nil
})

// A natsProcess is a server that can be stopped and started again.
type natsProcess struct {
	t    *testing.T
	dir  string
	addr string
	cmd  *exec.Cmd
}

func newNATS(t *testing.T) *natsProcess {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &natsProcess{t: t, dir: t.TempDir(), addr: ln.Addr().String()}
	ln.Close()
	n.start()
	t.Cleanup(n.stop)
	return n
}

func (n *natsProcess) start() {
	n.t.Helper()
	program, err := natsServer()
	if err != nil {
		n.t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(n.addr)
	n.cmd = exec.Command(program, "-a", "127.0.0.1", "-p", port, "-js", "-sd", n.dir)
	n.cmd.Stderr = new(bytes.Buffer)
	if err := n.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if conn, err := net.Dial("tcp", n.addr); err == nil {
			conn.Close()
			return
		} else if time.Now().After(end) {
			n.t.Fatalf("nats-server: %v\n%s", err, n.cmd.Stderr)
		}
	}
}

func (n *natsProcess) stop() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
	}
	n.cmd = nil
}

// replica serves a replica of that name.
func (n *natsProcess) replica(name string) *server {
	n.t.Helper()
	n.t.Setenv("E2E_REPLICA", name)
	return serve(n.t, n.config())
}

// config is the configuration of all replicas, which has no name.
func (n *natsProcess) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, "store: {nats: {url: \"nats://%s\", name: \"${env:E2E_REPLICA}\"}}\ndefaults: {every: 200ms, stale_after: 1m}\nsources:\n", n.addr)
	for i := range 20 {
		fmt.Fprintf(&b, "  s%d: {title: Source %d, exec: [date, +%%N], parse: text}\n", i, i)
	}
	b.WriteString("jobs:\n")
	for i := range 4 {
		fmt.Fprintf(&b, "  j%d: {title: Job %d, exec: [sleep, '0.2']}\n", i, i)
	}
	return b.String()
}

// metricsOf returns the metrics of a gateway.
func metricsOf(t *testing.T, s *server) string {
	t.Helper()
	answer, err := http.Get(s.url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

const (
	replicaStates = `[...document.querySelectorAll("[data-part=replicas] li")].map((n) => n.querySelector(".title").textContent + " " + n.querySelector(".state").textContent).join()`
	replicasDo    = `[...document.querySelectorAll("[data-part=replicas] .why:not(:last-child)")].map((n) => n.textContent)`
)

// A page shows which replicas there are and what each does; and every page says what is wrong between them and with their store.
func TestThePageShowsReplicas(t *testing.T) {
	nats := newNATS(t)
	first := nats.replica("plant-1")
	p := open(t, first.url, view{})
	p.await(connectedTo("s19") + ` && card("s19").dataset.state === "ok"`)
	r := p.tab(first.url+"replicas", view{})
	r.await(`connection() === "live" && ` + replicaStates + ` === "plant-1 ok"`)

	second := nats.replica("plant-2")
	r.await(replicaStates + ` === "plant-1 ok,plant-2 ok"`)
	r.await(replicasDo + `.reduce((sum, s) => sum + parseInt(s), 0) === 20 && ` + replicasDo + `.every((s) => /^([1-9]|1[0-9]) sources?, \d jobs?/.test(s))`)
	r.await(`[...document.querySelectorAll("[data-part=replicas] li")].map((n) => n.innerText.includes("answers you")).join() === "true,false"`)
	if got := eval[string](p, `band()`); got != "" {
		t.Errorf("while all is well a band says %q", got)
	}
	r.readable()
	r.usable()

	counted := metricsOf(t, first)
	for _, line := range []string{"tidewire_replicas 2", "tidewire_replicas_other_config 0", "tidewire_store_connected 1", "tidewire_store_failing 0"} {
		if !strings.Contains(counted, "\n"+line+"\n") {
			t.Errorf("the metrics lack %s", line)
		}
	}
	var age float64
	if _, rest, _ := strings.Cut(counted, "\ntidewire_store_lease_age_seconds "); rest == "" {
		t.Error("the metrics lack the age of the lease")
	} else if _, err := fmt.Sscan(rest, &age); err != nil || age < 0 || age > 15 {
		t.Errorf("the lease is %v s old, %v, want at most 15", age, err)
	}

	second.stop()
	r.await(replicaStates + ` === "plant-1 ok"`)

	third := nats.replica("plant-3")
	r.await(replicaStates + ` === "plant-1 ok,plant-3 ok"`)
	third.write(nats.config() + "  more: {exec: ['true']}\n")
	r.await(replicaStates + ` === "plant-1 ok,plant-3 differs"`)
	for _, p := range []*page{p, r} {
		p.await(`band().includes("Replicas differ or are missing") && band().includes("plant-3: another configuration")`)
	}
	p.readable()
	third.write(nats.config())
	r.await(replicaStates + ` === "plant-1 ok,plant-3 ok"`)
	p.await(`band() === ""`)

	nats.stop()
	p.await(`band().includes("does not reach the store")`)
	// Its lease over, it turns streams away for half a minute, so that clients go to others; then it says itself what it has lost.
	p.await(`connection() === "reconnecting" || band().includes("has lost the store")`)
	p.readable()
	nats.start()
	p.await(`band() === ""`)
	r.await(replicaStates + `.includes("plant-1 ok")`)
}
