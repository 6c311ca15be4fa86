package sse

import (
	"fmt"
	"net/http"
	"time"
)

// CheckWriter reports whether w can carry a stream: whether a flush and a write deadline reach the connection through
// all the writers that middleware has put around it. It writes nothing. The error names what is missing and the type
// that hides it; the remedy is an `Unwrap() http.ResponseWriter` method on that type, as [http.ResponseController]
// describes. [Hub.Serve] and [Hub.ServeAll] check this themselves.
func CheckWriter(w http.ResponseWriter) error {
	// The innermost writer counts: an outer one may have a Flush that panics or does nothing when the inner one has none.
	inner := w
	for {
		u, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		inner = u.Unwrap()
	}
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
