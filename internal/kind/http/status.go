package http

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

const maxRetryAfter = 24 * time.Hour

// A StatusError is an answer whose status is not accepted.
type StatusError struct {
	Code   int
	Status string // "429 Too Many Requests": the standard's words, not the server's
	Method string
	URL    string        // without user, password, query and fragment
	Said   string        // the message in the body, see [Says], without secrets; empty: none
	After  time.Duration // the server's Retry-After, 0 to 24 h; 0: none
}

// Asked is what the text of the error begins with, see [kind.Cause].
func (e *StatusError) Asked() string { return e.Method + " " + e.URL }

func (e *StatusError) Error() string {
	text := e.Asked() + ": " + e.Status
	if e.Said != "" {
		text += ": " + e.Said
	}
	return text
}

// Limited reports whether the status is 429: too many requests. It makes e a [kind.Refusal].
func (e *StatusError) Limited() bool { return e.Code == http.StatusTooManyRequests }

// RetryAfter returns After: how long the server wants to be left alone
// (RFC 9110 §10.2.3).
func (e *StatusError) RetryAfter() time.Duration { return e.After }

// refused returns the error for an answer whose status is not accepted, with the message in its body. Reading the
// body to its end lets the connection be reused.
func refused(resp *http.Response, method string, u *url.URL, secrets *secret.Redactor) *StatusError {
	e := statusError(resp, method, u, secrets)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid+1))
	e.Said = Says(resp.Header, hidden(resp, body), secrets)
	return e
}

func statusError(resp *http.Response, method string, u *url.URL, secrets *secret.Redactor) *StatusError {
	status := strconv.Itoa(resp.StatusCode)
	if text := http.StatusText(resp.StatusCode); text != "" {
		status += " " + text
	}
	now, err := http.ParseTime(resp.Header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return &StatusError{
		Code:   resp.StatusCode,
		Status: status,
		Method: method,
		URL:    address(u, secrets),
		After:  retryAfter(resp.Header.Get("Retry-After"), now),
	}
}

// retryAfter reads the header's value: seconds, or a date, relative to the server's
// now. A value that cannot be read counts as none.
func retryAfter(v string, now time.Time) time.Duration {
	v = strings.TrimSpace(v)
	if v != "" && strings.Trim(v, "0123456789") == "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil || seconds > int64(maxRetryAfter/time.Second) {
			return maxRetryAfter
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), maxRetryAfter))
}

// address returns the parts of u that may be shown; the others may hold keys and passwords.
func address(u *url.URL, secrets *secret.Redactor) string {
	path := u.EscapedPath()
	all := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	return strings.TrimSuffix(all, path) + secrets.Text(path)
}

// Reason is the short cause of a failed request: net/http repeats the address
// around it, and net the one that it resolved to.
func Reason(err error) string {
	var (
		bad   *value.ParseError
		ours  *guardError
		token *tokenError
		dns   *net.DNSError
		errno syscall.Errno
		op    *net.OpError
		outer *url.Error
	)
	if errors.As(err, &token) {
		return token.Error()
	}
	if text := tlsReason(err); text != "" {
		return text
	}
	switch {
	case errors.As(err, &bad):
		return bad.Error()
	case errors.As(err, &ours):
		return ours.Error()
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy: " + Reason(op.Err)
	case errors.As(err, &op) && op.Net == "unix" && op.Addr != nil:
		return "the socket " + op.Addr.String() + ": " + Reason(op.Err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host: " + dns.Name
	case errors.As(err, &dns):
		return "looking up " + dns.Name + ": " + dns.Err
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "the connection closed before the answer was complete"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &op):
		return op.Op + ": " + op.Err.Error()
	case errors.As(err, &outer):
		text := strings.TrimPrefix(outer.Err.Error(), "net/http: HTTP/1.x transport connection broken: ")
		return strings.TrimPrefix(text, "net/http: ")
	}
	return err.Error()
}
