package config

import (
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/template"
)

// hookFields are the placeholders for an alert in the address, the headers and the body of a webhook.
var hookFields = []string{"source", "title", "state", "value", "error", "since"}

func isHookField(name string) bool { return slices.Contains(hookFields, name) }

// checkHookPlaceholders checks that the placeholders in n are fields of an alert.
func checkHookPlaceholders(n *grammar.Node, where string) {
	for _, p := range placeholders(n) {
		if !isHookField(p.name) && !p.foreign {
			n.ProblemAt(p.at, fmt.Sprintf("%s: there is no %s of an alert", where, p.text),
				grammar.Suggest(p.name, "placeholders", hookFields))
		}
	}
}

// hookAddress yields the path and the query of the address of a webhook, as templates.
func hookAddress(u *url.URL) iter.Seq2[template.Language, string] {
	return func(yield func(template.Language, string) bool) {
		path := u.RawPath // as written, if it has braces in it
		if path == "" {
			path = u.EscapedPath()
		}
		_ = yield(template.Path, httpkind.EscapeAround(path)) && yield(template.Form, u.RawQuery)
	}
}

// Request returns the request that notifies the webhook of an alert. value returns the fields of the alert: source,
// title, state, value, error and since. Each {field} in the address, the headers and the body is replaced by its value,
// escaped for its place ([template.Template]). If to has no body, the body is left to the caller.
func (to *Notify) Request(value func(field string) any) (*Request, error) {
	render := func(text string, language template.Language) (string, error) {
		parsed, wrong := template.Parse(text, language, isHookField)
		if wrong != nil {
			return "", wrong
		}
		return parsed.Render(value)
	}
	r := &Request{Method: to.Method, Header: http.Header{}}
	address := *to.URL
	for language, part := range hookAddress(to.URL) {
		filled, err := render(part, language)
		if err != nil {
			return nil, fmt.Errorf("the address: %w", err)
		}
		if language == template.Form {
			address.RawQuery = filled
			continue
		}
		address.RawPath = filled
		if address.Path, err = url.PathUnescape(filled); err != nil {
			return nil, fmt.Errorf("the address: %w", err)
		}
	}
	r.URL = &address
	for name, lines := range to.Header {
		for _, line := range lines {
			filled, _ := render(line, template.OfHeader(name))
			r.Header.Add(name, filled)
		}
	}
	if to.Body == "" {
		return r, nil
	}
	language, _ := bodyLanguage(to.Header, textMedia)
	body, err := render(to.Body, language)
	if err != nil {
		return nil, fmt.Errorf("the body: %w", err)
	}
	if r.Body = []byte(body); r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", textMedia)
	}
	return r, nil
}
