package gateway_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hostile are upstreams that mean no good, each with the error that its source shows.
var hostile = map[string]struct {
	handler http.HandlerFunc
	want    string
}{
	"endless-body": {func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 64<<10)); err != nil {
				return
			}
		}
	}, "the answer is larger than 4 MiB"},
	"gzip-bomb": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		for {
			if _, err := w.Write(bomb()); err != nil {
				return
			}
		}
	}, "the answer is larger than 4 MiB"},
	"large-json": {func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "["+strings.Repeat("1,", 5<<20)+"1]")
	}, "the answer is larger than 4 MiB"},
	"deep-json": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, strings.Repeat("[", 1<<20))
	}, "JSON nests deeper than 100 levels"},
	"slow-bytes": {func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "1")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}, "timed out after "},
	"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "timed out after "},
	"away": {func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
	}, "redirected to another origin, http://169.254.169.254: want its own upstream"},
	"loop": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, "redirected more than 3 times"},
	"html": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>sign in")
	}, `got text/html, want JSON, starts with "<html>sign in"`},
	"huge-header": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 1<<20))
	}, "server response headers exceeded 65536 bytes; aborted"},
	"reset": {func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close()
		}
	}, "connection reset by peer"},
	"cut": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"level":`)
	}, "the connection closed before the answer was complete"},
	"no-tls": {nil, "the server does not speak TLS there: write http:// in the address of the upstream, or another port"},
}

// bomb is 1 MiB of zeros as a member of a gzip file, of which there may be many in a row. It is made once: to pack costs
// the test more than to unpack costs the gateway, and on a busy machine the poll would time out before enough is sent.
var bomb = sync.OnceValue(func() []byte {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(make([]byte, 1<<20)) // a buffer takes everything
	_ = z.Close()
	return packed.Bytes()
})

// All of them at once cost a bounded amount, each ends in an error of its own source, and no other source suffers.
func TestHostileUpstreams(t *testing.T) {
	var heap atomic.Uint64 // the most that was seen
	good := newUpstream(t, "")
	good.does(func(w http.ResponseWriter, _ *http.Request) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		if m.HeapInuse > heap.Load() {
			heap.Store(m.HeapInuse)
		}
		fmt.Fprint(w, good.count())
	})
	upstreams := fmt.Sprintf("upstreams:\n  good: {http: %q}\n", good.URL)
	sources := "sources:\n  good: {http: {upstream: good, path: /}, every: 20ms}\n"
	for name, h := range hostile {
		if h.handler == nil {
			h.handler = func(http.ResponseWriter, *http.Request) {}
		}
		server := httptest.NewUnstartedServer(h.handler)
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.Start()
		t.Cleanup(server.Close)
		url := server.URL
		if name == "no-tls" {
			url = strings.Replace(url, "http://", "https://", 1)
		}
		upstreams += fmt.Sprintf("  %s: {http: %q}\n", name, url)
		timeout := patience // a busy machine may take long over a large answer
		if h.want == "timed out after " {
			timeout = time.Second
		}
		sources += fmt.Sprintf("  %s: {http: {upstream: %[1]s, path: /x}, timeout: %v, backoff: {min: 700ms, max: 700ms}}\n", name, timeout)
	}
	s := start(t, upstreams+sources)
	for name, h := range hostile {
		text, _ := s.await(name+" failing", func(v object) bool { return v["name"] == name && v["state"] == "failing" })["error"].(string)
		if !strings.Contains(text, h.want) || !strings.HasPrefix(text, "GET http") || len(text) > 300 {
			t.Errorf("%s: error %q, want ...%s...", name, text, h.want)
		}
	}
	// While the others are tried again, the good one is polled as ever.
	polled := good.count()
	s.await("the good one go on", func(v object) bool { n, _ := v["value"].(float64); return v["name"] == "good" && int(n) > polled+20 })
	if got := s.source("good", "ok")["error"]; got != nil {
		t.Errorf("the good source has the error %v", got)
	}
	// Each may hold 4 MiB of an answer, and twice that while its buffer grows; the servers of this test have theirs.
	if got, most := heap.Load()>>20, uint64(300); got > most {
		t.Errorf("%d MiB of heap, want at most %d", got, most)
	}
}
