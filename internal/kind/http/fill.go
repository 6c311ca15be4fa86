package http

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
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/template"
)

// Bounds of a request in which something is computed, in bytes.
const (
	maxAddress = 16 << 10
	maxHeader  = 32 << 10
	maxRequest = 1 << 20 // of its body
)

const jsonMedia = "application/json"

// A Request is what is asked of an upstream. In its texts placeholders stand for values, which are escaped for their places
// ([template.Template]): {name} for what the caller of [Request.Fill] knows, and ${jq: EXPR} for the result of an expression.
type Request struct {
	Upstream *Upstream
	Method   string
	Path     string      // escaped except for placeholders, begins with / unless empty; joined to the upstream's path
	Query    []Pair      // in their order; nil: what the upstream has
	Header   http.Header // added to the upstream's; a header of the same name replaces that; never nil
	Body     string      // empty: none

	// Computed are the expressions, by ${jq: EXPR} as it stands in the texts; nil: there are none. A parameter or a header
	// that is an expression alone is left out where that gives null, and so is one that begins with {name?} if that is
	// empty or false.
	Computed map[string]*jq.Program
}

// A Pair is one parameter of a query.
type Pair struct{ Name, Value string }

// A Filled is a request that can be sent.
type Filled struct {
	Method string
	URL    *url.URL
	Header http.Header // the upstream's and the request's
	Body   []byte      // nil: no body

	Results map[string]any // of the expressions, by their texts
	Secrets []string       // credentials that expressions have made
}

// Fill returns the request with values in place of the placeholders. The input of expressions is that; values returns what
// {name} stands for, false if it is text. A value that would change the structure of the path, such as "..", is a
// [*template.SegmentError].
func (r *Request) Fill(ctx context.Context, input any, values func(name string) (any, bool)) (*Filled, error) {
	f := &Filled{Method: r.Method, Header: r.Upstream.Header.Clone()}
	for _, text := range r.computed() {
		result, err := r.Computed[text].Run(ctx, input)
		if err != nil {
			return nil, err
		}
		if f.Results == nil {
			f.Results = map[string]any{}
		}
		f.Results[text] = result
	}
	if err := f.address(r, values); err != nil {
		return nil, err
	}
	f.header(r, values)
	if r.Body != "" {
		contentType := cmp.Or(f.Header.Get("Content-Type"), jsonMedia)
		f.Header.Set("Content-Type", contentType)
		language, _ := template.Of(contentType)
		body, err := f.text(r.Body, language, values)
		if err != nil {
			return nil, fmt.Errorf("the body: %w", err)
		}
		f.Body = []byte(body)
		if r.isComputed(r.Body) {
			f.Secrets = append(f.Secrets, secret.OfBody(contentType, body)...)
		}
	}
	return f, f.tooLarge()
}

// address makes the address of a filled request.
func (f *Filled) address(r *Request, values func(string) (any, bool)) error {
	path, err := f.text(r.Path, template.Path, values)
	if err != nil {
		return err
	}
	u, err := r.Upstream.At(path)
	if err != nil {
		return err
	}
	var query []string
	for _, p := range r.Query {
		written, applies := f.conditional(p.Value, values)
		if !applies {
			continue
		}
		value, err := f.text(written, template.Text, values)
		if err != nil {
			return err
		}
		query = append(query, url.QueryEscape(p.Name)+"="+url.QueryEscape(value))
		if r.isComputed(p.Value) && secret.Is(p.Name, value) {
			f.Secrets = append(append(f.Secrets, value), f.resultsIn(p.Value)...)
		}
	}
	if f.URL = u; r.Query != nil {
		u.RawQuery = strings.Join(query, "&")
	}
	return nil
}

// header makes the header of a filled request, without the type of its body.
func (f *Filled) header(r *Request, values func(string) (any, bool)) {
	for name, lines := range r.Header {
		first := true
		for _, line := range lines {
			line, applies := f.conditional(line, values)
			if !applies {
				continue // what the upstream has of that name stays
			}
			if first {
				f.Header.Del(name)
				first = false
			}
			value, _ := f.text(line, template.OfHeader(name), values) // a header has no value that cannot be escaped
			f.Header.Add(name, value)
			if r.isComputed(line) {
				f.Secrets = append(f.Secrets, secret.OfHeader(http.Header{name: append(f.resultsIn(line), value)})...)
			}
		}
	}
}

// text fills a text. Those in which a value would not be safe were refused when the configuration was read.
func (f *Filled) text(text string, language template.Language, values func(string) (any, bool)) (string, error) {
	known := func(name string) bool { _, ok := values(name); return ok }
	parsed, wrong := template.Parse(text, language, known, slices.Collect(maps.Keys(f.Results))...)
	if wrong != nil {
		return "", wrong
	}
	return parsed.Render(func(name string) any {
		if result, ok := f.Results[name]; ok {
			return result
		}
		value, _ := values(name)
		return value
	})
}

// conditional is [template.Conditional], but a text that is an expression alone applies only if its result is not null.
func (f *Filled) conditional(text string, values func(string) (any, bool)) (rest string, applies bool) {
	rest, applies = template.Conditional(text, values)
	result, alone := f.Results[rest]
	return rest, applies && (!alone || result != nil)
}

// resultsIn returns the results of the expressions in a text, as texts.
func (f *Filled) resultsIn(text string) (all []string) {
	for expression, result := range f.Results {
		if !strings.Contains(text, expression) {
			continue
		}
		if s, ok := result.(string); ok {
			all = append(all, s)
		} else if data, err := json.Marshal(result); err == nil {
			all = append(all, string(data))
		}
	}
	return all
}

// tooLarge reports a request that expressions have made larger than one may be.
func (f *Filled) tooLarge() error {
	if f.Results == nil {
		return nil
	}
	header := 0
	for name, lines := range f.Header {
		for _, line := range lines {
			header += len(name) + len(line)
		}
	}
	for _, part := range []struct {
		what      string
		size, max int
	}{
		{"address", len(f.URL.String()), maxAddress}, {"header", header, maxHeader}, {"body", len(f.Body), maxRequest},
	} {
		if part.size > part.max {
			return fmt.Errorf("the %s of the request has %d bytes, want at most %d", part.what, part.size, part.max)
		}
	}
	return nil
}

// computed returns the expressions as they stand in the texts, in a fixed order.
func (r *Request) computed() []string { return slices.Sorted(maps.Keys(r.Computed)) }

// isComputed reports whether there is an expression in a text.
func (r *Request) isComputed(text string) bool {
	for expression := range r.Computed {
		if strings.Contains(text, expression) {
			return true
		}
	}
	return false
}

// Secrets returns the secrets of the request, without those of its upstream. A text with a placeholder is none: what it
// becomes is known only when it is filled.
func (r *Request) Secrets() kind.Secrets {
	header, query := http.Header{}, url.Values{}
	for name, lines := range r.Header {
		for _, line := range lines {
			if _, value, _ := template.Condition(line); !secret.HasPlaceholder(value) {
				header[name] = append(header[name], value)
			}
		}
	}
	for _, p := range r.Query {
		if _, value, _ := template.Condition(p.Value); !secret.HasPlaceholder(value) {
			query.Add(p.Name, value)
		}
	}
	body := r.sample()
	inBody := secret.OfBody(cmp.Or(r.contentType(), jsonMedia), body)
	shared := secret.OfQuery(query)
	for _, p := range r.Computed {
		shared = append(shared, secret.OfExpression(p.String())...)
	}
	all := kind.Secrets{
		Said:   slices.Concat(secret.OfHeader(header), inBody, shared),
		Values: slices.Concat(secret.OfNamed(header), shared),
	}
	if !slices.Equal(inBody, []string{body}) { // of a body in an unknown language all is hidden, words included
		all.Values = append(all.Values, inBody...)
	}
	return all
}

// contentType returns the type of the body as the header of the request, or of its upstream, has it.
func (r *Request) contentType() string {
	return cmp.Or(r.Header.Get("Content-Type"), r.Upstream.Header.Get("Content-Type"))
}

// sample returns the body with an opening brace in place of each placeholder: by that [secret.HasPlaceholder] knows it.
func (r *Request) sample() string {
	language, ok := template.Of(cmp.Or(r.contentType(), jsonMedia))
	if !ok {
		return r.Body
	}
	parsed, wrong := template.Parse(r.Body, language, func(string) bool { return true }, r.computed()...)
	if wrong != nil {
		return r.Body
	}
	sample, _ := parsed.Render(func(string) any { return "{" }) // a body has no value that cannot be escaped
	return sample
}
