// Package ssetest helps to test handlers that serve Server-Sent Events.
package ssetest

import (
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// Server serves a handler over connections in memory ([net.Pipe]), so that it works in a testing/synctest bubble: a
// client that does not read blocks the server's next write at once.
type Server struct {
	// Client makes requests to the server, whatever host their URL names.
	Client *http.Client
}

// NewServer starts a server for h, which ends with the test.
func NewServer(t testing.TB, h http.Handler) *Server { return &Server{} }

// Open requests path (such as "/x?topic=a") and returns the response as a stream. header may be nil. It fails the test if
// there is no response; any status is fine. The stream ends with the test, if not before.
func (s *Server) Open(t testing.TB, path string, header http.Header) *Stream { return &Stream{} }

// Stream is a response being read.
type Stream struct {
	*sse.Decoder
	// Response is the response; its Body is what the Decoder reads.
	Response *http.Response
}

// Close breaks the request off.
func (s *Stream) Close() {}

// Writer is an http.ResponseWriter whose methods can be replaced. The zero value accepts everything and keeps what was
// written. It is not safe for concurrent use, but SetWriteDeadline is.
type Writer struct {
	OnWrite            func([]byte) (int, error)
	OnFlush            func() error
	OnSetWriteDeadline func(time.Time) error
}

// Header implements http.ResponseWriter.
func (w *Writer) Header() http.Header { return nil }

// WriteHeader implements http.ResponseWriter.
func (w *Writer) WriteHeader(status int) {}

// Write implements http.ResponseWriter.
func (w *Writer) Write(p []byte) (int, error) { return len(p), nil }

// FlushError implements the flushing that http.ResponseController looks for.
func (w *Writer) FlushError() error { return nil }

// SetWriteDeadline implements the deadline that http.ResponseController looks for.
func (w *Writer) SetWriteDeadline(t time.Time) error { return nil }
