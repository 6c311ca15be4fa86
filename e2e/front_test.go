package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A front is a reverse proxy before a gateway that takes note of its streams.
type front struct {
	t      *testing.T
	url    string
	server *httptest.Server

	mu      sync.Mutex // guards the fields below
	streams []*http.Request
	status  []int // of the streams, 0 before their head
	open    int   // streams that have not ended
	changed chan struct{}
	handler func(n int, w http.ResponseWriter, r *http.Request) bool
}

// newFront starts a front on HTTP/1.1.
func newFront(t *testing.T, target string) *front {
	f := prepareFront(t, target)
	f.server.Start()
	f.url = f.server.URL + "/"
	return f
}

// newSecureFront starts a front on HTTP/2, which browsers speak over TLS alone.
func newSecureFront(t *testing.T, target string) *front {
	f := prepareFront(t, target)
	f.server.EnableHTTP2 = true
	f.server.StartTLS()
	f.url = f.server.URL + "/"
	return f
}

func prepareFront(t *testing.T, target string) *front {
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{t: t, changed: make(chan struct{})}
	forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, FlushInterval: -1}
	f.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/stream") && !strings.HasSuffix(r.URL.Path, "/events") || r.Header.Get("Accept") != "text/event-stream" {
			forward.ServeHTTP(w, r)
			return
		}
		n, handler := f.begin(r)
		defer f.end()
		w = &noting{ResponseWriter: w, f: f, n: n}
		if handler == nil || !handler(n, w, r) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(f.server.Close)
	t.Cleanup(f.server.CloseClientConnections)
	return f
}

// instead has handler answer streams, of which n counts from 1; what it does not take is
// forwarded.
func (f *front) instead(handler func(n int, w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handler = handler
}

func (f *front) begin(r *http.Request) (n int, handler func(int, http.ResponseWriter, *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams = append(f.streams, r)
	f.status = append(f.status, 0)
	f.open++
	f.changedLocked()
	return len(f.streams), f.handler
}

func (f *front) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	f.changedLocked()
}

func (f *front) changedLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// await waits until the streams are as ok wants them; it is called with mu held.
func (f *front) await(what string, ok func(*front) bool) {
	f.t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		done, changed := ok(f), f.changed
		state := fmt.Sprintf("%d streams, of which %d are open", len(f.streams), f.open)
		f.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-late:
			f.t.Fatalf("waiting for %s: there are %s", what, state)
		}
	}
}

// stream returns the URL of the n-th stream, from 1.
func (f *front) stream(n int) *url.URL {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.streams[n-1].URL
}

// noting is the writer of a stream.
type noting struct {
	http.ResponseWriter
	f *front
	n int
}

func (w *noting) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *noting) WriteHeader(status int) {
	w.f.mu.Lock()
	w.f.status[w.n-1] = status
	w.f.changedLocked()
	w.f.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

// sooner is JavaScript after which the page's timers of ms milliseconds take less.
func sooner(ms, less int) string {
	return fmt.Sprintf(`
		window.setTimeout = ((set) => (f, ms) => set(f, ms === %d ? %d : ms))(window.setTimeout);
	`, ms, less)
}
