package progress_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
	"github.com/tidewire/tidewire/sse/progress"
	"github.com/tidewire/tidewire/sse/ssetest"
)

const (
	retention = 30 * time.Second
	heartbeat = 30 * time.Second
)

// fixture is a Tracker behind a server that streams the topic named by the path.
type fixture struct {
	*progress.Tracker
	server *ssetest.Server
	end    context.CancelFunc // ends the Tracker
	log    *logBuffer
	served chan error // what Serve returned, in order; full: dropped
}

// newFixture makes a Tracker that ends with the test.
func newFixture(t *testing.T) *fixture {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fixture{end: cancel, log: &logBuffer{}}
	f.Tracker = progress.New(ctx, retention, heartbeat, slog.New(slog.NewTextHandler(f.log, nil)))
	f.serve(t)
	return f
}

func (f *fixture) serve(t *testing.T) {
	f.served = make(chan error, 1000)
	f.server = ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := f.Serve(w, r, topicOf(r))
		switch {
		case errors.Is(err, progress.ErrNoTopic):
			http.Error(w, err.Error(), http.StatusNotFound)
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		select {
		case f.served <- err:
		default:
		}
	}))
}

func topicOf(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }

// open opens a stream of topic; lastID is what the client had last, if anything.
func (f *fixture) open(t *testing.T, topic, lastID string) *ssetest.Stream {
	t.Helper()
	header := http.Header{}
	if lastID != "" {
		header.Set("Last-Event-ID", lastID)
	}
	return f.server.Open(t, "/"+topic, header)
}

// status makes a request for topic and returns its status.
func (f *fixture) status(t *testing.T, topic, lastID string) int {
	t.Helper()
	s := f.open(t, topic, lastID)
	defer s.Close()
	return s.Response.StatusCode
}

// mustStart begins a run that nobody else has begun.
func mustStart(t testing.TB, tracker *progress.Tracker, topic string) *progress.Job {
	t.Helper()
	job, isNew := tracker.Start(topic)
	if !isNew {
		t.Fatalf("Start(%q) joined run %q, want a new one", topic, job.ID())
	}
	return job
}

// next reads the next event with data and checks it. wantID is without the run.
func next(t *testing.T, s *ssetest.Stream, job *progress.Job, wantID, wantData string) {
	t.Helper()
	ev := nextData(t, s)
	if wantID = job.ID() + "-" + wantID; ev.ID != wantID || ev.Name != "" || string(ev.Data) != wantData {
		t.Errorf("event is id %q, name %q, data %s, want id %q, no name, data %s", ev.ID, ev.Name, ev.Data, wantID, wantData)
	}
}

// nextData reads the next event that a browser would dispatch. It does not wait long: heartbeats keep a stream up for
// ever.
func nextData(t *testing.T, s *ssetest.Stream) sse.Event {
	t.Helper()
	defer time.AfterFunc(10*time.Second, s.Close).Stop()
	for {
		ev, err := s.Next()
		if err != nil {
			t.Fatalf("stream ended with %v, want another event", err)
		}
		if ev.Data != nil {
			return ev
		}
	}
}

// ended checks that the stream has no more events and is over.
func ended(t *testing.T, s *ssetest.Stream) {
	t.Helper()
	began := time.Now()
	defer time.AfterFunc(10*time.Second, func() {
		t.Errorf("stream still open after %v, want its end", time.Since(began))
		s.Close()
	}).Stop()
	for {
		ev, err := s.Next()
		if err != nil {
			return
		}
		if ev.Data != nil {
			t.Errorf("event %q %s, want the end of the stream", ev.ID, ev.Data)
		}
	}
}

// logBuffer collects log lines.
type logBuffer struct {
	mu sync.Mutex // guards the field below
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
