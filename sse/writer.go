package sse

import (
	"fmt"
	"iter"
	"net"
	"net/http"
	"reflect"
	"strings"
	"time"
)

// WriterError is why a ResponseWriter cannot carry a stream. The remedy is an `Unwrap() http.ResponseWriter` method on
// the type that hides the methods, as [http.ResponseController] describes.
type WriterError struct {
	Writer  string   // the type that hides the methods, such as "*middleware.writer"
	Missing []string // of "Flush" and "SetWriteDeadline"
	Err     error    // of SetWriteDeadline, if it is there but fails
}

// Error names what is missing and the type that hides it.
func (e *WriterError) Error() string {
	if e.Err != nil {
		return "sse: set write deadline: " + e.Err.Error()
	}
	return fmt.Sprintf("sse: %s hides %s: add an Unwrap method", e.Writer, strings.Join(e.Missing, " and "))
}

// Unwrap returns e.Err.
func (e *WriterError) Unwrap() error { return e.Err }

// CheckWriter reports whether w can carry a stream: whether flushes and write deadlines reach the connection through
// all writers that middleware has put around it. It writes nothing. The error is a [*WriterError]. [Hub.Serve] and
// [Hub.ServeAll] check this themselves.
func CheckWriter(w http.ResponseWriter) error {
	// The innermost writer decides: an outer one may have a Flush that panics or does nothing when the inner one has
	// none.
	inner := innermost(w)
	var missing []string
	switch inner.(type) {
	case http.Flusher, interface{ FlushError() error }:
	default:
		missing = append(missing, "Flush")
	}
	if _, ok := inner.(interface{ SetWriteDeadline(time.Time) error }); !ok {
		missing = append(missing, "SetWriteDeadline")
	}
	if missing != nil {
		return &WriterError{Writer: fmt.Sprintf("%T", inner), Missing: missing}
	}
	return nil
}

// writers yields w and the writers that it wraps, from the outside in.
func writers(w http.ResponseWriter) iter.Seq[http.ResponseWriter] {
	return func(yield func(http.ResponseWriter) bool) {
		for yield(w) {
			u, ok := w.(interface{ Unwrap() http.ResponseWriter })
			if !ok {
				return
			}
			w = u.Unwrap()
		}
	}
}

// innermost returns the last of writers, which does not reveal a further one.
func innermost(w http.ResponseWriter) (inner http.ResponseWriter) {
	for inner = range writers(w) {
	}
	return inner
}

// encoded reports whether a header of w, or of a writer in it, declares a content encoding.
func encoded(w http.ResponseWriter) bool {
	for w := range writers(w) {
		if e := w.Header().Get("Content-Encoding"); e != "" && e != "identity" {
			return true
		}
	}
	return false
}

// reached reports whether n bytes of body have reached the server's own ResponseWriter. If everything written to w has,
// no writer around it holds back, adds or leaves out bytes. net/http does not export the number, and offers no other
// way to learn it without writing. If a later net/http renames the field, reached is true only for a bare
// ResponseWriter.
func reached(w http.ResponseWriter, n int64) bool {
	inner := innermost(w)
	v := reflect.ValueOf(inner)
	if !ofServer(v.Type()) {
		return false
	}
	written := v.Elem().FieldByName("written")
	if !written.IsValid() || !written.CanInt() {
		return w == inner
	}
	return written.Int() == n
}

// wrapped reports whether the connection of w is known to be something else than a *net.TCPConn, such as one that a
// listener has wrapped. Of writers that are not net/http's own, and where a later net/http has other names, nothing is
// known.
func wrapped(w http.ResponseWriter) bool {
	v := reflect.ValueOf(innermost(w))
	if !ofServer(v.Type()) {
		return false
	}
	if v = v.Elem().
		FieldByName("conn"); !v.IsValid() || v.Kind() != reflect.Pointer ||
		v.Elem().Kind() != reflect.Struct {
		return false
	}
	v = v.Elem().FieldByName("rwc")
	return v.IsValid() && v.Kind() == reflect.Interface && !v.IsNil() &&
		v.Elem().Type() != reflect.TypeFor[*net.TCPConn]()
}

// ofServer reports whether t is net/http's own ResponseWriter of a request over HTTP/1.
func ofServer(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "net/http" && t.Elem().Name() == "response"
}
