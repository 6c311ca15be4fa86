package sse

import (
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/httpclient"
)

const (
	minRetry  = 100 * time.Millisecond // the shortest wait, whatever a server asks for
	maxAsked  = time.Hour              // the longest wait that a server can ask for
	maxSentID = 4 << 10                // servers refuse requests with very large headers
)

// errLeft means that the caller has left the loop.
var errLeft = errors.New("left")

// subscription is one loop over [Client.Events], on that loop's goroutine.
type subscription struct {
	*Client
	req *http.Request

	lastID string        // of the last complete block with an id, on any connection
	retry  time.Duration // the current one
	failed int           // connections in a row that brought no event
}

// finalError ends the loop.
type finalError struct{ error }

// wait returns how long to wait before the next connection; asked is the wait that the server asked for on the last
// one.
func (s *subscription) wait(asked time.Duration) time.Duration {
	wait := min(asked, maxAsked)
	if wait <= 0 {
		wait = s.retry
		limit := cmp.Or(max(s.MaxRetry, 0), 30*time.Second)
		for n := s.failed; n > 1 && wait < limit; n-- {
			wait += min(wait, limit-wait)
		}
	}
	wait = max(wait, minRetry)
	return wait + min(rand.N(wait/2), math.MaxInt64-wait)
}

// connect makes one connection and yields its events. It returns the wait that the server asked for, 0 if none, and why
// the connection ended: nil ends the loop.
func (s *subscription) connect(ctx context.Context, yield func(Event, error) bool) (asked time.Duration, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := s.request(ctx)
	if err != nil {
		return 0, finalError{err}
	}
	s.failed++
	alarm := newAlarm(s.Silence, func() { cancel(ErrSilent) })
	client := httpclient.KeepCredentials(s.HTTP)
	alarm.arm()
	resp, err := client.Do(req)
	alarm.disarm()
	if err != nil {
		refused := resp != nil // refused by CheckRedirect; the body is closed
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		err = fmt.Errorf("sse: %w", err)
		if refused || errors.As(err, new(*tls.CertificateVerificationError)) {
			err = finalError{err}
		}
		return 0, err
	}
	defer resp.Body.Close()
	body := &alarmedReader{resp.Body, alarm}
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return 0, nil
	case resp.StatusCode != http.StatusOK || !isEventStream(resp.Header):
		return refusal(resp, body)
	}
	plain, ok := decoded(resp.Header, body)
	if !ok {
		return refusal(resp, http.NoBody) // what comes is of no use, and may come slowly
	}
	if s.OnConnect != nil {
		s.OnConnect(resp)
	}
	return s.read(ctx, plain, yield)
}

// decoded returns body without its encoding, and whether that is one that can be read. The request asks for identity,
// but some servers and proxies compress anyway.
func decoded(h http.Header, body io.Reader) (plain io.Reader, ok bool) {
	switch strings.ToLower(strings.TrimSpace(h.Get("Content-Encoding"))) {
	case "", "identity":
		return body, true
	case "gzip", "x-gzip":
		return &gzipReader{body: body}, true
	}
	return nil, false
}

// gzipReader decompresses body. The gzip header is read with the first byte, so that a stream counts as open before any
// data arrives.
type gzipReader struct {
	body io.Reader
	gz   *gzip.Reader
}

func (r *gzipReader) Read(p []byte) (n int, err error) {
	if r.gz == nil {
		if r.gz, err = gzip.NewReader(r.body); err != nil {
			return 0, err
		}
	}
	return r.gz.Read(p)
}

// read yields the events of a stream. Its results are those of connect.
func (s *subscription) read(
	ctx context.Context, body io.Reader, yield func(Event, error) bool) (asked time.Duration, err error) {
	d := NewDecoder(body, &ReadOptions{MaxEvent: s.MaxEvent})
	d.lastID = s.lastID // the id outlives its connection
	for {
		ev, err := d.Next()
		s.lastID = d.LastEventID()
		if asked = d.Retry(); asked > 0 {
			s.retry = min(asked, maxAsked)
		}
		switch {
		case err == nil:
			s.failed = 0
			if !yield(ev, nil) {
				return 0, errLeft
			}
		case errors.Is(err, ErrTooLong):
			return 0, finalError{err}
		case err == io.EOF && s.StopAtTerminal && IsTerminalID(s.lastID):
			return 0, nil
		default:
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return asked, fmt.Errorf("sse: the stream ended: %w", err)
		}
	}
}

// request returns the request for the next connection.
func (s *subscription) request(ctx context.Context) (*http.Request, error) {
	if u := s.req.URL; u == nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("sse: the request's URL is %v: an absolute http or https URL is needed", u)
	}
	req := s.req.Clone(ctx)
	if s.req.Body != nil && s.req.Body != http.NoBody {
		if s.req.GetBody == nil {
			return nil, errors.New("sse: the request has a body that can be sent only once: set its GetBody")
		}
		body, err := s.req.GetBody()
		if err != nil {
			return nil, fmt.Errorf("sse: get the request's body: %w", err)
		}
		req.Body = body
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	setDefault(req.Header, "Accept", "text/event-stream")
	setDefault(req.Header, "Accept-Encoding", "identity") // a compressed stream would arrive only when a window is full
	setDefault(req.Header, "Cache-Control", "no-cache")
	req.Header.Del("Last-Event-ID")
	if s.lastID != "" && sendable(s.lastID) {
		req.Header.Set("Last-Event-ID", s.lastID)
	}
	return req, nil
}

// sendable reports whether id is allowed in a header (RFC 9110 §5.5); with any other id every further request would
// fail.
func sendable(id string) bool {
	for _, c := range []byte(id) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return len(id) <= maxSentID
}

// isEventStream reports whether the content type is text/event-stream, whatever its parameters: the encoding is UTF-8
// in any case (§9.2.5).
func isEventStream(h http.Header) bool {
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return media == "text/event-stream" && (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter))
}

// alarm calls a function when it has been armed for the length of a silence.
type alarm struct {
	silence time.Duration
	call    func()
	timer   *time.Timer // nil until armed
}

// newAlarm returns an alarm that goes off after silence, never if that is negative.
func newAlarm(silence time.Duration, call func()) *alarm {
	return &alarm{silence: cmp.Or(silence, 37500*time.Millisecond), call: call}
}

func (a *alarm) arm() {
	switch {
	case a.silence < 0:
	case a.timer == nil:
		a.timer = time.AfterFunc(a.silence, a.call)
	default:
		a.timer.Reset(a.silence)
	}
}

func (a *alarm) disarm() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// alarmedReader arms the alarm for each Read.
type alarmedReader struct {
	io.Reader
	alarm *alarm
}

func (r *alarmedReader) Read(p []byte) (int, error) {
	r.alarm.arm()
	defer r.alarm.disarm()
	return r.Reader.Read(p)
}
