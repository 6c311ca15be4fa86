package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/scripttest"
	"github.com/tidewire/tidewire/snapshot/snapshottest"
	"github.com/tidewire/tidewire/sse"
)

// patience bounds every wait for something that must happen. It is never waited out
// where the code is right.
const patience = time.Minute

// object is a JSON object.
type object = map[string]any

// TestMain lets the test binary stand in for the commands that jobs run. It runs everything twice: over a store that
// tells its followers at once, and over one that tells them late.
func TestMain(m *testing.M) {
	scripttest.Main()
	code := snapshottest.Twice(m, gateway.BeLate)
	isAll := true
	for _, name := range []string{"test.run", "test.bench", "test.fuzz", "test.list"} {
		isAll = isAll && flag.Lookup(name).Value.String() == ""
	}
	if code == 0 && isAll {
		fmt.Println("again, the tests of runs with their state in a directory")
		onDisk = true
		_ = flag.Set("test.run", ofRuns)
		code = m.Run()
	}
	os.Exit(code)
}

// onDisk has gateways keep their state in a directory.
var onDisk bool

// once skips a test whose gateways keep their state in a directory by themselves when everything runs again: it would be the
// same.
func once(t *testing.T) {
	t.Helper()
	if gateway.Lag > 0 || onDisk {
		t.Skip("it has run, with its state in a directory")
	}
}

// ofRuns matches the tests of runs.
const ofRuns = "^Test(.*Runs?|A?Output|MuchOutput|AKey|A.*Start|AForm|Busy|Queued|Who.*|.*Triggers?.*|Cancel.*|AJobHas)"

// A server is a gateway under test.
type server struct {
	t      *testing.T
	url    string
	client *http.Client // makes the requests
	stop   func()       // ends the gateway and waits for it; may be called twice
	log    *lockedBuffer
	file   string // of the configuration; empty: there is none
}

// start runs a gateway on the given configuration until the test ends.
func start(t *testing.T, yaml string) *server {
	t.Helper()
	return startConfig(t, load(t, yaml))
}

// load reads a configuration, which must be valid.
func load(t testing.TB, yaml string) *config.Config {
	t.Helper()
	cfg, problems := config.Load("test.yaml", []byte("version: 1\n"+yaml))
	if len(problems) > 0 {
		t.Fatalf("the configuration is not valid:\n%v", problems)
	}
	return cfg
}

// startConfig runs a gateway on a configuration until the test ends.
func startConfig(t *testing.T, cfg *config.Config) *server {
	t.Helper()
	return run(t, cfg, gateway.Options{})
}

// startFile runs a gateway on a configuration in a file, which the server's method reload
// replaces. It is looked at as often as look says.
func startFile(t *testing.T, yaml string, look time.Duration) *server {
	t.Helper()
	return startFileOn(t, "127.0.0.1:0", yaml, look)
}

// startFileOn is startFile with an address to listen on.
func startFileOn(t *testing.T, addr, yaml string, look time.Duration) *server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(file, []byte("version: 1\n"+yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, files, err := config.Open(file)
	if err != nil {
		t.Fatalf("the configuration is not valid:\n%v", err)
	}
	s := runOn(t, addr, cfg, gateway.Options{Files: files, Look: look})
	s.file = file
	return s
}

func run(t *testing.T, cfg *config.Config, opts gateway.Options) *server {
	t.Helper()
	return runOn(t, "127.0.0.1:0", cfg, opts)
}

func runOn(t *testing.T, addr string, cfg *config.Config, opts gateway.Options) *server {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ctx, cancel := context.WithCancel(t.Context())
	if onDisk && cfg.Store == nil {
		kept := *cfg
		kept.Store = &config.Store{Dir: t.TempDir()}
		cfg = &kept
	}
	s := &server{t: t, url: "http://127.0.0.1:" + port, client: http.DefaultClient, log: new(lockedBuffer)}
	opts.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	over := make(chan error, 1)
	go func() { over <- gateway.Run(ctx, cfg, ln, &opts) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-over:
			if err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return after its context ended")
		}
	})
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", s.log)
		}
	})
	return s
}

// do makes a request and returns the status, the header and the body.
func (s *server) do(method, path, body string, header ...string) (int, http.Header, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

// json makes a request and decodes the answer, which must have the given status.
func (s *server) json(want int, method, path, body string, header ...string) object {
	s.t.Helper()
	status, _, text := s.do(method, path, body, header...)
	if status != want {
		s.t.Fatalf("%s %s = %d, want %d:\n%s", method, path, status, want, text)
	}
	var v object
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		s.t.Fatalf("%s %s: %v in %s", method, path, err, text)
	}
	return v
}

// events opens a stream and calls each with every event, until it returns false or the
// stream ends.
func (s *server) events(path, lastID string, each func(sse.Event) bool, header ...string) (status int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	for ev, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			s.t.Fatalf("stream %s: %v", path, err)
		}
		if !each(ev) {
			break
		}
	}
	return resp.StatusCode
}

// await reads the stream of everything until an object satisfies ok, and returns it.
func (s *server) await(what string, ok func(object) bool) (found object) {
	s.t.Helper()
	seen := map[string]string{}
	s.events("/api/v1/stream", "", func(ev sse.Event) bool {
		v := decode(s.t, ev.Data)
		seen[fmt.Sprint(v["key"])] = string(ev.Data)
		if ok(v) {
			found = v
		}
		return found == nil
	})
	if found == nil {
		s.t.Fatalf("%s did not come; the newest of each key:\n%s", what, strings.Join(slices.Sorted(maps.Values(seen)), "\n"))
	}
	return found
}

// source awaits a state of a source.
func (s *server) source(name, state string) object {
	s.t.Helper()
	return s.await(name+" "+state, func(v object) bool { return v["key"] == "source/"+name && v["state"] == state })
}

// An upstream is a server whose answer can be changed while it is polled.
type upstream struct {
	*httptest.Server
	mu       sync.Mutex
	answer   func(w http.ResponseWriter, r *http.Request)
	requests int
}

func newUpstream(t *testing.T, body string) *upstream {
	u := new(upstream)
	u.say(body)
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.requests++
		answer := u.answer
		u.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

// say makes body the answer.
func (u *upstream) say(body string) {
	u.does(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
}

// does makes answer the answer.
func (u *upstream) does(answer func(http.ResponseWriter, *http.Request)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answer = answer
}

// hangs has requests get no answer until the client gives up, or the test is over.
func (u *upstream) hangs(t *testing.T) {
	u.does(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-t.Context().Done(): // before u is closed, which waits for its requests
		case <-r.Context().Done():
		}
	})
}

// count is how many requests have come.
func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.requests
}

func decode(t *testing.T, data []byte) (v object) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	return v
}

// lockedBuffer is a buffer that several goroutines may write.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
