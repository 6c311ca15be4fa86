package natsstoretest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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

// chaosFleet is the gateways of a chaos, with everything around them.
type chaosFleet struct {
	t        *testing.T
	log      *recorder
	dir      string // of what is kept
	program  string
	file     string // the configuration
	prefix   string
	servers  *cluster
	backend  *backend
	balancer *balancer
	ends     *ends
	client   *http.Client // makes a connection for each request
	direct   *http.Client
	withArg  map[string]bool // jobs whose start takes an argument

	places []*chaosPlace
}

// chaosPlace is where one gateway runs, process after process.
type chaosPlace struct {
	lines []*proxy // to the servers

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	exited chan struct{}
	addr   string
	isWell bool          // it is ready, and no fault is on
	spent  time.Duration // processor time of those that have ended
}

func placeName(place int) string { return fmt.Sprint("g", place) }

// healthy returns the address of a gateway that no fault is on, empty if one is.
func (f *chaosFleet) healthy(place int) string {
	p := f.places[place]
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isWell {
		return ""
	}
	return p.addr
}

func (f *chaosFleet) takesArgument(job string) bool { return f.withArg[job] }

// reader returns a client that watches a path of the balancer.
func (f *chaosFleet) reader(n int, path string, is record) *reader {
	return &reader{log: f.log, client: f.client, by: fmt.Sprint("c", n), url: f.balancer.url() + path, is: is}
}

// text returns what a gateway answers.
func (f *chaosFleet) text(ctx context.Context, addr, path string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+path, nil)
	if err != nil {
		panic(err)
	}
	answer, err := f.direct.Do(request)
	if err != nil {
		return "", false
	}
	defer answer.Body.Close()
	all, err := io.ReadAll(answer.Body)
	return string(all), err == nil && answer.StatusCode == http.StatusOK
}

// run has a gateway begin at a place. It returns before that is ready.
func (f *chaosFleet) run(place int) {
	f.t.Helper()
	p := f.places[place]
	var urls []string
	for _, l := range p.lines {
		urls = append(urls, l.url())
	}
	cmd := exec.Command(f.program, "serve", f.file, "--listen", "127.0.0.1:0", "--watch", "0", "--log-format", "json")
	cmd.Env = append(os.Environ(), "NATS_URL="+strings.Join(urls, ","), fmt.Sprint("REPLICA=replica-", place))
	dieWithUs(cmd)
	logs, err := cmd.StderrPipe()
	if err != nil {
		f.t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Error(err)
		return
	}
	f.log.add(record{What: isProcess, By: placeName(place)})
	exited := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		f.keepLog(place, logs)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		f.t.Errorf("gateway %d does not begin: %v, see its log in %s", place, err, f.dir)
	}
	go func() {
		<-read
		_ = cmd.Wait()
		f.log.add(record{What: isExit, By: placeName(place)})
		close(exited)
	}()
	_, addr, _ := strings.Cut(strings.TrimSpace(line), "listening on http://")
	p.mu.Lock()
	p.cmd, p.exited, p.addr = cmd, exited, addr
	p.mu.Unlock()
	f.balancer.set(place, addr)
}

// keepLog keeps what a gateway logs in a file, and errors in the log of the chaos.
func (f *chaosFleet) keepLog(place int, logs io.Reader) {
	file, err := os.OpenFile(filepath.Join(f.dir, placeName(place)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.t.Error(err)
		return
	}
	defer file.Close()
	lines := bufio.NewReader(logs)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			fmt.Fprintf(file, "%.3f %s", time.Since(f.log.began).Seconds(), line)
		}
		var is struct{ Level string }
		if line != "" && (json.Unmarshal([]byte(line), &is) != nil || is.Level == "ERROR") {
			f.log.add(record{What: isLine, By: placeName(place), Text: strings.TrimSpace(line)})
		}
		if err != nil {
			return
		}
	}
}

// awaitReady waits until a gateway is ready, and says so.
func (f *chaosFleet) awaitReady(ctx context.Context, place int, first bool) bool {
	p := f.places[place]
	p.mu.Lock()
	addr := p.addr
	p.mu.Unlock()
	for end := time.Now().Add(time.Minute); ; {
		if _, ok := f.text(ctx, addr, "/readyz"); ok {
			break
		}
		if time.Now().After(end) {
			f.t.Errorf("gateway %d is not ready after a minute", place)
			return false
		}
		if !wait(ctx, 50*time.Millisecond) {
			return false
		}
	}
	if first {
		f.log.add(record{What: isReady, By: placeName(place)})
	}
	return true
}

// signal sends a signal to the gateway at a place.
func (f *chaosFleet) signal(place int, sig syscall.Signal) {
	p := f.places[place]
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	_ = cmd.Process.Signal(sig)
}

// awaitExit waits for the end of the process at a place.
func (f *chaosFleet) awaitExit(place int) {
	p := f.places[place]
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	select {
	case <-exited:
	case <-time.After(time.Minute):
		f.t.Errorf("gateway %d has not ended a minute after SIGTERM", place)
		_ = cmd.Process.Kill()
		<-exited
	}
	p.mu.Lock()
	p.spent += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	p.mu.Unlock()
}

// leader returns which server leads the stream, -1 if none is known to.
func (f *chaosFleet) leader() int {
	nc, err := nats.Connect(f.servers.url(), nats.Timeout(2*time.Second))
	if err != nil {
		return -1
	}
	defer nc.Close()
	answer, err := nc.Request("$JS.API.STREAM.INFO."+f.prefix, nil, 2*time.Second)
	if err != nil {
		return -1
	}
	var info struct {
		Cluster struct{ Leader string }
	}
	if json.Unmarshal(answer.Data, &info) != nil {
		return -1
	}
	for i, s := range f.servers.servers {
		if s.name == info.Cluster.Leader {
			return i
		}
	}
	return -1
}
