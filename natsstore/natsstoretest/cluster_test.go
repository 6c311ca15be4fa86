package natsstoretest_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// cluster is some servers, each a process of its own.
type cluster struct {
	dir     string
	servers []*server
}

type server struct {
	name    string
	program string
	dir     string
	port    int
	cluster string // the section of the configuration
	without bool   // without JetStream
	cmd     *exec.Cmd
	exited  chan struct{}
}

var ports struct {
	sync.Mutex
	next int
}

// freePort returns a port that nobody listens on. The kernel gives none of these to clients.
func freePort() int {
	ports.Lock()
	defer ports.Unlock()
	if ports.next == 0 {
		ports.next = 20000 + os.Getpid()%120*100
	}
	for {
		ports.next++
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.next))
		if err == nil {
			l.Close()
			return ports.next
		}
	}
}

// newCluster starts n servers. extra is added to the configuration of each.
func newCluster(n int, extra string) (*cluster, error) {
	dir, err := os.MkdirTemp("", "nats")
	if err != nil {
		return nil, err
	}
	c := &cluster{dir: dir}
	var routes []string
	var routePorts []int
	for range n {
		port := freePort()
		routePorts = append(routePorts, port)
		routes = append(routes, fmt.Sprintf("nats-route://127.0.0.1:%d", port))
	}
	for i := range n {
		s := &server{name: fmt.Sprintf("n%d", i+1), program: serverPath, dir: dir, port: freePort()}
		if n > 1 {
			s.cluster = fmt.Sprintf("cluster: {name: c, no_advertise: true, listen: 127.0.0.1:%d, routes: [%s]}\n", routePorts[i], strings.Join(routes, ", "))
		}
		if err := s.configure(extra); err != nil {
			return nil, err
		}
		c.servers = append(c.servers, s)
	}
	for _, s := range c.servers {
		if err := s.start(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (s *server) config() string { return filepath.Join(s.dir, s.name+".conf") }

// configure writes the configuration of the server, to which extra is added.
func (s *server) configure(extra string) error {
	text := fmt.Sprintf("server_name: %s\nlisten: 127.0.0.1:%d\nlog_file: %q\n%s%s\n",
		s.name, s.port, filepath.Join(s.dir, s.name+".log"), s.cluster, extra)
	if !s.without {
		text += fmt.Sprintf("jetstream: {store_dir: %q}\n", filepath.Join(s.dir, s.name))
	}
	return os.WriteFile(s.config(), []byte(text), 0o600)
}

// reload has the server read another configuration while it runs.
func (s *server) reload(t *testing.T, extra string) {
	t.Helper()
	if err := errors.Join(s.configure(extra), s.cmd.Process.Signal(syscall.SIGHUP)); err != nil {
		t.Fatal(err)
	}
}

func (s *server) start() error {
	var out bytes.Buffer
	s.cmd = exec.Command(s.program, "-c", s.config())
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	dieWithUs(s.cmd)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(s.exited)
	}()
	return nil
}

// stop has the server stop in order.
func (s *server) stop() { s.signal(syscall.SIGTERM) }

// kill ends it without a word.
func (s *server) kill() { s.signal(syscall.SIGKILL) }

func (s *server) signal(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig)
	<-s.exited
}

func (c *cluster) url() string {
	var all []string
	for _, s := range c.servers {
		all = append(all, s.url())
	}
	return strings.Join(all, ",")
}

func (s *server) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.port) }

func (s *server) addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (c *cluster) close() {
	for _, s := range c.servers {
		s.kill()
	}
	os.RemoveAll(c.dir)
}

// wait waits until JetStream answers.
func (c *cluster) wait() error {
	var last error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		nc, err := nats.Connect(c.url(), nats.Timeout(time.Second))
		if err != nil {
			last = err
			continue
		}
		answer, err := nc.Request("$JS.API.STREAM.NAMES", nil, time.Second)
		nc.Close()
		if err == nil && !bytes.Contains(answer.Data, []byte(`"error"`)) {
			return nil
		}
		last = err
	}
	return fmt.Errorf("the servers are not ready: %v", last)
}

// shared are clusters that many tests use, each with a prefix of its own.
var shared struct {
	sync.Mutex
	clusters map[int]*cluster // by the number of their servers
	prefixes int
}

// use returns a cluster of n servers for a test that leaves it as it is.
func use(t testing.TB, n int) *cluster {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.clusters[n] == nil {
		if shared.clusters == nil {
			shared.clusters = make(map[int]*cluster)
		}
		shared.clusters[n] = start(t, n, "")
	}
	return shared.clusters[n]
}

// own returns a cluster for a test that stops its servers.
func own(t testing.TB, n int, extra string) *cluster {
	t.Helper()
	c := start(t, n, extra)
	t.Cleanup(c.close)
	return c
}

func start(t testing.TB, n int, extra string) *cluster {
	t.Helper()
	c, err := newCluster(n, extra)
	if err == nil && extra == "" {
		err = c.wait()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func stopShared() {
	for _, c := range shared.clusters {
		c.close()
	}
}

// prefix returns one that no test has used.
func prefix() string {
	shared.Lock()
	defer shared.Unlock()
	shared.prefixes++
	return fmt.Sprint("t", shared.prefixes)
}
