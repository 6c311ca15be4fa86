package kind

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/text"
)

// tracedBody is how many bytes of an answer, or of a value on the way, a trace shows.
const tracedBody = 2 << 10

// A Trace shows people what one fetch does, step by step, without secrets. A nil Trace shows nothing, so a fetch need
// not check for nil. Any goroutine may use it.
type Trace struct {
	secrets *secret.Redactor
	start   time.Time

	mu sync.Mutex // guards the field below

	w io.Writer
}

// NewTrace returns a trace of a fetch that begins now. It is written to w.
func NewTrace(w io.Writer, secrets *secret.Redactor) *Trace {
	return &Trace{w: w, secrets: secrets, start: time.Now()}
}

type traceKey struct{}

// WithTrace returns a context whose fetch shows in t what it does.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// TraceOf returns the trace of ctx, nil if there is none. A trace belongs to one fetch, so it comes with the context of
// the fetch rather than with the [Env] of the source.
func TraceOf(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

// Section begins a part of the trace with a heading.
func (t *Trace) Section(format string, args ...any) {
	if t != nil {
		t.write("\n" + fmt.Sprintf(format, args...) + "\n")
	}
}

// Line writes a line of the section.
func (t *Trace) Line(format string, args ...any) {
	if t != nil {
		t.write("  " + text.Words(t.secrets.Text(fmt.Sprintf(format, args...))) + "\n")
	}
}

// Block writes a text into the section. It cuts off the end of a long one.
func (t *Trace) Block(body string) {
	if t == nil {
		return
	}
	rest := len(body) - tracedBody
	if rest > 0 {
		body = t.secrets.Cut(text.Plain(body[:tracedBody]))
	} else {
		body = t.secrets.Text(text.Plain(body))
	}
	var lines strings.Builder
	for line := range strings.Lines(body) {
		lines.WriteString("  " + strings.TrimRight(line, "\n") + "\n")
	}
	if rest > 0 {
		fmt.Fprintf(&lines, "  ... and %d bytes more\n", rest)
	}
	t.write(lines.String())
}

func (t *Trace) write(s string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.w, s) // the reader may have left, as in a pipe to head
}

// Output writes the section of what was read, before it is parsed. ReadIn is how long reading took; 0 if that is not
// known.
func (t *Trace) Output(body []byte, readIn time.Duration) {
	switch {
	case t == nil:
	case len(body) == 0:
		t.Section("no output")
	default:
		took := ""
		if readIn > 0 {
			took = ", read in " + Short(readIn)
		}
		t.Section("output of %d bytes%s", len(body), took)
		t.Block(string(body))
	}
}

// Took returns the time since the fetch began, with the digits that people read.
func (t *Trace) Took() string {
	if t == nil {
		return ""
	}
	return Short(time.Since(t.start))
}

// Short returns a duration with the digits that people read.
func Short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}
