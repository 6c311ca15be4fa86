package demo_test

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

// devicePort is where the tests' demos begin to look for a port: not where
// other programs do, lest one takes a port while its devices are away.
var devicePort = uint16(10000 + os.Getpid()%20000)

// startDemo starts a demo and ends it with the test. What it logs arrives as messages.
func startDemo(t *testing.T, opts demo.Options) (d *demo.Demo, log <-chan string) {
	t.Helper()
	messages := make(chan string, 100)
	opts.DevicePort = cmp.Or(opts.DevicePort, devicePort)
	opts.Logger = slog.New(logHandler(messages))
	d, err := demo.Start(t.Context(), &opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d, messages
}

// logHandler sends "message upstream pid", without a pid if none is logged.
type logHandler chan<- string

func (h logHandler) Enabled(context.Context, slog.Level) bool { return true }
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h logHandler) WithGroup(string) slog.Handler            { return h }
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	text, upstream := r.Message, false
	r.Attrs(func(a slog.Attr) bool {
		upstream = upstream || a.Key == "upstream"
		if a.Key == "upstream" || a.Key == "pid" {
			text += " " + a.Value.String()
		}
		return true
	})
	if upstream {
		h <- text
	}
	return nil
}

// await waits for the message want, and fails at any other.
func await(t *testing.T, log <-chan string, want string) {
	t.Helper()
	select {
	case got := <-log:
		if got != want {
			t.Fatalf("log says %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("log says nothing, want %q", want)
	}
}

// status asks url and returns the status, or why there is none.
func status(url string) string {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	resp, err := client.Get(url)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case err != nil:
		return err.Error()
	}
	resp.Body.Close()
	return resp.Status
}

var paths = map[string]string{"north": "/v1/now", "coast": "/observations", "valley": "/api", "plant": "/tank", "devices": "/identity"}

func upstream(t *testing.T, d *demo.Demo, name string) demo.Upstream {
	t.Helper()
	for _, u := range d.Upstreams() {
		if u.Name == name {
			return u
		}
	}
	t.Fatalf("no upstream %q in %v", name, d.Upstreams())
	return demo.Upstream{}
}

func TestUpstreamsAreProcesses(t *testing.T) {
	d, _ := startDemo(t, demo.Options{})
	pids := map[int]bool{os.Getpid(): true}
	ups := d.Upstreams()
	if len(ups) != len(paths) {
		t.Errorf("Upstreams() = %v, want %d", ups, len(paths))
	}
	for _, u := range ups {
		if u.PID == 0 || pids[u.PID] {
			t.Errorf("%s has the pid %d, want one of its own", u.Name, u.PID)
		}
		pids[u.PID] = true
		if got := status(u.URL + paths[u.Name]); got != "200 OK" {
			t.Errorf("GET %s of %s: %s, want 200", u.URL+paths[u.Name], u.Name, got)
		}
	}
}

// TestCloseLeavesNothing: after Close no process, listener or goroutine of the
// demo is left, however often it is started.
func TestCloseLeavesNothing(t *testing.T) {
	for range 3 {
		d, err := demo.Start(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		ups := d.Upstreams()
		d.Close()
		d.Close() // quiet
		for _, u := range ups {
			checkGone(t, u)
			if got := upstream(t, d, u.Name).PID; got != 0 {
				t.Errorf("%s has the pid %d after Close, want 0", u.Name, got)
			}
		}
	}
	checkNoGoroutines(t)
}

func TestContextEndsTheDemo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d, err := demo.Start(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	ups := d.Upstreams()
	cancel()
	d.Close()
	for _, u := range ups {
		checkGone(t, u)
	}
}

// TestCloseKillsTheStubborn: a process that does not end with its stdin is killed.
func TestCloseKillsTheStubborn(t *testing.T) {
	t.Setenv(stubborn, "1")
	d, err := demo.Start(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ups := d.Upstreams()
	d.Close()
	for _, u := range ups {
		checkGone(t, u)
	}
}

// TestCloseWhileAnUpstreamIsAway: Close does not wait for the restart.
func TestCloseWhileAnUpstreamIsAway(t *testing.T) {
	d, log := startDemo(t, demo.Options{RestartDelay: time.Hour})
	kill(t, upstream(t, d, "coast").PID)
	await(t, log, "upstream died coast")
	d.Close()
	checkNoGoroutines(t)
}

// TestCloseWhileStarting is the stress of start and stop: a context that ends
// at any moment of the start leaves nothing.
func TestCloseWhileStarting(t *testing.T) {
	for i := range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i*i)*2*time.Millisecond)
		d, err := demo.Start(ctx, nil)
		if err == nil {
			d.Close()
		} else if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Start with a context that ended = %v, want its cause", err)
		}
		cancel()
	}
	checkNoGoroutines(t)
}

// TestKilledUpstreamComesBack: for a while its address refuses, then it answers
// on the same one.
func TestKilledUpstreamComesBack(t *testing.T) {
	for i, name := range []string{"plant", "devices"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := devicePort + uint16(7+i) // of its own
			const delay = 1500 * time.Millisecond
			d, log := startDemo(t, demo.Options{DevicePort: port, RestartDelay: delay})
			before := upstream(t, d, name)
			killed := time.Now()
			kill(t, before.PID)
			await(t, log, "upstream died "+name)
			if got := status(before.URL + paths[name]); got != "refused" {
				t.Errorf("GET of the killed upstream: %s, want refused", got)
			}
			if away := upstream(t, d, name); away.PID != 0 || away.URL != before.URL {
				t.Errorf("the killed upstream is %+v, want no pid and URL %s", away, before.URL)
			}
			var told string
			select {
			case told = <-log:
			case <-time.After(20 * time.Second):
				t.Fatal("the log does not say that the upstream is back")
			}
			if want := fmt.Sprintf("upstream is back %s %d", name, upstream(t, d, name).PID); told != want {
				t.Errorf("log says %q, want %q", told, want)
			}
			if away := time.Since(killed); away < delay {
				t.Errorf("the killed upstream was back after %v, want %v at least", away, delay)
			}
			if got := status(before.URL + paths[name]); got != "200 OK" {
				t.Errorf("GET of the upstream that is back: %s, want 200", got)
			}
			if back := upstream(t, d, name); back.PID == 0 || back.PID == before.PID || back.URL != before.URL {
				t.Errorf("the upstream that is back is %+v, want another pid than in %+v and the same URL", back, before)
			}
		})
	}
}

// TestScanOfTheDemo: the job's command finds the devices that are there, and
// one more when there is one more.
func TestScanOfTheDemo(t *testing.T) {
	d, _ := startDemo(t, demo.Options{})
	_, port, err := net.SplitHostPort(d.SpareDevice())
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		port = "7700-7953"
	}
	scan := func() int {
		t.Helper()
		out, err := exec.Command(executable(t), "scan", "--ports", port, "--rate", "2000", "--timeout", "10s").Output()
		if err != nil {
			t.Fatal(err)
		}
		_, res := split(t, string(out))
		return len(res.Found)
	}
	if got := scan(); got != 12 {
		t.Errorf("scan found %d devices, want 12", got)
	}
	_, ended := start(t, t.Context(), strings.NewReader(""), "device", d.SpareDevice())
	if got := scan(); got != 13 {
		t.Errorf("scan found %d devices with one more, want 13", got)
	}
	select {
	case err := <-ended:
		t.Errorf("the device ended with %v", err)
	default:
	}
}

// TestTwoDemos: a second demo finds ports of its own.
func TestTwoDemos(t *testing.T) {
	a, _ := startDemo(t, demo.Options{})
	b, _ := startDemo(t, demo.Options{})
	for i, u := range a.Upstreams() {
		if v := b.Upstreams()[i]; u.URL == v.URL {
			t.Errorf("both demos have %s at %s", u.Name, u.URL)
		}
	}
}

func TestStartFailures(t *testing.T) {
	for _, tt := range []struct{ exe, want string }{
		{filepath.Join(t.TempDir(), "tidewire"), "start north"},
		{executable(t) + ".missing", "start plant"},
	} {
		d, err := demo.Start(t.Context(), &demo.Options{Executable: tt.exe})
		if err == nil {
			d.Close()
		}
		if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Start with the executable %s = %v, want %q and %v", tt.exe, err, tt.want, os.ErrNotExist)
		}
	}
	checkNoGoroutines(t)
}

// TestStartTellsWhyAProcessEnded: a program without the subcommands is told by
// its own words.
func TestStartTellsWhyAProcessEnded(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("needs a program that does not know the subcommands: go is not in PATH")
	}
	d, err := demo.Start(t.Context(), &demo.Options{Executable: goTool})
	if err == nil {
		d.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(err.Error(), "go help") {
		t.Errorf("Start with the go tool = %v, want its exit status and the last line it wrote", err)
	}
}

// TestNothingSurvivesTheProgram: a program that is killed takes the demo with
// it, on Linux even what does not notice.
func TestNothingSurvivesTheProgram(t *testing.T) {
	t.Run("attentive", checkNothingSurvives)
	if runtime.GOOS == "linux" {
		t.Setenv(stubborn, "1")
		t.Run("stubborn", checkNothingSurvives)
	}
}

func checkNothingSurvives(t *testing.T) {
	program := exec.Command(executable(t), "start-demo")
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	var urls []string
	lines := bufio.NewScanner(out)
	for len(urls) < len(paths) && lines.Scan() {
		urls = append(urls, lines.Text())
	}
	kill(t, program.Process.Pid)
	program.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for _, url := range urls {
		addr := strings.TrimPrefix(url, "http://")
		for ; ; time.Sleep(10 * time.Millisecond) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				break
			}
			conn.Close()
			if time.Now().After(deadline) {
				t.Errorf("%s still answers after the program was killed", url)
				break
			}
		}
	}
	if len(urls) != len(paths) {
		t.Errorf("the program started %v, want %d upstreams", urls, len(paths))
	}
}

// startDemoCommand is the program that checkNothingSurvives kills.
func startDemoCommand() int {
	d, err := demo.Start(context.Background(), nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, u := range d.Upstreams() {
		fmt.Println(u.URL)
	}
	select {}
}

func executable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func kill(t *testing.T, pid int) {
	t.Helper()
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Kill()
	}
	if err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// checkGone checks that u's process has ended and been waited for.
func checkGone(t *testing.T, u demo.Upstream) {
	t.Helper()
	p, err := os.FindProcess(u.PID)
	if err == nil {
		if err := p.Signal(syscall.Signal(0)); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("process %d of %s is still there: %v", u.PID, u.Name, err)
		}
	}
	if got := status(u.URL + paths[u.Name]); got != "refused" {
		t.Errorf("GET of %s after the demo's end: %s, want refused", u.Name, got)
	}
}

// checkNoGoroutines checks that none is in the demo's code any more. One that
// has let its waiter go may need a moment to leave.
func checkNoGoroutines(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if !strings.Contains(string(stacks), "demo.(*process)") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines of the demo are left:\n%s", stacks)
		}
	}
}
