package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/jq"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
)

const (
	// TextMedia is the type of the Body of an [HTTP] whose header has none.
	TextMedia = "text/plain; charset=utf-8"
	jsonMedia = "application/json"
)

// HTTP is a webhook: a request in which each {field} of [Fields] stands for that of the message, which is also the input of
// its expressions. Its Body is empty for the message as JSON. Its Upstream is one of the configuration, whose client is that
// of Send then, or that of [At].
type HTTP struct {
	httpkind.Request
	JSON  *jq.Program // makes the body, an object or a list, of the message; nil: Body does
	Given []string    // the values of references in any of these: secrets
}

// At returns the POST to an address of http or https, which has no upstream in the configuration. Placeholders may be in its
// path and its query.
func At(u *url.URL) httpkind.Request {
	base := *u
	r := httpkind.Request{
		Upstream: &httpkind.Upstream{URL: &base, Header: http.Header{}, KeepAlive: true}, Method: http.MethodPost, Header: http.Header{},
	}
	path := u.RawPath // as written, if it has braces in it
	if path == "" {
		path = u.EscapedPath()
	}
	if found := template.Find(path); len(found) > 0 {
		r.Path = httpkind.EscapeAround(path, found)
		base.Path, base.RawPath = "", ""
	}
	if len(template.Find(u.RawQuery)) > 0 {
		base.RawQuery = ""
		for pair := range strings.SplitSeq(u.RawQuery, "&") {
			name, value, _ := strings.Cut(pair, "=")
			r.Query = append(r.Query, httpkind.Pair{Name: unescaped(name), Value: unescaped(value)})
		}
	}
	return r
}

// unescaped is a part of a query as it is meant, or as it stands if it means nothing.
func unescaped(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

// A request is what a webhook is called with.
type request struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte

	refusal func(answer []byte) error // may be nil, see [httpkind.Webhook]
}

// Kind is "http".
func (h *HTTP) Kind() string { return "http" }

// Send calls the webhook once. Any status from 200 to 299 means that it was told.
func (h *HTTP) Send(ctx context.Context, client *http.Client, m Message) error {
	r, secrets, err := h.request(&m)
	if err != nil {
		return permanent(err)
	}
	return r.send(ctx, client, secrets)
}

// Show returns the request for m, with the host of its address alone and no values of its header.
func (h *HTTP) Show(m Message) (string, error) {
	r, secrets, err := h.request(&m)
	if err != nil {
		return "", err
	}
	return r.show(secrets), nil
}

// secrets are those of the webhook, whose whole address is often a credential.
func (h *HTTP) secrets() *secret.Redactor {
	address, _ := h.Upstream.At(h.Path) // the path was checked with the configuration
	all := secret.OfQuery(address.Query())
	if h.JSON != nil {
		all = append(all, secret.OfExpression(h.JSON.String())...)
	}
	all = append(all, h.Upstream.Secrets().Said...)
	all = append(all, h.Secrets().Said...)
	all = append(append(all, h.Given...), address.Path)
	all = append(all, slices.DeleteFunc(strings.Split(address.Path, "/"), secret.HasPlaceholder)...)
	all = append(all, secretWords(h.Body)...)
	return secret.New(append(all, secret.OfBody(h.Header.Get("Content-Type"), h.Body)...)...)
}

// secretWords are the words in a text that may be credentials, by their look or by the name before them, as in token=WORD.
func secretWords(text string) (all []string) {
	for word := range strings.FieldsSeq(text) {
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			name, value = "", word
		}
		if secret.Is(name, value) && !secret.HasPlaceholder(value) {
			all = append(all, value)
		}
	}
	return all
}

// Try makes the body of messages of each sort, and returns why one of them cannot be made, without secrets.
func (h *HTTP) Try() error {
	for _, m := range Samples() {
		if _, _, err := h.request(&m); err != nil {
			return h.secrets().Error(err)
		}
	}
	return nil
}

// request returns what the webhook is called with, and what is secret in that.
func (h *HTTP) request(m *Message) (*request, *secret.Redactor, error) {
	secrets := h.secrets()
	fixed := h.Request
	if fixed.Body != "" && cmp.Or(h.Header.Get("Content-Type"), h.Upstream.Header.Get("Content-Type")) == "" {
		fixed.Header = h.Header.Clone()
		fixed.Header.Set("Content-Type", TextMedia)
	}
	var input any
	var err error
	if h.Computed != nil {
		if input, err = plain(m); err != nil {
			return nil, nil, err
		}
	}
	filled, err := fixed.Fill(context.Background(), input, func(name string) (any, bool) {
		if !IsField(name) {
			return nil, false
		}
		return m.field(name), true
	})
	if err != nil {
		return nil, nil, secrets.Error(err)
	}
	r := &request{method: filled.Method, url: filled.URL, header: filled.Header, body: filled.Body}
	if h.Body == "" {
		r.header.Set("Content-Type", cmp.Or(r.header.Get("Content-Type"), jsonMedia))
		if h.JSON == nil {
			r.body, err = json.Marshal(m)
		} else {
			r.body, err = h.json(m, secrets)
		}
	}
	return r, secrets.With(filled.Secrets...), err
}

// json is the body that h.JSON makes of m.
func (h *HTTP) json(m *Message, secrets *secret.Redactor) ([]byte, error) {
	made, err := run(h.JSON, m)
	if err != nil {
		return nil, fmt.Errorf("the body: %w", secrets.Error(err))
	}
	switch made.(type) {
	case map[string]any, []any:
		return json.Marshal(made)
	}
	return nil, fmt.Errorf("the body: %s gives neither an object nor a list", secrets.Text(h.JSON.String()))
}

// send makes the request.
func (r *request) send(ctx context.Context, client *http.Client, secrets *secret.Redactor) error {
	ctx, cancel := within(ctx)
	defer cancel()
	webhook := httpkind.Webhook{
		Client: client, Method: r.method, URL: r.url, Header: r.header, Secrets: secrets,
		Refusal: r.refusal,
	}
	return ofHTTP(webhook.Send(ctx, r.header.Get("Content-Type"), r.body))
}

// show is the request as people are shown it: the path of an address is often a credential, and so are headers.
func (r *request) show(secrets *secret.Redactor) string {
	address := r.url.Scheme + "://" + r.url.Host
	if len(r.url.Path) > 1 || r.url.RawQuery != "" {
		address += "/" + secret.Mask
	}
	lines := []string{r.method + " " + address}
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		shown := secret.Mask
		if name == "Content-Type" {
			shown = r.header.Get(name)
		}
		lines = append(lines, name+": "+shown)
	}
	return strings.Join(lines, "\n") + "\n\n" + secrets.Text(string(r.body))
}
