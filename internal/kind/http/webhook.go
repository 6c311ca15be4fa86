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
)

// A Webhook is an address that receives messages. All of it but the host may be a credential,
// so errors show only the host.
type Webhook struct {
	Client *http.Client // only its transport is used. nil: a shared client
	Method string       // such as "POST"
	URL    *url.URL     // http or https; not modified
	Header http.Header  // sent unchanged; not modified

	Secrets *secret.Redactor // hides secrets in errors

	// Refusal says by the beginning of an answer with a status of success why that was none. It is for services that
	// answer errors so. nil: answers are not read.
	Refusal func(answer []byte) error
}

// Send makes one request with that body and Content-Type, unless Header has another one. A
// status other than 200 to 299 is a [*StatusError]; so is a redirect, since none is followed.
// Other errors wrap their cause, as those of [Exchange.FetchIf] do. A trace of ctx gets a line about the answer.
func (h Webhook) Send(ctx context.Context, contentType string, body []byte) error {
	start := time.Now()
	shown := &url.URL{Scheme: h.URL.Scheme, Host: h.URL.Host}
	err := h.send(ctx, shown, contentType, body)
	if _, ok := err.(*StatusError); ok || err == nil {
		return err
	}
	return kind.Fail(ctx, start, h.Method+" "+shown.String(), Reason(err), err, h.Secrets)
}

func (h Webhook) send(ctx context.Context, shown *url.URL, contentType string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, h.Method, h.URL.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Content-Type", contentType)
	for k, values := range h.Header {
		req.Header[http.CanonicalHeaderKey(k)] = values
	}
	client := http.Client{
		Transport:     shared.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if h.Client != nil {
		client.Transport = h.Client.Transport
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return refused(resp, h.Method, shown, h.Secrets)
	}
	kind.TraceOf(ctx).Line("%s", statusError(resp, h.Method, shown, h.Secrets).Status)
	if h.Refusal != nil {
		answer, err := io.ReadAll(io.LimitReader(resp.Body, maxSaid))
		if err != nil {
			return err
		}
		return h.Refusal(hidden(resp, answer))
	}
	// So that the connection serves again; a body of unknown length is not waited for.
	if 0 <= resp.ContentLength && resp.ContentLength <= 4<<10 {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return nil
}
