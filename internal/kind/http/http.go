package http

import (
	"bytes"
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

	"github.com/tidewire/tidewire/internal/httpclient"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// MaxConns is how many connections a client has to one host.
const MaxConns = 64

const (
	maxRedirects  = 3
	maxRetryAfter = 24 * time.Hour
	maxValidator  = 1 << 10 // bytes of an ETag that is remembered
	userAgent     = "tidewire"
)

// Get fetches a value with a GET request.
type Get struct {
	Client *http.Client // of which the transport alone is used. nil: one that all such sources share
	URL    *url.URL     // http or https; not modified
	Header http.Header  // sent as they are, also after a redirect, which has to stay at the same origin; not modified
	Parse  string       // "json", "text" or "lines"; empty: "json"
	Close  bool         // the connection serves no other request
	Accept []int        // the statuses of answers that are parsed; nil: 200 to 299

	// Asked is called with what the Retry-After of an answer asks for that counts by Accept, though its
	// status is not 200 to 299, if that is more than nothing; nil: nobody wants to know.
	Asked func(time.Duration)

	Secrets *secret.Redactor // of what errors show nothing
}

// NewClient returns a client for any number of sources. It reuses connections, of
// which one host gets at most [MaxConns], keeps no cookies, and connects to no
// link-local address and to no metadata service of a cloud, whatever names resolve to
// (see the package's "Where requests go"). The context of a request bounds its duration;
// package httpclient says how soon a dead connection and a moved name are noticed.
func NewClient() *http.Client {
	return newClient(nil, http.ProxyFromEnvironment)
}

func newClient(names *net.Resolver, proxy func(*http.Request) (*url.URL, error)) *http.Client {
	return &http.Client{Transport: httpclient.New(httpclient.Options{
		Control: guard, Resolver: names, Proxy: guardProxied(proxy), MaxConns: MaxConns,
	})}
}

var shared = NewClient()

// A StatusError says that the server answered, but not with a status that is accepted.
type StatusError struct {
	Code   int
	Status string // "429 Too Many Requests": the standard's words, not the server's
	Method string
	URL    string        // without user, password, query and fragment
	Said   string        // what the body says, see [Says], without secrets; empty: nothing
	After  time.Duration // what the server's Retry-After asks for, 0 to 24 h; 0: nothing
}

func (e *StatusError) Error() string {
	text := e.Method + " " + e.URL + ": " + e.Status
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

// Fetch requests the value once. Its errors are a [*StatusError], or wrap what
// went wrong on the way: a network error, [context.Cause] of ctx, or a body
// that is too large or not what Parse wants.
func (h Get) Fetch(ctx context.Context) (any, error) {
	v, _, err := h.FetchIf(ctx, nil)
	return v, err
}

// FetchIf is Fetch with an answer that an earlier call has returned, nil for none. If the
// server says that it is still that one (304, RFC 9110 §15.4.5), nothing is transferred and
// the remembered answer is parsed again. It returns what to remember of the answer that
// counts now: nil where its name is no strong validator, or the answer is larger than
// [MaxKnown].
func (h Get) FetchIf(ctx context.Context, known *Known) (any, *Known, error) {
	start := time.Now()
	v, now, err := h.fetch(ctx, known)
	if err == nil {
		return v, now, nil
	}
	if _, ok := err.(*StatusError); ok {
		return nil, nil, err
	}
	return nil, nil, kind.Fail(ctx, start, "GET "+address(h.URL, h.Secrets), reason(err), err, h.Secrets)
}

// request returns the request of a fetch, which is made conditional on known.
func (h Get) request(ctx context.Context, known *Known) (*http.Request, error) {
	if h.URL.Scheme != "http" && h.URL.Scheme != "https" {
		return nil, fmt.Errorf("the scheme is %q, want http or https", h.URL.Scheme)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Close = h.Close
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Cache-Control", "no-cache") // what a cache on the way holds may be old (RFC 9111 §5.2.1.4)
	if h.parse() == "json" {
		req.Header.Set("Accept", "application/json, */*;q=0.1")
	}
	if known != nil && known.ETag != "" {
		req.Header.Set("If-None-Match", known.ETag)
	}
	if known != nil && known.LastModified != "" {
		req.Header.Set("If-Modified-Since", known.LastModified)
	}
	for k, values := range h.Header {
		if k = http.CanonicalHeaderKey(k); k == "Host" && len(values) > 0 {
			req.Host = values[0]
		} else {
			req.Header[k] = values
		}
	}
	return req, nil
}

// conditional reports whether the source makes its requests conditional itself: what its
// server answers then is not about an answer that is remembered here.
func (h Get) conditional() bool {
	for name := range h.Header {
		switch http.CanonicalHeaderKey(name) {
		case "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "Range":
			return true
		}
	}
	return false
}

// accepts reports whether an answer of that status is parsed.
func (h Get) accepts(status int) bool {
	if h.Accept != nil {
		return slices.Contains(h.Accept, status)
	}
	return status >= 200 && status <= 299
}

func (h Get) parse() string {
	if h.Parse == "" {
		return "json"
	}
	return h.Parse
}

func (h Get) fetch(ctx context.Context, known *Known) (v any, now *Known, err error) {
	trace := traceOf(ctx, h)
	req, err := h.request(trace.timed(ctx), known)
	if err != nil {
		return nil, nil, err
	}
	trace.request(req)
	client := http.Client{Transport: shared.Transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if known != nil { // it names an answer of the first address
			req.Header.Del("If-None-Match")
			req.Header.Del("If-Modified-Since")
		}
		return redirect(req, via)
	}}
	if h.Client != nil {
		client.Transport = h.Client.Transport
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	trace.response(resp)

	switch {
	case resp.StatusCode == http.StatusNotModified && known != nil:
		v, err = value.Parse(ctx, h.parse(), known.body)
		return v, known, err
	case !h.accepts(resp.StatusCode):
		return nil, nil, refused(resp, http.MethodGet, h.URL, h.Secrets)
	}
	if resp.StatusCode > 299 && h.Asked != nil {
		if after := statusError(resp, http.MethodGet, h.URL, h.Secrets).After; after > 0 {
			h.Asked(after)
		}
	}
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		return nil, nil, fmt.Errorf("the answer is encoded as %q, want gzip or plain", enc)
	}
	body, err := readBody(ctx, resp)
	if err != nil {
		return nil, nil, err
	}
	trace.body(body)
	if body, err = utf8Of(resp.Header.Get("Content-Type"), body); err != nil {
		return nil, nil, err
	}
	v, err = value.Parse(ctx, h.parse(), body)
	if e, ok := errors.AsType[*value.ParseError](err); ok {
		if media := resp.Header.Get("Content-Type"); media != "" && !strings.Contains(media, "json") && !e.IsJSON {
			e.What = "got " + kind.Brief(media, h.Secrets) + ", want JSON"
		}
		e.Start = h.Secrets.Text(e.Start)
	}
	if err == nil && resp.StatusCode == http.StatusOK && resp.Request == req && !h.conditional() {
		now = knownOf(resp.Header, body)
	}
	return v, now, err
}

// readBody reads the whole body, or as much as it takes to know that it is too large.
func readBody(ctx context.Context, resp *http.Response) ([]byte, error) {
	if resp.ContentLength > value.MaxBody {
		return nil, value.ErrTooLarge
	}
	// What is announced is believed as far as a usual answer goes: it need not come.
	size := min(max(resp.ContentLength, 0), 64<<10) + bytes.MinRead
	body := bytes.NewBuffer(make([]byte, 0, size))
	for _, part := range []int64{value.Small, value.MaxBody + 1 - value.Small} {
		n, err := body.ReadFrom(io.LimitReader(resp.Body, part))
		if err != nil {
			return nil, fmt.Errorf("the answer breaks off after %d bytes: %w", body.Len(), err)
		}
		if n < part {
			break
		}
		if err := value.EnterReading(ctx); err != nil {
			return nil, err
		}
		// Those who read large answers are few, so each can have the room that is announced at once: growing to it
		// would leave as much garbage.
		body.Grow(max(int(resp.ContentLength)-body.Len(), 0) + bytes.MinRead)
	}
	if body.Len() > value.MaxBody {
		return nil, value.ErrTooLarge
	}
	return body.Bytes(), nil
}

// redirect follows where the credential may go too.
func redirect(req *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, req.URL
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	case httpclient.SameOrigin(from, to):
		return nil
	case to.Scheme != "http" && to.Scheme != "https":
		return fmt.Errorf("redirected to a %s address, want http or https", to.Scheme)
	case from.Scheme == "https" && to.Scheme == "http" && strings.EqualFold(from.Hostname(), to.Hostname()):
		return errors.New("redirected from https to http")
	}
	return fmt.Errorf("redirected to another origin, %s://%s: want its own upstream", to.Scheme, to.Host)
}

// refused is the error of an answer that is none, with what its body says. A body that is
// read to its end also has the connection serve again.
func refused(resp *http.Response, method string, u *url.URL, secrets *secret.Redactor) *StatusError {
	e := statusError(resp, method, u, secrets)
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxSaid+1))
	e.Said = Says(resp.Header, body, secrets)
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
func address(u *url.URL, secrets *secret.Redactor) string {
	path := u.EscapedPath()
	all := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()
	return strings.TrimSuffix(all, path) + secrets.Text(path)
}

// reason is the short cause of a failed request: net/http repeats the address
// around it, and net the one that it resolved to.
func reason(err error) string {
	var (
		bad   *value.ParseError
		ours  *guardError
		dns   *net.DNSError
		errno syscall.Errno
		op    *net.OpError
		outer *url.Error
	)
	switch {
	case errors.As(err, &bad):
		return bad.Error()
	case errors.As(err, &ours):
		return ours.Error()
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
