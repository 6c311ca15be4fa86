package kind_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
)

func TestFail(t *testing.T) {
	cause := errors.New("refused by 10.0.0.7 with key s3cret-key\n")
	secrets := secret.New("s3cret-key")
	err := kind.Fail(t.Context(), time.Now(), "plant", cause.Error(), cause, secrets)
	if want := "plant: refused by 10.0.0.7 with key ***"; err.Error() != want || !errors.Is(err, cause) {
		t.Errorf("Fail = %v, want %s, which wraps the cause", err, want)
	}
	over := errors.New("the gateway stops")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(over)
	if err := kind.Fail(ctx, time.Now(), "plant", "closed", cause, secrets); err.Error() != "plant: the gateway stops" || !errors.Is(err, over) {
		t.Errorf("Fail = %v, want why the context has ended", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	<-ctx.Done()
	if err := kind.Fail(ctx, time.Now(), "plant", "closed", cause, nil); !strings.HasPrefix(err.Error(), "plant: timed out after ") {
		t.Errorf("Fail = %v, want that it has timed out", err)
	}
}

// refusal is an answer that refuses.
type refusal bool

func (r refusal) Error() string { return "refused" }
func (r refusal) Limited() bool { return bool(r) }

func TestRefusal(t *testing.T) {
	for err, want := range map[error][2]bool{
		refusal(false):                         {true, false},
		refusal(true):                          {true, true},
		fmt.Errorf("x: %w", refusal(true)):     {true, true},
		errors.New("connection reset by peer"): {false, false},
	} {
		if got := [2]bool{kind.Refused(err), kind.Limited(err)}; got != want {
			t.Errorf("%v: refused and limited = %v, want %v", err, got, want)
		}
	}
}

// A fetch without a trace shows nothing, and need not ask.
func TestNoTrace(t *testing.T) {
	none := kind.TraceOf(t.Context())
	none.Section("request")
	none.Line("x")
	none.Block("x")
	none.Output([]byte("x"), time.Second)
	if none != nil || none.Took() != "" {
		t.Errorf("TraceOf = %v, want none", none)
	}
}

func TestTrace(t *testing.T) {
	var b strings.Builder
	trace := kind.TraceOf(kind.WithTrace(t.Context(), kind.NewTrace(&b, secret.New("s3cret-key"))))
	trace.Section("request of %d bytes", 3)
	trace.Line("key: %s\nand\x1b[31m more", "s3cret-key")
	trace.Output([]byte("a s3cret-key\n\x1b[1mb\n"), 1500*time.Microsecond)
	trace.Output(nil, 0)
	trace.Block(strings.Repeat("x", 2<<10) + "s3cret-key")
	want := "\nrequest of 3 bytes\n  key: *** and more\n\noutput of 19 bytes, read in 1.5ms\n  a ***\n  b\n\nno output\n  " +
		strings.Repeat("x", 2<<10) + "\n  ... and 10 bytes more\n"
	if got := b.String(); got != want {
		t.Errorf("the trace is\n%q\nwant\n%q", got, want)
	}
}

func TestCanAsk(t *testing.T) {
	var told struct{ kind.Told }
	if kind.CanAsk(told) || !kind.CanAsk(kind.Values(nil)) {
		t.Error("CanAsk does not tell what is told from what is asked")
	}
	if _, err := told.Fetch(t.Context()); err != kind.ErrNotAsked {
		t.Errorf("Fetch = %v, want %v", err, kind.ErrNotAsked)
	}
}
