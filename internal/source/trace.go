package source

import (
	"context"
	"net/http"
)

// A Trace is told what a fetch does, for people who want to see it. Funcs that are nil are
// not called. They are called on the goroutine of the fetch, and must change nothing.
type Trace struct {
	Request  func(*http.Request)           // before the request is sent; not of redirects
	Response func(*http.Response)          // when the head of the answer is there; the body is not to be read
	Exit     func(code int, stderr string) // when a program has ended, with the last line of its standard error; -1: not started, or ended by a signal
	Body     func([]byte)                  // the answer, or standard output, before it is parsed
}

type traceKey struct{}

// WithTrace returns a context whose fetches tell t what they do.
func WithTrace(ctx context.Context, t *Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, t)
}

// traceIn returns the trace of ctx, nil if there is none.
func traceIn(ctx context.Context) *Trace {
	t, _ := ctx.Value(traceKey{}).(*Trace)
	return t
}

func (t *Trace) request(r *http.Request) {
	if t != nil && t.Request != nil {
		t.Request(r)
	}
}

func (t *Trace) response(r *http.Response) {
	if t != nil && t.Response != nil {
		t.Response(r)
	}
}

func (t *Trace) exit(code int, stderr string, stdout []byte) {
	if t != nil && t.Exit != nil {
		t.Exit(code, stderr)
	}
	t.body(stdout)
}

func (t *Trace) body(b []byte) {
	if t != nil && t.Body != nil {
		t.Body(b)
	}
}
