package kind

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
)

// A Failure is the reason why there is no value: a line for a card on a page, and its cause, whose own text is longer.
type Failure struct {
	Text string // see [Brief]
	What string // was asked for a value: Text begins with it, a colon and a space; empty: the text does not tell it apart
	Err  error
}

func (e *Failure) Error() string { return e.Text }
func (e *Failure) Unwrap() error { return e.Err }

// Asked is What.
func (e *Failure) Asked() string { return e.What }

// Fail returns the [*Failure] of a fetch that began at start: "what: reason". What names the thing that was asked for a
// value, reason describes err in a few words. If ctx has ended, the reason is that, and the cause [context.Cause] of
// ctx. Secrets are hidden in reason, not in what.
func Fail(ctx context.Context, start time.Time, what, reason string, err error, secrets *secret.Redactor) *Failure {
	if text := Interrupted(ctx, start); text != "" {
		reason, err = text, context.Cause(ctx)
	}
	return &Failure{what + ": " + Brief(reason, secrets), what, err}
}

// Cause returns the text of an error of a fetch without what was asked: "connection refused". It is the whole text if that
// does not tell the two apart: an error says by a method Asked what its text begins with, before a colon and a space.
func Cause(err error) string {
	shown := err.Error()
	var asked interface{ Asked() string }
	if errors.As(err, &asked) && asked.Asked() != "" {
		return strings.TrimPrefix(shown, asked.Asked()+": ")
	}
	return shown
}

// Interrupted describes how ctx ended a fetch that began at start; "" if ctx has not ended.
func Interrupted(ctx context.Context, start time.Time) string {
	cause := context.Cause(ctx)
	switch {
	case cause == nil:
		return ""
	case cause == context.DeadlineExceeded: // the deadline was set without a cause that names it
		if deadline, ok := ctx.Deadline(); ok {
			return "timed out after " + clock.Words(rounded(deadline.Sub(start)))
		}
		return "timed out"
	}
	return Brief(cause.Error(), nil)
}

// rounded leaves the digits of d that people read. A context is made a moment before the fetch begins, so what
// is left then is a little less than the timeout.
func rounded(d time.Duration) time.Duration {
	unit := time.Millisecond
	if d > time.Second {
		unit = 10 * time.Millisecond
	}
	return max(0, d.Round(unit))
}

// Brief makes one line of s without secrets, short enough for a card: at most 160 characters.
func Brief(s string, secrets *secret.Redactor) string {
	const most = 160
	return text.Cut(secrets.Text(text.Words(s)), most)
}

// A Refusal is an error that the peer has answered, so the peer could be reached. A fetch that the machine has slept
// through counts as failed only if its error is a Refusal.
type Refusal interface {
	error
	// Limited reports whether the peer wants to be asked less often.
	Limited() bool
}

// Refused reports whether err is, or wraps, a [Refusal].
func Refused(err error) bool {
	var r Refusal
	return errors.As(err, &r)
}

// Limited reports whether err is, or wraps, a [Refusal] of too many requests.
func Limited(err error) bool {
	var r Refusal
	return errors.As(err, &r) && r.Limited()
}
