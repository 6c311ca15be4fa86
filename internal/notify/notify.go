// Package notify brings messages about alerts to people: it is the seam between what is to be told, which package alert
// decides, and the ways to tell it.
//
// A [Message] says what a receiver is told. A [Receiver] is one entry of `notify` in the configuration. Whoever has a
// message for it calls [Receiver.Send], and learns from an [*Error] whether trying again makes sense.
//
// # Bounds
//
// A call takes at most [CallTimeout]. Of an answer at most a few KiB are read, only to be quoted in an error. Redirects
// are never followed: a message goes nowhere but to the address in the configuration. Errors, and what [Receiver.Show]
// says, have no secrets of the receiver in them.
//
// # Concurrency
//
// A Receiver belongs to the configuration that it was read from and is not changed: any number of goroutines may use it.
// A call has nothing in common with other calls but the connections of its client. Package alert makes one call of a
// receiver at a time, of several receivers at once.
package notify

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// CallTimeout bounds one call of a receiver, from the lookup of its name to the end of its answer.
const CallTimeout = 10 * time.Second

// A Receiver tells people what a message says.
type Receiver interface {
	// Kind is the way that it takes, for logs and metrics, such as "http".
	Kind() string
	// Send makes one call. Client makes requests over HTTP; only its transport is used, and nil stands for one that all
	// share. The error is an [*Error].
	Send(ctx context.Context, client *http.Client, m Message) error
	// Show returns what Send would send, as text for people, with secrets hidden.
	Show(m Message) (string, error)
}

// An Error says why a call of a receiver failed, in one line without secrets.
type Error struct {
	Permanent bool          // trying again would fail in the same way
	After     time.Duration // how long the receiver wants to be left alone; 0: it does not say
	Err       error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// RetryAfter returns After. It is what [smartpoll.Retry] asks errors for.
func (e *Error) RetryAfter() time.Duration { return e.After }

// permanent returns an error of what was not even tried, because it would always fail.
func permanent(err error) *Error { return &Error{Permanent: true, Err: err} }

// within bounds a call.
func within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, CallTimeout, clock.TimedOut{After: CallTimeout})
}

// ofHTTP says what an error of a request means.
func ofHTTP(err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Err: err}
	if status, ok := errors.AsType[*httpkind.StatusError](err); ok {
		e.After = status.After
		switch status.Code {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		default:
			e.Permanent = status.Code < 500
		}
	}
	if refused, ok := errors.AsType[*refusedError](err); ok {
		e.Permanent = refused.permanent
	}
	return e
}
