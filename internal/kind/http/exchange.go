package http

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

const (
	maxValidator = 1 << 10 // bytes of an ETag that is remembered
	userAgent    = "tidewire"
)

// An Exchange is a request of any method together with how its answer becomes a value.
type Exchange struct {
	Client   *http.Client // only its transport is used. nil: a shared client
	Method   string       // empty: GET. The value of an answer to HEAD is null
	URL      *url.URL     // http or https; not modified
	Header   http.Header  // sent unchanged, also after a redirect, which must stay at the same origin; not modified
	Body     []byte       // not modified; nil: none
	Parse    value.Format // of the answer; zero: JSON
	Statuses []int        // of answers that are parsed; nil: 200 to 299
	Whole    bool         // no answer is remembered

	// Variables are those that Told is called with, before an answer that is parsed is returned; nil: Told is not called.
	Variables []string
	Told      func(map[string]any)

	// Room bounds this answer together with others. Nil means that it is bounded alone.
	Room *room

	// Asked is called with the Retry-After of an answer that Statuses admits although its status is not 200 to 299, if
	// there is one. Nil means that it is ignored.
	Asked func(time.Duration)

	// Answered is called with the status of the answer and with how many bytes were read of its body, or 0, before the
	// fetch returns. Nil means that nobody wants to know.
	Answered func(status, size int)

	Secrets *secret.Redactor // hides secrets in errors
}

// FetchIf requests the value once. Stored is the answer to remember that an earlier call has returned, nil for none. If
// the server says that this answer is still current (304, RFC 9110 §15.4.5), nothing is transferred and the remembered
// answer is parsed again. FetchIf returns the answer to remember from now on: nil without a strong validator, or if the
// answer is larger than [MaxStored].
//
// Its errors are a [*StatusError], or wrap the cause: a network error, [context.Cause] of ctx, or a body that is too
// large or cannot be parsed.
func (h Exchange) FetchIf(ctx context.Context, stored *Stored) (any, *Stored, error) {
	start := time.Now()
	v, now, err := h.fetch(ctx, stored)
	if err == nil {
		return v, now, nil
	}
	if _, ok := err.(*StatusError); ok {
		return nil, nil, err
	}
	return nil, nil, kind.Fail(ctx, start, h.method()+" "+address(h.URL, h.Secrets), Reason(err), err, h.Secrets)
}

func (h Exchange) method() string {
	if h.Method == "" {
		return http.MethodGet
	}
	return h.Method
}

// remembers reports whether an answer may be remembered and asked for again by its validator.
func (h Exchange) remembers() bool { return !h.Whole && h.method() == http.MethodGet && h.Body == nil }

// request returns the request of a fetch, conditional on stored.
func (h Exchange) request(ctx context.Context, stored *Stored) (*http.Request, error) {
	if h.URL.Scheme != "http" && h.URL.Scheme != "https" {
		return nil, fmt.Errorf("the scheme is %q, want http or https", h.URL.Scheme)
	}
	var body io.Reader
	if h.Body != nil {
		body = bytes.NewReader(h.Body)
	}
	req, err := http.NewRequestWithContext(ctx, h.method(), h.URL.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Cache-Control", "no-cache") // what a cache on the way holds may be old (RFC 9111 §5.2.1.4)
	if accept := h.parse().Accept(); accept != "" {
		req.Header.Set("Accept", accept)
	}
	if stored != nil && stored.ETag != "" {
		req.Header.Set("If-None-Match", stored.ETag)
	}
	if stored != nil && stored.LastModified != "" {
		req.Header.Set("If-Modified-Since", stored.LastModified)
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

// conditional reports whether the source's own header makes its requests conditional: then a 304
// does not refer to an answer that is remembered here.
func (h Exchange) conditional() bool {
	for name := range h.Header {
		switch http.CanonicalHeaderKey(name) {
		case "If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since", "If-Range", "Range":
			return true
		}
	}
	return false
}

// Accepts reports whether an answer with that status counts: statuses are those of the key accept; nil: 200 to 299.
func Accepts(statuses []int, status int) bool {
	if statuses != nil {
		return slices.Contains(statuses, status)
	}
	return status >= 200 && status <= 299
}

func (h Exchange) parse() value.Format {
	if h.Parse.Name == "" {
		h.Parse.Name = "json"
	}
	return h.Parse
}

func (h Exchange) fetch(ctx context.Context, stored *Stored) (v any, now *Stored, err error) {
	trace := traceOf(ctx, h)
	var began time.Time
	if h.Variables != nil {
		began = time.Now()
	}
	req, err := h.request(trace.timed(ctx), stored)
	if err != nil {
		return nil, nil, err
	}
	trace.request(req)
	resp, err := h.do(req, stored)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	trace.response(resp)
	var body []byte
	if h.Answered != nil {
		defer func() { h.Answered(resp.StatusCode, len(body)) }()
	}

	switch {
	case resp.StatusCode == http.StatusNotModified && stored != nil:
		h.tell(resp, began)
		v, err = value.Parse(ctx, h.parse().In(stored.charset), stored.body)
		return v, stored, err
	case !Accepts(h.Statuses, resp.StatusCode):
		return nil, nil, refused(resp, h.method(), h.URL, h.Secrets)
	}
	if resp.StatusCode > 299 && h.Asked != nil {
		if after := statusError(resp, h.method(), h.URL, h.Secrets).After; after > 0 {
			h.Asked(after)
		}
	}
	if h.method() != http.MethodHead { // where Content-Length is that of an answer to GET
		if body, err = readBody(ctx, resp); err != nil {
			return nil, nil, err
		}
	}
	trace.body(body)
	h.tell(resp, began)
	if h.method() == http.MethodHead {
		return nil, nil, nil
	}
	if err = h.Room.take(ctx, body); err != nil {
		return nil, nil, err
	}
	charset := charsetOf(resp.Header)
	v, err = value.Parse(ctx, h.parse().In(charset), body)
	if e, ok := errors.AsType[*value.ParseError](err); ok {
		h.explain(e, resp.Header.Get("Content-Type"))
	}
	if err == nil && resp.StatusCode == http.StatusOK && resp.Request == req && h.remembers() && !h.conditional() {
		now = storedOf(resp.Header, charset, body)
	}
	return v, now, err
}

// explain says of an answer that cannot be parsed what it is instead, by its media type.
func (h Exchange) explain(e *value.ParseError, media string) {
	e.Start = h.Secrets.Text(e.Start)
	name := h.parse().Name
	switch {
	case media == "":
	case name == "json" && !strings.Contains(media, "json") && !e.IsJSON:
		e.What = "got " + kind.Brief(media, h.Secrets) + ", want JSON"
	case name != "json" && name != "html" && strings.HasPrefix(media, "text/html"):
		e.What = "got " + kind.Brief(media, h.Secrets) + ": " + e.What
	}
}

// tell calls Told with the variables of the answer to a request that began at began.
func (h Exchange) tell(resp *http.Response, began time.Time) {
	if h.Variables != nil {
		h.Told(variablesOf(h.Variables, resp, time.Since(began)))
	}
}

// do sends a request that is conditional on stored.
func (h Exchange) do(req *http.Request, stored *Stored) (*http.Response, error) {
	client := http.Client{Transport: shared.Transport}
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if stored != nil { // it names an answer of the first address
			req.Header.Del("If-None-Match")
			req.Header.Del("If-Modified-Since")
		}
		return redirect(req, via)
	}
	if h.Client != nil {
		client.Transport = h.Client.Transport
	}
	return client.Do(req)
}

// readBody reads the whole body, or as much as it takes to know that it is too large.
func readBody(ctx context.Context, resp *http.Response) ([]byte, error) {
	if enc := resp.Header.Get("Content-Encoding"); enc != "" && enc != "identity" {
		if resp.Request != nil && resp.Request.Header.Get("Accept-Encoding") != "" {
			return nil, fmt.Errorf("the answer is encoded as %q, since headers have Accept-Encoding: remove that", enc)
		}
		return nil, fmt.Errorf("the answer is encoded as %q, want gzip or plain", enc)
	}
	if resp.ContentLength > value.MaxBody {
		return nil, value.ErrTooLarge
	}
	// The announced length is trusted only up to the size of a usual answer: the server may send less.
	size := min(max(resp.ContentLength, 0), 64<<10) + bytes.MinRead
	body := bytes.NewBuffer(make([]byte, 0, size))
	for part := value.Small; ; {
		n, err := body.ReadFrom(io.LimitReader(resp.Body, int64(part)))
		if resp.Uncompressed && (errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)) {
			return nil, errors.New("the answer has Content-Encoding: gzip, but is no gzip or ends too early")
		}
		if err != nil {
			return nil, fmt.Errorf("the answer breaks off after %d bytes: %w", body.Len(), err)
		}
		if n < int64(part) || body.Len() > value.MaxBody {
			break
		}
		part = min(body.Len(), value.MaxBody+1-body.Len())
		if left := int(resp.ContentLength) - body.Len(); left >= 0 { // in fewer steps, which leave less garbage
			part = max(1, min(3*body.Len(), left))
		}
		if err := value.AdmitReading(ctx, part); err != nil {
			return nil, err
		}
		body.Grow(part + bytes.MinRead)
	}
	if body.Len() > value.MaxBody {
		return nil, value.ErrTooLarge
	}
	return hidden(resp, body.Bytes()), nil
}
