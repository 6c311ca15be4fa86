package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	maxRedirects  = 3
	maxRetryAfter = 24 * time.Hour
	userAgent     = "tidewire"
)

// HTTP fetches a value with a GET request.
type HTTP struct {
	Client *http.Client // its transport is used; its redirect policy and its cookies are not. nil: one that all such sources share
	URL    *url.URL     // http or https; not modified
	Header http.Header  // sent as they are, also after a redirect on the same host; not modified
	Parse  string       // "json", "text" or "lines"; empty: "json"
}

// NewClient returns a client for any number of sources: it reuses connections,
// keeps no cookies, and bounds what one host may take (16 connections, 4 of them
// idle). How long a request may take is up to its context.
func NewClient() *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConns:           100,
		MaxIdleConnsPerHost:    4,
		MaxConnsPerHost:        16,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}}
}

var shared = NewClient()

// A StatusError says that the server answered, but not with 200 to 299.
type StatusError struct {
	Code   int
	Status string // "429 Too Many Requests": the standard's words, not the server's
	Method string
	URL    string        // without user, password, query and fragment
	After  time.Duration // what the server's Retry-After asks for, 0 to 24 h; 0: nothing
}

func (e *StatusError) Error() string { return e.Method + " " + e.URL + ": " + e.Status }

// RetryAfter returns After: how long the server wants to be left alone
// (RFC 9110 §10.2.3).
func (e *StatusError) RetryAfter() time.Duration { return e.After }

// Fetch requests the value once. Its errors are a [*StatusError], or wrap what
// went wrong on the way: a network error, [context.Cause] of ctx, or a body
// that is too large or not what Parse wants.
func (h HTTP) Fetch(ctx context.Context) (any, error) {
	start := time.Now()
	v, err := h.fetch(ctx)
	if err == nil {
		return v, nil
	}
	if _, ok := err.(*StatusError); ok {
		return nil, err
	}
	text := interrupted(ctx, start)
	if text == "" {
		text = reason(err)
	} else {
		err = context.Cause(ctx)
	}
	return nil, &failure{"GET " + address(h.URL) + ": " + brief(h.hide(text)), err}
}

func (h HTTP) fetch(ctx context.Context) (any, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL.String(), nil)
	if err != nil {
		return nil, err
	}
	how := h.Parse
	if how == "" {
		how = "json"
	}
	req.Header.Set("User-Agent", userAgent)
	if how == "json" {
		req.Header.Set("Accept", "application/json, */*;q=0.1")
	}
	for k, values := range h.Header {
		if k = http.CanonicalHeaderKey(k); k == "Host" && len(values) > 0 {
			req.Host = values[0]
		} else {
			req.Header[k] = values
		}
	}
	client := http.Client{CheckRedirect: redirect, Transport: shared.Transport}
	if h.Client != nil {
		client.Transport = h.Client.Transport
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		// So that the connection serves again; a body of unknown length is not waited for.
		if 0 <= resp.ContentLength && resp.ContentLength <= 4<<10 {
			_, _ = io.Copy(io.Discard, resp.Body)
		}
		return nil, h.statusError(resp)
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, fmt.Errorf("the answer is encoded as %q, want gzip or plain", enc)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err != nil {
		return nil, fmt.Errorf("the answer breaks off after %d bytes: %w", len(body), err)
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("the answer is larger than %d MiB", MaxBody>>20)
	}
	v, err := parse(how, body)
	if e, ok := errors.AsType[*parseError](err); ok {
		if kind := resp.Header.Get("Content-Type"); kind != "" && !strings.Contains(kind, "json") {
			e.what = "got " + brief(kind) + ", want JSON"
		}
		e.start = h.hide(e.start)
	}
	return v, err
}

// redirect follows where the credential may go too.
func redirect(req *http.Request, via []*http.Request) error {
	from := via[len(via)-1].URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	case !strings.EqualFold(req.URL.Host, from.Host):
		return fmt.Errorf("redirected to another host, %s: want its own upstream", req.URL.Host)
	case req.URL.Scheme != from.Scheme && req.URL.Scheme != "https":
		return errors.New("redirected from https to http")
	}
	return nil
}

func (h HTTP) statusError(resp *http.Response) *StatusError {
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
		Method: http.MethodGet,
		URL:    address(h.URL),
		After:  retryAfter(resp.Header.Get("Retry-After"), now),
	}
}

// retryAfter reads the header's value: seconds, or a date, which counts from
// the server's now. What cannot be read asks for nothing.
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

// address is what of u may be shown: keys and passwords are kept in the rest.
func address(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	return shown.String()
}

// reason is the short cause of a failed request: net/http repeats the address
// around it, and net the one that it resolved to.
func reason(err error) string {
	var (
		bad   *parseError
		dns   *net.DNSError
		errno syscall.Errno
		op    *net.OpError
		outer *url.Error
	)
	switch {
	case errors.As(err, &bad):
		return bad.Error()
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

// hide removes what only the server should know from s: header values, and user,
// password and query of the address. A server may repeat them.
func (h HTTP) hide(s string) string {
	var secrets []string
	for _, values := range h.Header {
		for _, v := range values {
			secrets = append(append(secrets, v), strings.Fields(v)...)
		}
	}
	for _, values := range h.URL.Query() {
		secrets = append(secrets, values...)
	}
	if password, ok := h.URL.User.Password(); ok {
		secrets = append(secrets, password)
	}
	// The longer first, so that no part of one is left when another is in it.
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if len(secret) >= 4 { // shorter ones are words like "no" or "1", and hide what went wrong
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}
