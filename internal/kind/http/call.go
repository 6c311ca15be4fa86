package http

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// A Call is one request that accepts any status. Redirects are not followed.
type Call struct {
	Client *http.Client // only its transport is used. nil: a shared client
	Method string
	URL    *url.URL    // http or https; not modified
	Header http.Header // sent unchanged; not modified
	Body   []byte      // nil: none

	Secrets *secret.Redactor // hides secrets in errors
}

// An Answer is the answer of a server.
type Answer struct {
	Code       int
	Status     string // "202 Accepted": the standard's words, not the server's
	Header     http.Header
	Body       []byte        // in UTF-8, by its byte order mark or its Content-Type; at most [value.MaxBody]
	RetryAfter time.Duration // the header of that name, 0 to 24 h; 0: none
}

// Do makes the request. Its error says that there was no answer, or not a whole one, as
// those of [Exchange.FetchIf] do.
func (c Call) Do(ctx context.Context) (*Answer, error) {
	start := time.Now()
	answer, err := c.do(ctx)
	if err == nil {
		return answer, nil
	}
	return nil, kind.Fail(ctx, start, c.Method+" "+address(c.URL, c.Secrets), Reason(err), err, c.Secrets)
}

func (c Call) do(ctx context.Context) (*Answer, error) {
	var body io.Reader
	if c.Body != nil {
		body = bytes.NewReader(c.Body)
	}
	req, err := http.NewRequestWithContext(ctx, c.Method, c.URL.String(), body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json, */*;q=0.1")
	for k, values := range c.Header {
		if k = http.CanonicalHeaderKey(k); k == "Host" && len(values) > 0 {
			req.Host = values[0]
		} else {
			req.Header[k] = values
		}
	}
	client := http.Client{
		Transport:     shared.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if c.Client != nil {
		client.Transport = c.Client.Transport
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := readBody(ctx, resp)
	if err != nil {
		return nil, err
	}
	if data, err = value.UTF8(data, charsetOf(resp.Header)); err != nil {
		return nil, err
	}
	status := statusError(resp, c.Method, c.URL, c.Secrets)
	return &Answer{
		Code:       status.Code,
		Status:     status.Status,
		Header:     resp.Header,
		Body:       data,
		RetryAfter: status.After,
	}, nil
}
