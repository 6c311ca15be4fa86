package sse_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/sse"
)

// lazyGzip has the shape of klauspost/compress/gzhttp: it holds back what is written until there is enough of it, or a
// flush, and only then decides whether to compress.
type lazyGzip struct {
	http.ResponseWriter
	least  int
	held   []byte
	status int
	gz     *gzip.Writer
	plain  bool
}

func (w *lazyGzip) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w *lazyGzip) WriteHeader(status int)      { w.status = status }

func (w *lazyGzip) Write(p []byte) (int, error) {
	switch {
	case w.gz != nil:
		return w.gz.Write(p)
	case w.plain:
		return w.ResponseWriter.Write(p)
	}
	if w.held = append(w.held, p...); len(w.held) >= w.least {
		w.start(true)
	}
	return len(p), nil
}

func (w *lazyGzip) start(compress bool) {
	w.plain = !compress
	if compress {
		w.Header().Set("Content-Encoding", "gzip")
		w.gz = gzip.NewWriter(w.ResponseWriter)
	}
	w.ResponseWriter.WriteHeader(w.status)
	if compress {
		_, _ = w.gz.Write(w.held)
	} else {
		_, _ = w.ResponseWriter.Write(w.held)
	}
}

func (w *lazyGzip) Flush() {
	if w.gz == nil && !w.plain {
		w.start(len(w.held) >= w.least)
	}
	if w.gz != nil {
		_ = w.gz.Flush()
	}
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

func (w *lazyGzip) close() {
	if w.gz != nil {
		_ = w.gz.Close()
	}
}

// eagerGzip has the shape of gorilla/handlers' CompressHandler: the header is set before the handler runs, and the
// connection can be taken from under it.
type eagerGzip struct {
	http.ResponseWriter
	gz *gzip.Writer
}

func (w *eagerGzip) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w *eagerGzip) Write(p []byte) (int, error) { return w.gz.Write(p) }
func (w *eagerGzip) Flush() {
	_ = w.gz.Flush()
	_ = http.NewResponseController(w.ResponseWriter).Flush()
}

// shouting changes what is written, and says so nowhere.
type shouting struct{ http.ResponseWriter }

func (w shouting) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w shouting) Write(p []byte) (int, error) {
	_, err := w.ResponseWriter.Write(bytes.ReplaceAll(p, []byte("\ndata:"), []byte("\n: seen\ndata:")))
	return len(p), err
}

// ownHeader has headers of its own until it writes them, among them how it encodes what it writes.
type ownHeader struct {
	http.ResponseWriter
	header http.Header
}

func (w ownHeader) Unwrap() http.ResponseWriter { return w.ResponseWriter }
func (w ownHeader) Header() http.Header         { return w.header }
func (w ownHeader) WriteHeader(status int) {
	for key, values := range w.header {
		w.ResponseWriter.Header()[key] = values
	}
	w.ResponseWriter.Header().Set("Content-Encoding", "identity-ish")
	w.ResponseWriter.WriteHeader(status)
}

// A connection is not taken from under a writer that changes what goes over it: the rest would come as it is. It is from
// under one that only looks.
func TestAWriterThatTransformsKeepsItsConnection(t *testing.T) {
	gzipped := func(body io.Reader) io.Reader {
		r, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	as := func(body io.Reader) io.Reader { return body }
	lazy := func(least int) func(w http.ResponseWriter) (http.ResponseWriter, func()) {
		return func(w http.ResponseWriter) (http.ResponseWriter, func()) {
			gz := &lazyGzip{ResponseWriter: w, least: least}
			return gz, gz.close
		}
	}
	nothing := func() {}
	for name, tt := range map[string]struct {
		wrap func(http.ResponseWriter) (http.ResponseWriter, func())
		read func(io.Reader) io.Reader
		want sse.Engine
	}{
		"gzip from the first byte on": {lazy(0), gzipped, sse.EngineGoroutine},
		"gzip that decides late":      {lazy(200), gzipped, sse.EngineGoroutine},
		"gzip that decides against":   {lazy(1 << 20), as, sse.EngineHandOff},
		"gzip under a logger": {func(w http.ResponseWriter) (http.ResponseWriter, func()) {
			gz := &lazyGzip{ResponseWriter: w}
			return &counter{ResponseWriter: gz}, gz.close
		}, gzipped, sse.EngineGoroutine},
		"gzip whose header is set before": {func(w http.ResponseWriter) (http.ResponseWriter, func()) {
			w.Header().Set("Content-Encoding", "gzip")
			gz := &eagerGzip{w, gzip.NewWriter(w)}
			return gz, func() { _ = gz.gz.Close() }
		}, gzipped, sse.EngineGoroutine},
		"a transformation that no header names": {func(w http.ResponseWriter) (http.ResponseWriter, func()) {
			return shouting{w}, nothing
		}, as, sse.EngineGoroutine},
		"an encoding that an inner writer names": {func(w http.ResponseWriter) (http.ResponseWriter, func()) {
			return ownHeader{w, http.Header{}}, nothing
		}, as, sse.EngineGoroutine},
		"a writer that only counts": {func(w http.ResponseWriter) (http.ResponseWriter, func()) {
			return &counter{ResponseWriter: &counter{ResponseWriter: w}}, nothing
		}, as, sse.EngineHandOff},
	} {
		for call, opts := range map[string]sse.StreamOptions{"handed off": {HandOff: true}, "blocking": {}} {
			t.Run(name+"/"+call, func(t *testing.T) {
				f := newHubFixture(t, nil)
				a := f.topic("a")
				a.Open("r")
				publish(t, a, strings.Repeat("1", 300))
				handler := f.hub.With(opts).Handler(one(a))
				srv := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					wrapped, done := tt.wrap(w)
					defer done()
					handler.ServeHTTP(wrapped, r)
				}), nil)
				_, resp := ask(t, srv, plain)
				d := sse.NewDecoder(tt.read(resp.Body), nil)
				for i, want := range []string{strings.Repeat("1", 300), "2", "3"} {
					if i > 0 {
						publish(t, a, want)
					}
					if ev, err := d.Next(); err != nil || string(ev.Data) != want {
						t.Fatalf("event %d = %s, %v, want %s", i, show(ev), err, want)
					}
				}
				if got := f.opened[tt.want].Load(); got != 1 {
					t.Errorf("%d streams on the %s engine, want 1", got, tt.want)
				}
				finish(t, a, "end")
				if ev, err := d.Next(); err != nil || ev.ID != "r-end" {
					t.Errorf("at the end: %s, %v, want the terminal", show(ev), err)
				}
			})
		}
	}
}
