package sse

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"net/http"
	"time"
)

// ErrSilent is wrapped by what [Client].OnRetry gets for a connection that was abandoned because of [Client].Silence.
var ErrSilent = errors.New("the connection has been silent for too long")

// Client reads event streams of HTTP servers, and reconnects whenever one breaks off, as WHATWG HTML §9.2.3 specifies
// for an EventSource. Beyond that, it can send any request, spreads and slows down its attempts, notices a connection
// that has gone silent, and retries after errors of a proxy whose server is down. The zero value is ready to use. A
// Client may be used from any number of goroutines; its fields must not be changed meanwhile.
type Client struct {
	// HTTP makes the requests and follows redirects. A redirect to another origin (scheme, host or port; http to https
	// on the standard ports of a host aside) gets only headers that describe the request, such as Accept and
	// Last-Event-ID: credentials go only where they were meant to go. The client should have no Timeout, which would
	// limit the life of a stream. Nil means a shared client that sends pings over HTTP/2, so that it abandons a
	// connection whose path is dead, unlike [http.DefaultClient].
	HTTP *http.Client
	// MaxEvent bounds the bytes of one event and of any one line, as in [ReadOptions]. A larger one ends the loop with
	// [ErrTooLong]. Zero means 1 MiB.
	MaxEvent int
	// Silence is how long a connection may be without a byte before it is abandoned and replaced. It should be 2.5
	// times the server's heartbeat. Zero means 37.5 seconds, negative means no limit.
	Silence time.Duration
	// Retry is the time to wait before reconnecting, until the server asks for another one. Zero means 3 seconds.
	Retry time.Duration
	// MaxRetry is the maximum to which the wait grows while connections deliver nothing. Zero means 30 seconds.
	MaxRetry time.Duration
	// StopAtTerminal ends the loop when the server closes a stream whose last id is that of a terminal (see
	// [IsTerminalID]), without the further request that the server would answer with 204. Leave it false for servers
	// whose ids may end in -end by chance.
	StopAtTerminal bool
	// OnConnect, if not nil, is called for each answer that is an event stream, before its first event: the reader is
	// live from then until the next OnRetry. It is called by the loop, and must not read the Body.
	OnConnect func(*http.Response)
	// OnRetry, if not nil, is called when a connection has ended, with the reason and the wait before the next one. The
	// reason wraps [io.EOF] if the server closed the connection, [ErrSilent] or a [*StatusError]; otherwise it is that
	// of the network. It is called by the loop. To give up, it cancels the context.
	OnRetry func(err error, wait time.Duration)
}

// Events makes req and yields the events of its answer, control events included (see the package documentation), and
// those of every later connection. Each range over the result begins anew. The loop ends:
//
//   - without an error when the server answers 204, or at a terminal if StopAtTerminal is set;
//   - with context.Cause(ctx) as its last pair when ctx ends;
//   - with any other error as its last pair when another attempt would not help: a [*StatusError], [ErrTooLong], a
//     certificate that cannot be verified, a redirect that http.Client refuses, a request that cannot be repeated.
//
// After any other end of a connection, the loop waits and tries again, for as long as ctx lasts. That covers network
// errors, a close by the server, silence, and the statuses 408, 425, 429, 502, 503, 504, and 520 to 524, with which a
// CDN answers while its origin is down. A stream that is compressed with gzip, although that was not asked for, is
// read; one in another encoding ends the loop. The wait is the last one that the server asked for with `retry:` or
// Retry-After, an hour at most, or else [Client].Retry. It doubles, up to MaxRetry, while connections bring neither an
// event nor a `retry:`, and is extended by up to half at random.
//
// A repeated request has the id of the last event in Last-Event-ID; for the first request it is taken from req. An id
// that no header can carry is not sent. If req has a body, it needs GetBody, which [http.NewRequest] sets for the
// readers that it knows. The context of req is ignored. An event that is incomplete when a connection breaks off is
// discarded. While the loop body runs, nothing is read and that time does not count as silence.
func (c *Client) Events(ctx context.Context, req *http.Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		s := &subscription{
			Client: c,
			req:    req,
			lastID: req.Header.Get("Last-Event-ID"),
			retry:  cmp.Or(max(c.Retry, 0), 3*time.Second),
		}
		for {
			asked, err := s.connect(ctx, yield)
			if err == nil || err == errLeft {
				return
			}
			final := new(finalError)
			switch {
			case ctx.Err() != nil:
				yield(Event{}, context.Cause(ctx))
				return
			case errors.As(err, final):
				yield(Event{}, final.error)
				return
			}
			wait := s.wait(asked)
			if c.OnRetry != nil {
				c.OnRetry(err, wait)
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				yield(Event{}, context.Cause(ctx))
				return
			}
		}
	}
}
