package sse

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// maxDetail is how much of a body a StatusError keeps.
const maxDetail = 4 << 10

// StatusError is an answer that is not an event stream: its status is neither 200 nor 204, or it has another content
// type, or an encoding that cannot be read.
type StatusError struct {
	Method, URL string // of the request
	StatusCode  int
	Header      http.Header
	Body        []byte // its first 4 KiB
}

// Error names the request, the status, and the detail of an RFC 9457 problem in the body.
func (e *StatusError) Error() string {
	s := fmt.Sprintf("%s %s: %d %s", e.Method, e.URL, e.StatusCode, http.StatusText(e.StatusCode))
	if detail := problemDetail(e.Header, e.Body); detail != "" {
		return s + ": " + detail
	}
	if e.StatusCode != http.StatusOK {
		return s
	}
	if _, ok := decoded(e.Header, nil); !ok {
		s += fmt.Sprintf(", encoded as %q, want identity or gzip", e.Header.Get("Content-Encoding"))
	}
	if !isEventStream(e.Header) {
		s += fmt.Sprintf(" with content type %q, want text/event-stream", e.Header.Get("Content-Type"))
	}
	return s
}

// problemDetail returns the detail of an RFC 9457 problem, "" if body is not a problem.
func problemDetail(h http.Header, body []byte) string {
	var problem struct{ Detail string }
	if media, _, _ := mime.ParseMediaType(h.Get("Content-Type")); media != "application/problem+json" {
		return ""
	}
	_ = json.Unmarshal(body, &problem) // a body that is cut off has no detail
	return problem.Detail
}

// refusal returns the error for an answer that is not a stream, and how long the server asks to wait.
func refusal(resp *http.Response, body io.Reader) (asked time.Duration, err error) {
	e := &StatusError{
		Method:     resp.Request.Method,
		URL:        resp.Request.URL.Redacted(),
		StatusCode: resp.StatusCode,
		Header:     resp.Header,
	}
	e.Body, _ = io.ReadAll(io.LimitReader(body, maxDetail)) // as far as it arrived
	err = fmt.Errorf("sse: %w", e)
	if passes(resp.StatusCode) {
		if seconds, ok := retryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
			asked = seconds
		}
		return asked, err
	}
	return 0, finalError{err}
}

// passes reports whether status describes a temporary condition, or a proxy whose server is down, rather than the
// request. 520 to 524 are Cloudflare's statuses for the latter.
func passes(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
		520, 521, 522, 523, 524:
		return true
	}
	return false
}

// retryAfter parses the value of a Retry-After field: seconds or a date (RFC 9110 §10.2.3).
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	date, err := http.ParseTime(value)
	return max(date.Sub(now), 0), err == nil
}
