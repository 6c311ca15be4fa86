package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
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
	// TextMedia is the type of a [HTTP.Body] whose header has none.
	TextMedia = "text/plain; charset=utf-8"
	jsonMedia = "application/json"
)

// HTTP is a webhook. Each {field} of [Fields] in its address, its header and its body stands for that of the message,
// escaped for its place ([template.Template]).
type HTTP struct {
	Method string
	URL    *url.URL // http or https; in its path and its query there may be placeholders
	// Upstream is the one to which URL leads: its header is sent, too, and the client of Send is its own. nil: there is none.
	Upstream *httpkind.Upstream
	Header   http.Header // never nil
	Body     string      // a template; empty: the message as JSON
	JSON     *jq.Program // makes the body, an object or a list, of the message; nil: Body does
	Given    []string    // the values of references in any of these: secrets

	// Computed are the expressions in Header and Body, by ${jq: EXPR} as it stands there. Their input is the message.
	Computed map[string]*jq.Program
}

// A request is what a webhook is called with.
type request struct {
	method string
	url    *url.URL
	header http.Header
	body   []byte
	close  bool // the connection serves no other request

	refusal func(answer []byte) error // may be nil, see [httpkind.Webhook]
}

// Kind is "http".
func (h *HTTP) Kind() string { return "http" }

// Send calls the webhook once. Any status from 200 to 299 means that it was told.
func (h *HTTP) Send(ctx context.Context, client *http.Client, m Message) error {
	r, err := h.request(&m)
	if err != nil {
		return permanent(err)
	}
	return r.send(ctx, client, h.secrets())
}

// Show returns the request for m, with the host of its address alone and no values of its header.
func (h *HTTP) Show(m Message) (string, error) {
	r, err := h.request(&m)
	if err != nil {
		return "", err
	}
	return r.show(h.secrets()), nil
}

// secrets are those of the webhook, whose whole address is often a credential.
func (h *HTTP) secrets() *secret.Redactor {
	all := slices.DeleteFunc(secret.OfQuery(h.URL.Query()), secret.HasPlaceholder)
	if h.JSON != nil {
		all = append(all, secret.OfExpression(h.JSON.String())...)
	}
	for _, p := range h.Computed {
		all = append(all, secret.OfExpression(p.String())...)
	}
	if h.Upstream != nil {
		all = append(all, h.Upstream.Secrets().Said...)
	}
	all = append(all, slices.DeleteFunc(secret.OfHeader(h.Header), secret.HasPlaceholder)...)
	all = append(append(all, h.Given...), h.URL.Path)
	all = append(all, slices.DeleteFunc(strings.Split(h.URL.Path, "/"), secret.HasPlaceholder)...)
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
		if _, err := h.request(&m); err != nil {
			return h.secrets().Error(err)
		}
	}
	return nil
}

// CheckAddress says what is wrong with the placeholders in the address of a webhook, nil if nothing is.
func CheckAddress(u *url.URL) *template.Error {
	for language, part := range templates(u) {
		if _, wrong := template.Parse(part, language, IsField); wrong != nil {
			return wrong
		}
	}
	return nil
}

// templates yields the path and the query of an address, as templates.
func templates(u *url.URL) iter.Seq2[template.Language, string] {
	return func(yield func(template.Language, string) bool) {
		path := u.RawPath // as written, if it has braces in it
		if path == "" {
			path = u.EscapedPath()
		}
		_ = yield(template.Path, httpkind.EscapeAround(path, template.Find(path))) && yield(template.Form, u.RawQuery)
	}
}

// request returns what the webhook is called with.
func (h *HTTP) request(m *Message) (*request, error) {
	address, err := h.address(m)
	if err != nil {
		return nil, fmt.Errorf("the address: %w", err)
	}
	results := map[string]any{}
	for _, text := range slices.Sorted(maps.Keys(h.Computed)) {
		if results[text], err = run(h.Computed[text], m); err != nil {
			return nil, h.secrets().Error(err)
		}
	}
	r := &request{method: h.Method, url: address, header: http.Header{}}
	if h.Upstream != nil {
		r.header, r.close = h.Upstream.Header.Clone(), !h.Upstream.KeepAlive
		for name := range h.Header { // replaces the upstream's
			r.header.Del(name)
		}
	}
	for name, lines := range h.Header {
		for _, line := range lines {
			if result, alone := results[line]; alone && result == nil {
				continue
			}
			filled, _ := render(line, template.OfHeader(name), m, results)
			r.header.Add(name, filled)
		}
	}
	kind := r.header.Get("Content-Type")
	switch {
	case h.JSON != nil:
		r.body, err = h.json(m)
		r.header.Set("Content-Type", cmp.Or(kind, jsonMedia))
		return r, err
	case h.Body == "":
		r.body, err = json.Marshal(m)
		r.header.Set("Content-Type", cmp.Or(kind, jsonMedia))
		return r, err
	}
	r.header.Set("Content-Type", cmp.Or(kind, TextMedia))
	language, _ := template.Of(r.header.Get("Content-Type"))
	body, err := render(h.Body, language, m, results)
	if err != nil {
		return nil, fmt.Errorf("the body: %w", err)
	}
	r.body = []byte(body)
	return r, nil
}

// json is the body that h.JSON makes of m.
func (h *HTTP) json(m *Message) ([]byte, error) {
	made, err := run(h.JSON, m)
	if err != nil {
		return nil, fmt.Errorf("the body: %w", h.secrets().Error(err))
	}
	switch made.(type) {
	case map[string]any, []any:
		return json.Marshal(made)
	}
	return nil, fmt.Errorf("the body: %s gives neither an object nor a list", h.secrets().Text(h.JSON.String()))
}

// address is that of the webhook for m.
func (h *HTTP) address(m *Message) (*url.URL, error) {
	address := *h.URL
	for language, part := range templates(h.URL) {
		filled, err := render(part, language, m, nil)
		if err != nil {
			return nil, err
		}
		if language == template.Form {
			address.RawQuery = filled
			continue
		}
		address.RawPath = filled
		if address.Path, err = url.PathUnescape(filled); err != nil {
			return nil, err
		}
	}
	return &address, nil
}

// render fills a template with the fields of m and the results of expressions, by their texts.
func render(text string, language template.Language, m *Message, results map[string]any) (string, error) {
	parsed, wrong := template.Parse(text, language, IsField, slices.Collect(maps.Keys(results))...)
	if wrong != nil {
		return "", wrong
	}
	return parsed.Render(func(name string) any {
		if result, ok := results[name]; ok {
			return result
		}
		return m.field(name)
	})
}

// send makes the request.
func (r *request) send(ctx context.Context, client *http.Client, secrets *secret.Redactor) error {
	ctx, cancel := within(ctx)
	defer cancel()
	webhook := httpkind.Webhook{
		Client: client, Method: r.method, URL: r.url, Header: r.header, Secrets: secrets,
		Refusal: r.refusal, Close: r.close,
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
