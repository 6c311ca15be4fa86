package gateway_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/ssetest"
)

const twoSourcesAndJobs = `
sources:
  a: {exec: [echo, a], every: 1h}
  b: {exec: [echo, b], every: 1h}
jobs:
  j: {exec: [echo, j]}
  k: {exec: [echo, k]}
`

func TestAStreamOfSomeKeys(t *testing.T) {
	s := start(t, twoSourcesAndJobs)
	s.source("a", "ok")
	s.source("b", "ok")
	for _, job := range []string{"j", "k"} {
		s.json(http.StatusAccepted, "POST", "/api/v1/jobs/"+job+"/runs", "{}")
	}
	tests := []struct {
		query string
		want  []string
	}{
		{"", []string{"alerts", "config", "job/j", "job/k", "source/a", "source/b"}},
		{"?sources=a", []string{"source/a"}},
		{"?sources=b,a&jobs=*", []string{"job/j", "job/k", "source/a", "source/b"}},
		{"?jobs=k", []string{"job/k"}},
		{"?sources=*", []string{"source/a", "source/b"}},
		{"?sources=a&sources=b&min=100ms", []string{"source/a", "source/b"}},
	}
	for _, tt := range tests {
		var got []string
		status := s.events("/api/v1/stream"+tt.query, "", func(ev sse.Event) bool {
			if key, _ := decode(t, ev.Data)["key"].(string); !slices.Contains(got, key) {
				got = append(got, key)
			}
			return len(got) < len(tt.want)
		})
		slices.Sort(got)
		if status != http.StatusOK || !slices.Equal(got, tt.want) {
			t.Errorf("stream%s = %d with %v, want %v", tt.query, status, got, tt.want)
		}
		snapshots := s.json(http.StatusOK, "GET", "/api/v1/stream"+tt.query, "", "Accept", "application/json")["snapshots"].([]any)
		if len(snapshots) != len(tt.want) {
			t.Errorf("stream%s as JSON has %d snapshots, want %d", tt.query, len(snapshots), len(tt.want))
		}
	}
}

func TestAStreamOfWhatIsNotThere(t *testing.T) {
	s := start(t, twoSourcesAndJobs)
	tests := []struct {
		query  string
		status int
		detail string
	}{
		{"?sources=a,x", 404, `there is no source "x"`},
		{"?jobs=a", 404, `there is no job "a"`},
		{"?min=5", 400, "min=5 is not a pause: write a duration such as 500ms, at most 1m0s"},
		{"?min=-1s", 400, "min=-1s is not a pause: write a duration such as 500ms, at most 1m0s"},
		{"?min=2m", 400, "min=2m is not a pause: write a duration such as 500ms, at most 1m0s"},
	}
	for _, tt := range tests {
		for _, accept := range []string{"text/event-stream", "application/json"} {
			got := s.json(tt.status, "GET", "/api/v1/stream"+tt.query, "", "Accept", accept)["detail"]
			if got != tt.detail {
				t.Errorf("stream%s: %v, want %s", tt.query, got, tt.detail)
			}
		}
	}
}

func TestAStreamWithAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var polls atomic.Int64
		plant := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, polls.Add(1))
		}))
		b := newBubble(t, load(t, `
upstreams: {plant: {http: http://plant.example}}
sources:
  tank: {http: {upstream: plant, path: /}, every: 5ms, jitter: 0}
`), io.Discard, plant.Client.Transport)
		time.Sleep(time.Second)
		server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = "localhost" // a name that the gateway goes by
			b.handler.ServeHTTP(w, r)
		}))
		stream := server.Open(t, "/api/v1/stream?sources=tank&min=100ms", nil)
		stream.Event(t)
		begun, before := time.Now(), polls.Load()
		for range 5 {
			stream.Event(t)
		}
		if took := time.Since(begun); took != 500*time.Millisecond {
			t.Errorf("5 snapshots took %v, want 100ms each", took)
		}
		if got := polls.Load() - before; got < 99 || got > 101 {
			t.Errorf("%d polls between 6 snapshots, want 100: one each 5ms", got)
		}
	})
}

// To look at a source once is not to watch it; to wait for its next value is.
func TestALongPollWatches(t *testing.T) {
	plant := newUpstream(t, `40`)
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank: {http: {upstream: plant, path: /}, every: {normal: 1h, unwatched: never}}
`, plant.URL))
	var tag string
	for range 3 {
		_, header, _ := s.do("GET", "/api/v1/sources/tank", "")
		tag = header.Get("ETag")
		if state := s.json(http.StatusOK, "GET", "/api/v1/sources/tank", "")["state"]; state != "pending" {
			t.Errorf("state after a look = %v, want pending", state)
		}
	}
	got := s.json(http.StatusOK, "GET", "/api/v1/sources/tank", "", "Prefer", "wait=20", "If-None-Match", tag)
	if got["state"] == "pending" && got["next_at"] == nil {
		t.Errorf("the long poll brought %v, want that it is polled", got)
	}
	s.source("tank", "ok")
	if n := plant.count(); n != 1 {
		t.Errorf("the upstream was asked %d times, want once", n)
	}
}

// A client that opens streams without end is told to come back, as often as it likes; all
// others are served, and so are known users at its address.
func TestTooManyStreamsOfOneClient(t *testing.T) {
	s := start(t, fmt.Sprintf(`
trust_forwarded: 127.0.0.1
access: {anonymous: viewer, tokens: {ops: {sha256: "%x", role: viewer}}}
sources: {a: {exec: [echo, "1"]}}
`, sha256.Sum256([]byte("ops-secret"))))
	s.source("a", "ok")
	open := func(address string, header ...string) (first string, end func()) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/api/v1/stream?sources=a", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/event-stream")
		req.Header.Set("X-Forwarded-For", address)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("a stream of %s = %s, want 200", address, resp.Status)
		}
		for line := range sse.Read(resp.Body, nil) {
			first = string(line.Data)
			break
		}
		return first, func() { resp.Body.Close() }
	}
	for i := range gateway.MaxClientStreams {
		first, end := open("203.0.113.7")
		if !strings.Contains(first, "source/a") {
			t.Fatalf("stream %d of a client began with %q, want its snapshot", i+1, first)
		}
		t.Cleanup(end)
	}
	first, end := open("203.0.113.7")
	defer end()
	if first != "" {
		t.Errorf("stream %d of a client began with %q, want its end", gateway.MaxClientStreams+1, first)
	}
	first, end = open("203.0.113.7", bearer("ops")...)
	defer end()
	if !strings.Contains(first, "source/a") {
		t.Errorf("a stream of a known user at that address began with %q, want its snapshot", first)
	}
	for _, address := range []string{"203.0.113.8", "127.0.0.1"} {
		first, end := open(address)
		defer end()
		if !strings.Contains(first, "source/a") {
			t.Errorf("a stream of %s began with %q, want its snapshot", address, first)
		}
	}
}
