//go:build linux

package echosse_test

import (
	"bufio"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/echosse"
)

// watching notes that the connection was taken.
type watching struct {
	wrapping
	taken *atomic.Int64
}

func (w watching) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.taken.Add(1)
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Streams take the connection although their calls block, unless they must not, and neither Echo nor the client sees a
// difference.
func TestStreamsTakeTheConnection(t *testing.T) {
	const tracked, managed = "/tracker", "/manager"
	for name, tt := range map[string]struct {
		path  string
		keep  bool
		inner []echo.MiddlewareFunc
		want  int64
	}{
		"tracker":                        {path: tracked, want: 1},
		"manager":                        {path: managed, want: 1},
		"tracker that keeps connections": {path: tracked, keep: true},
		"manager that keeps connections": {path: managed, keep: true},
		"tracker behind gzip":            {path: tracked, inner: []echo.MiddlewareFunc{middleware.Gzip()}},
		"manager behind gzip":            {path: managed, inner: []echo.MiddlewareFunc{middleware.Gzip()}},
	} {
		t.Run(name, func(t *testing.T) {
			var taken atomic.Int64
			e, outcomes := newEcho(slices.Concat([]echo.MiddlewareFunc{func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c echo.Context) error {
					c.Response().Writer = watching{wrapping{hiding{c.Response().Writer}}, &taken}
					return next(c)
				}
			}}, tt.inner)...)
			tracker := echosse.New(t.Context(), 0, 50*time.Millisecond, nil)
			tracker.Streams.KeepConnection = tt.keep
			job, _ := tracker.Start("scan")
			e.GET(tracked, func(c echo.Context) error { return tracker.Subscribe(c, "scan") })
			m := echosse.NewManager(t.Context(), nil, 50*time.Millisecond)
			var opts []sse.HandlerOption
			if tt.keep {
				opts = append(opts, echosse.WithStreams(sse.StreamOptions{KeepConnection: true}))
			}
			e.GET(managed, echosse.Handler(m, opts...))
			srv := httptest.NewServer(e)
			defer srv.Close()
			res, err := srv.Client().Get(srv.URL + tt.path) // Go's client asks for gzip, and undoes it
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.Close == tt.keep || !slices.Equal(res.TransferEncoding, []string{"chunked"}) {
				t.Errorf("closes: %v, transfer encoding %v, want that the head says so, and chunks", res.Close, res.TransferEncoding)
			}
			var body []byte
			until := func(want string) {
				t.Helper()
				for buf := make([]byte, 1000); !strings.Contains(string(body), want); {
					n, err := res.Body.Read(buf)
					if body = append(body, buf[:n]...); err != nil && !strings.Contains(string(body), want) {
						t.Fatalf("%v after %q, want %q", err, body, want)
					}
				}
			}
			until("\n:\n\n:\n\n")
			job.Publish("seen")
			m.Publish(managed, "seen")
			until("data: \"seen\"\n\n")
			until("data: \"seen\"\n\n:\n\n")
			if len(outcomes) != 0 {
				t.Error("the handler has returned while its stream lives")
			}
			job.Finish("over")
			if tt.path == tracked {
				until("data: \"over\"\n\n")
			}
			m.Shutdown()
			o := <-outcomes
			if o.err != nil || !o.committed || o.status != 200 || o.size < int64(len("retry: 2000\n:\n\n")) {
				t.Errorf("Echo saw %v, committed %v, status %d and %d bytes, want a 200 and the first bytes", o.err, o.committed, o.status, o.size)
			}
			if got := taken.Load(); got != tt.want {
				t.Errorf("%d connections were taken, want %d", got, tt.want)
			}
		})
	}
}
