package e2e_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/internal/metrics"
)

// A server is a gateway in this process that can be stopped and started again at
// the same address.
type server struct {
	t    *testing.T
	file string // of the configuration
	addr string
	url  string
	bare bool   // the next gateway does not know the file of its configuration
	stop func() // ends the gateway and waits for it; may be called twice
	end  func() // tells the gateway to end
	log  logBuffer
	tag  string // of the newest answer to request
}

// serve runs a gateway on the given configuration until the test ends.
func serve(t *testing.T, yaml string) *server {
	t.Helper()
	s := &server{t: t, file: filepath.Join(t.TempDir(), "tidewire.yaml"), addr: "127.0.0.1:0"}
	s.write(yaml)
	s.start()
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Logf("log of the gateway:\n%s", s.log.String())
		}
	})
	return s
}

// write makes yaml what the configuration's file says.
func (s *server) write(yaml string) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte("version: 1\n"+yaml), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start runs the gateway; after a stop, where it was before.
func (s *server) start() {
	s.t.Helper()
	cfg, files, err := config.Open(s.file)
	if err != nil {
		s.t.Fatalf("the configuration is not valid:\n%v", err)
	}
	ln, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.url = "http://" + s.addr + "/"
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	if s.bare {
		files = nil
	}
	over := make(chan error, 1)
	counted := metrics.New("e2e")
	go func() {
		over <- gateway.Run(ctx, cfg, ln, &gateway.Options{
			Logger: slog.New(slog.NewTextHandler(&s.log, nil)), Files: files, Look: 50 * time.Millisecond,
			Observer: counted.Observer(), Metrics: counted.Handler, Values: metrics.Values,
		})
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-over:
			if err != nil {
				s.t.Errorf("Run = %v, want nil", err)
			}
		case <-time.After(patience):
			s.t.Error("Run did not return after its context ended")
		}
	})
}

// A logBuffer is a buffer for concurrent writers.
type logBuffer struct {
	mu     sync.Mutex // guards buffer
	buffer bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buffer.String()
}

// get returns what the gateway answers at a path.
func (s *server) get(path string) string {
	s.t.Helper()
	return s.request(http.MethodGet, path, "", nil)
}

// post sends JSON to a path.
func (s *server) post(path, body string) {
	s.t.Helper()
	s.request(http.MethodPost, path, body, nil)
}

func (s *server) request(method, path, body string, header http.Header) string {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 400 {
		s.t.Fatalf("%s /%s: %s: %s %v", method, path, resp.Status, data, err)
	}
	s.tag = resp.Header.Get("ETag")
	return string(data)
}

// until waits until the state at a path below api/v1/ has a text in it.
func (s *server) until(path, text string) {
	s.t.Helper()
	s.untilAs("", path, text)
}

// untilAs is until for the bearer of a token; "" has none.
func (s *server) untilAs(token, path, text string) {
	s.t.Helper()
	limit := time.Now().Add(patience)
	header := http.Header{}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	is := s.request(http.MethodGet, "api/v1/"+path, "", header)
	for !strings.Contains(is, text) {
		if time.Now().After(limit) {
			s.t.Fatalf("%s is %s, want %s in it", path, is, text)
		}
		header.Set("If-None-Match", s.tag)
		header.Set("Prefer", "wait=10")
		if changed := s.request(http.MethodGet, "api/v1/"+path, "", header); changed != "" {
			is = changed
		}
	}
}
