// Package ssetest helps to test handlers that serve Server-Sent Events: a [Server] in memory whose streams can be read
// event by event, and a [Writer] whose methods can be replaced. Both work in a testing/synctest bubble, where
// heartbeats and timeouts take no time.
package ssetest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// Server serves HTTP/1.1 over connections in memory, which buffer what the server writes as a socket does.
type Server struct {
	// Client makes requests to the server, whatever host their URL names.
	Client *http.Client
}

// NewServer starts a server for h that ends with the test.
func NewServer(t testing.TB, h http.Handler) *Server {
	t.Helper()
	return Start(t, &http.Server{Handler: h}, nil)
}

// Options configure a [Server]. The zero value is the default.
type Options struct {
	// Buffer is how many bytes the server can write before the client reads them, besides 4 KB in Client; further
	// writes wait. Zero means 64 KiB. Negative means none: each write waits for a client that reads.
	Buffer int
}

// Start is like NewServer for a server with its own settings, such as timeouts. srv ends with the test. opts may be
// nil.
func Start(t testing.TB, srv *http.Server, opts *Options) *Server {
	l := &listener{buffer: 64 << 10, conns: make(chan net.Conn), closed: make(chan struct{})}
	if opts != nil && opts.Buffer != 0 {
		l.buffer = opts.Buffer
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	transport := &http.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("http.Server.Serve: %v, want %v", err, http.ErrServerClosed)
		}
		transport.CloseIdleConnections()
	})
	return &Server{Client: &http.Client{Transport: transport}}
}

// Open requests path (such as "/x?topic=a") and returns the response as a stream, once its head has arrived. header may
// be nil; like an EventSource, the request asks for text/event-stream unless header has an Accept. Open fails the test
// if there is no response; any status is accepted. The stream ends with the test at the latest.
func (s *Server) Open(t testing.TB, path string, header http.Header) *Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ssetest"+path, nil)
	if err != nil {
		t.Fatalf("ssetest: %v", err)
	}
	if header != nil {
		req.Header = header.Clone()
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "text/event-stream")
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		t.Fatalf("ssetest: GET %s: %v", path, err)
	}
	return &Stream{Decoder: sse.NewDecoder(resp.Body, nil), Response: resp, cancel: cancel}
}

// Stream reads a response. Its Next, from [sse.Decoder], blocks until there is an event.
type Stream struct {
	*sse.Decoder
	// Response is the response; the Decoder reads its Body.
	Response *http.Response

	cancel context.CancelFunc
}

// patience is how long Event and Rest wait, so that a test whose event never comes fails instead of hanging: a minute,
// or in a bubble, whose clock begins in the year 2000 and where a test may span hours of silence, a year.
func patience() time.Duration {
	if time.Now().Year() < 2020 {
		return 365 * 24 * time.Hour
	}
	return time.Minute
}

// Event returns the next event, and fails the test if none comes within a minute, or, in a testing/synctest bubble,
// within a year of the bubble's time.
func (s *Stream) Event(t testing.TB) sse.Event {
	t.Helper()
	limit, late := patience(), atomic.Bool{}
	defer time.AfterFunc(limit, func() { late.Store(true); s.cancel() }).Stop()
	ev, err := s.Next()
	switch {
	case err != nil && late.Load():
		t.Fatalf("ssetest: no event within %v", limit)
	case err != nil:
		t.Fatalf("ssetest: next event: %v", err)
	}
	return ev
}

// Rest returns all events up to the end of the stream. If that does not come within the time that Event waits, or not
// cleanly, it marks the test as failed.
func (s *Stream) Rest(t testing.TB) []sse.Event {
	t.Helper()
	limit, late := patience(), atomic.Bool{}
	defer time.AfterFunc(limit, func() { late.Store(true); s.cancel() }).Stop()
	var events []sse.Event
	for {
		ev, err := s.Next()
		switch {
		case err == io.EOF:
			return events
		case err != nil && late.Load():
			t.Errorf("ssetest: no end of the stream within %v, after %d events", limit, len(events))
			return events
		case err != nil:
			t.Errorf("ssetest: end of the stream, after %d events: %v", len(events), err)
			return events
		}
		events = append(events, ev)
	}
}

// Close aborts the request.
func (s *Stream) Close() {
	s.cancel()
	_ = s.Response.Body.Close()
}

// listener passes the server's ends of pipes to Accept.
type listener struct {
	buffer int
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := newConn(l.buffer)
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "pipe" }
func (addr) String() string  { return "ssetest" }

// Writer is an [http.ResponseWriter] that can flush and takes deadlines, and records what is written. Set the fields
// before use to replace what a method does. All methods may be called from any goroutine.
type Writer struct {
	OnWrite            func(p []byte) (int, error)
	OnFlush            func() error
	OnSetWriteDeadline func(t time.Time) error

	mu sync.Mutex // guards the fields below

	header http.Header // the map itself is the handler's
	status int
	body   []byte
}

// Header implements [http.ResponseWriter].
func (w *Writer) Header() http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader implements [http.ResponseWriter]. The first status counts.
func (w *Writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.status = status
	}
}

// Write implements [http.ResponseWriter]: it calls OnWrite, or else records p.
func (w *Writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.OnWrite != nil {
		return w.OnWrite(p)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.body = append(w.body, p...)
	return len(p), nil
}

// FlushError is called by [http.ResponseController.Flush]; it calls OnFlush, if set.
func (w *Writer) FlushError() error {
	w.WriteHeader(http.StatusOK)
	if w.OnFlush != nil {
		return w.OnFlush()
	}
	return nil
}

// SetWriteDeadline is called by [http.ResponseController.SetWriteDeadline]; it calls OnSetWriteDeadline, if set.
func (w *Writer) SetWriteDeadline(t time.Time) error {
	if w.OnSetWriteDeadline != nil {
		return w.OnSetWriteDeadline(t)
	}
	return nil
}

// Status returns the status written, 0 if nothing has been written yet.
func (w *Writer) Status() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Body returns what has been written.
func (w *Writer) Body() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.body)
}
