package gateway_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
)

// A device serves one request at a time, takes 2 s for it, and notes what comes too early.
type device struct {
	mu    sync.Mutex // guards the fields below
	busy  int
	most  int
	ended time.Time
	rest  time.Duration // the shortest time between the end of a request and the start of the next
	kept  int           // requests that would keep their connection
	paths map[string]int
}

func (d *device) RoundTrip(r *http.Request) (*http.Response, error) {
	d.mu.Lock()
	if rest := time.Since(d.ended); !d.ended.IsZero() && rest < d.rest {
		d.rest = rest
	}
	d.busy++
	d.most = max(d.most, d.busy)
	d.paths[r.URL.Path]++
	if !r.Close {
		d.kept++
	}
	d.mu.Unlock()
	time.Sleep(2 * time.Second)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy--
	d.ended = time.Now()
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader("1")), Request: r}, nil
}

// Polls of all sources of an upstream and requests of its jobs wait in one line.
func TestADeviceThatServesOneAtATime(t *testing.T) {
	for _, test := range []struct {
		keys       string
		most, kept int
		rest       time.Duration
	}{
		{"max_inflight: 1, keep_alive: false", 1, 0, 0},
		{"gap: 3s", 1, 0, 3 * time.Second},
		{"max_inflight: 2", 2, -1, 0},
		{"max_inflight: 1, limit: 5/m", 1, 0, 10 * time.Second},
	} {
		t.Run(test.keys, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				g := gateway.NewGateway(t, ctx, load(t, `
upstreams: {plant: {http: 'http://plant.example', `+test.keys+`}}
defaults: {every: 30s, jitter: 0%, stale_after: 1h}
sources:
  a: {http: {upstream: plant, path: /a}}
  b: {http: {upstream: plant, path: /b}}
  c: {http: {upstream: plant, path: /c}}
jobs:
  j: {http: {upstream: plant, path: /j, method: POST}, at: '@every 30s', timeout: 1m}
`), gateway.Options{})
				d := &device{rest: time.Hour, paths: make(map[string]int)}
				g.Ask(d)
				go g.Run(ctx)
				time.Sleep(5 * time.Minute)
				cancel()
				time.Sleep(2 * time.Minute) // what waits in line ends by its timeout
				d.mu.Lock()
				defer d.mu.Unlock()
				if d.most != test.most {
					t.Errorf("%d requests at once, want %d", d.most, test.most)
				}
				if test.kept >= 0 && d.kept != test.kept {
					t.Errorf("%d requests keep their connection, want %d", d.kept, test.kept)
				}
				if test.most == 1 && d.rest < test.rest {
					t.Errorf("the device had %v between two requests, want %v", d.rest, test.rest)
				}
				for _, path := range []string{"/a", "/b", "/c", "/j"} {
					if d.paths[path] < 4 {
						t.Errorf("%d requests of %s in 5 minutes, want at least 4: %v", d.paths[path], path, d.paths)
					}
				}
			})
		})
	}
}
