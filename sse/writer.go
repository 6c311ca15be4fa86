package sse

import (
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"time"
)

// CheckWriter reports whether w can carry a stream: whether a flush and a write deadline reach the connection through
// all the writers that middleware has put around it. It writes nothing. The error names what is missing and the type
// that hides it; the remedy is an `Unwrap() http.ResponseWriter` method on that type, as [http.ResponseController]
// describes. [Hub.Serve] and [Hub.ServeAll] check this themselves.
func CheckWriter(w http.ResponseWriter) error {
	// The innermost writer counts: an outer one may have a Flush that panics or does nothing when the inner one has none.
	inner := innermost(w)
	missing := ""
	switch inner.(type) {
	case http.Flusher, interface{ FlushError() error }:
	default:
		missing = "Flush"
	}
	if _, ok := inner.(interface{ SetWriteDeadline(time.Time) error }); !ok {
		if missing != "" {
			missing += " and "
		}
		missing += "SetWriteDeadline"
	}
	if missing != "" {
		return fmt.Errorf("sse: %T hides %s: add an Unwrap method", inner, missing)
	}
	return nil
}

// writers yields w and the writers that it is wrapped around, one after the other.
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

// innermost is the last of writers, which has no other in it that it shows.
func innermost(w http.ResponseWriter) (inner http.ResponseWriter) {
	for inner = range writers(w) {
	}
	return inner
}

// encoded reports whether a header of w, or of a writer in it, says that what is written will be, or was, encoded.
func encoded(w http.ResponseWriter) bool {
	for w := range writers(w) {
		if e := w.Header().Get("Content-Encoding"); e != "" && e != "identity" {
			return true
		}
	}
	return false
}

// reached reports whether n bytes of body have reached the server's own ResponseWriter: if all that was written to w did,
// nothing around it holds anything back, nor adds or leaves out any. net/http keeps the number to itself, and nothing that
// it offers tells it without writing. Where a later net/http has another name for it, only a bare ResponseWriter is sure.
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

// ofServer reports whether t is net/http's own ResponseWriter of a request over HTTP/1.
func ofServer(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "net/http" && t.Elem().Name() == "response"
}
