// Package source fetches values from the outside world: one type a protocol,
// each with
//
//	Fetch(ctx context.Context) (any, error)
//
// which takes as long as ctx allows and may be called from any goroutine.
//
// # Values
//
// How bytes become a value is the type's Parse:
//
//   - "json": one JSON value as encoding/json decodes it into an any; integers
//     that a float64 cannot hold exactly are [json.Number].
//   - "text": a string without surrounding white space.
//   - "lines": a []any of strings, one a line, each without surrounding white space.
//
// # Hostile answers
//
// A body has at most [MaxBody] bytes, after decompression, and JSON at most
// [MaxDepth] levels: an endless body, a gzip bomb and deep nesting end as an
// error after that much. Redirects are followed three times and on the same host only,
// so a credential never leaves the host that it is for.
//
// # Where requests go
//
// Whoever writes the address of a source is trusted, also with one on loopback or in a
// private network. What a name resolves to is not: the addresses of link-local
// networks and of the clouds' metadata services, which hand out credentials to whoever
// asks from the machine, are refused when the connection is made, in every way in
// which IPv6 writes them. Through a proxy (HTTP_PROXY, HTTPS_PROXY) such an address is
// refused where the URL itself has it; names are resolved by the proxy, in its
// network and by its rules.
//
// # Errors
//
// An error is one line for a card on a page:
//
//	GET http://127.0.0.1:8080/now: connection refused
//	GET http://127.0.0.1:8080/now: timed out after 5s
//	df: exit status 1: df: /data: No such file or directory
//
// It names method and address without user, password and query, or the program
// without its arguments, never a header's value, even if the server repeats it.
package source

import (
	"context"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
)

const (
	MaxBody  = 4 << 20 // bytes of an answer
	MaxDepth = 100     // levels of arrays and objects in JSON
	MaxConns = 64      // connections of a client to one host
)

var errTooLarge = fmt.Errorf("the answer is larger than %d MiB", MaxBody>>20)

// A failure is a short text with its cause, whose own text is longer.
type failure struct {
	text string
	err  error
}

func (e *failure) Error() string { return e.text }
func (e *failure) Unwrap() error { return e.err }

// interrupted says how ctx ended a fetch that began at start, or "" if it did not.
func interrupted(ctx context.Context, start time.Time) string {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return ""
	case cause == context.DeadlineExceeded: // whoever has set the deadline has not named it
		if deadline, ok := ctx.Deadline(); ok {
			return fmt.Sprintf("timed out after %v", rounded(deadline.Sub(start)))
		}
		return "timed out"
	}
	return brief(cause.Error(), nil)
}

// rounded leaves the digits of d that people read: a context is made a moment
// before the fetch begins.
func rounded(d time.Duration) time.Duration {
	unit := time.Millisecond
	if d > time.Second {
		unit = 10 * time.Millisecond
	}
	return max(0, d.Round(unit))
}

// brief makes one line of s without secrets, short enough for a card.
func brief(s string, secrets *secret.Redactor) string {
	const most = 160 // characters
	return text.Cut(secrets.Text(text.Words(s)), most)
}
