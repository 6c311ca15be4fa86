package conformance_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/NYTimes/gziphandler"
	"github.com/gorilla/handlers"
	"github.com/klauspost/compress/gzhttp"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/tidewire/tidewire/sse"
)

// A middleware is one of others that compresses answers, used as its documentation shows it. None of them heeds
// `Cache-Control: no-transform`.
type middleware struct {
	name  string
	peer  string // the module
	wrap  func(http.Handler) http.Handler
	hides string // the method without which its writer is refused
}

var middlewares = []middleware{
	{name: "Gzip of echo", peer: "github.com/labstack/echo/v4", wrap: func(h http.Handler) http.Handler {
		e := echo.New()
		e.Use(echomiddleware.Gzip())
		e.Any("/*", echo.WrapHandler(h))
		return e
	}},
	{name: "CompressHandler of gorilla/handlers", peer: "github.com/gorilla/handlers", wrap: handlers.CompressHandler},
	{name: "gzhttp", peer: "github.com/klauspost/compress", wrap: func(h http.Handler) http.Handler {
		return gzhttp.GzipHandler(h)
	}},
	{name: "gziphandler", peer: "github.com/NYTimes/gziphandler", wrap: gziphandler.GzipHandler, hides: "SetWriteDeadline"},
}

// behind returns the call with the middleware before it.
func (m middleware) behind(by call) call {
	return call{by.name + " behind " + m.name, func(hub *sse.Hub, topics ...*sse.Topic) http.Handler {
		return m.wrap(by.of(hub, topics...))
	}}
}

// TestMiddleware has each middleware carry the streams of each engine, compressed and not.
func TestMiddleware(t *testing.T) {
	t.Parallel()
	for _, m := range middlewares {
		for _, by := range []call{blocking, kept, handedOff, many} {
			for _, encoding := range []string{"gzip", "identity"} {
				t.Run(m.name+"/"+by.name+"/"+encoding, func(t *testing.T) {
					t.Parallel()
					behindMiddleware(t, m, by, encoding)
				})
			}
		}
	}
}

func behindMiddleware(t *testing.T, m middleware, by call, encoding string) {
	engines := make(chan sse.Engine, 1)
	hub := newHub(t, &sse.HubOptions{
		Heartbeat: time.Second,
		Observer:  &sse.Observer{Opened: func(e sse.Engine) { engines <- e }},
	})
	topic := hub.Topic("topic", sse.TopicOptions{})
	topic.Open("run")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+serve(t, m.behind(by).of(hub, topic)).addr, nil)
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", encoding) // http.Client leaves the encoding alone when it did not ask for it
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	compressed := encoding == "gzip"
	if m.hides != "" && compressed {
		text, _ := io.ReadAll(resp.Body)
		if by.name != handedOff.name && !strings.Contains(string(text), "hides "+m.hides) || resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("a writer that hides %s is answered with %s, %q, want 500 and the reason", m.hides, resp.Status, text)
		}
		return
	}
	want := map[bool]string{true: "gzip"}[compressed]
	if got := resp.Header.Get("Content-Encoding"); resp.StatusCode != http.StatusOK || got != want {
		t.Fatalf("the answer is %s and encoded as %q, want 200 and %q", resp.Status, got, want)
	}
	engine := sse.EngineHandOff
	if compressed || by.name == kept.name || runtime.GOOS != "linux" {
		engine = sse.EngineGoroutine // what the hub wrote to the connection itself would not be compressed
	}
	if got := <-engines; got != engine {
		t.Errorf("the stream is carried by the engine %s, want %s", got, engine)
	}

	var body io.Reader = resp.Body
	if compressed {
		if body, err = gzip.NewReader(resp.Body); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 2<<20)
	await := func(line string) {
		t.Helper()
		for lines.Scan() {
			if lines.Text() == line {
				return
			}
		}
		t.Fatalf("the stream ended before %.100q: %v", line, lines.Err())
	}
	for range 3 { // the first block, and two heartbeats
		await(":")
	}
	for _, text := range []string{"1", "2", strings.Repeat("3", 1<<20), "4"} {
		publish(t, topic, sse.Event{Data: []byte(text)})
		await("data: " + text)
	}
	if err := topic.Close(sse.Event{Data: []byte("end")}); err != nil {
		t.Fatal(err)
	}
	if by.name == many.name {
		return // it never ends by itself
	}
	await("data: end")
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream ended with %v, want a whole one", err)
	}
}

// TestClientsBehindMiddleware has each client read a compressed stream, or one that it did not let be compressed.
func TestClientsBehindMiddleware(t *testing.T) {
	t.Parallel()
	for _, c := range clients {
		for _, m := range middlewares {
			if m.hides != "" {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s", c.name, m.name), func(t *testing.T) {
				t.Parallel()
				reads(m.behind(handedOff))(t, c, direct)
			})
		}
	}
}
