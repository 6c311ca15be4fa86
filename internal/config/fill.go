package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/template"
)

// A Request is the request that a run of an HTTP job sends.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header // the upstream's and the job's
	Body   []byte      // nil: no body
}

// Request returns j.HTTP with each {arg} replaced by its value, escaped for its place ([template.Template]). If the job
// has no body and the method has one, the body is the arguments as JSON. Values come from [Job.Bind].
//
// A parameter or a header whose value begins with {arg?} is left out when the argument is empty or false. An argument that would
// change the structure of the path, such as "..", is an error.
func (j *Job) Request(values map[string]any) (*Request, *ArgError) {
	h := j.HTTP
	path, err := j.fill(h.Path, template.Path, values)
	if wrong, ok := errors.AsType[*template.SegmentError](err); ok {
		want := "write a name"
		if wrong.Segment == "" {
			want = "give it one"
		}
		return nil, &ArgError{wrong.Name, wrong.Error(), want}
	}
	u := h.Upstream.URL
	if path != "" {
		u = u.JoinPath(path)
	}
	address := *u
	var query []string
	for _, p := range h.Query {
		if value, is := j.conditional(p.Value, values); is {
			query = append(query, url.QueryEscape(p.Name)+"="+url.QueryEscape(j.text(value, values)))
		}
	}
	address.RawQuery = strings.Join(query, "&")

	r := &Request{Method: h.Method, URL: &address, Header: h.Upstream.Header.Clone()}
	for name, lines := range h.Header {
		first := true
		for _, line := range lines {
			line, is := j.conditional(line, values)
			if !is {
				continue // what the upstream has of that name stays
			}
			if first {
				r.Header[name], first = nil, false
			}
			value, _ := j.fill(line, template.OfHeader(name), values)
			r.Header.Add(name, value)
		}
	}
	if j.setFile(r, values) {
		return r, nil
	}
	switch {
	case h.Body == "" && (h.Method == http.MethodGet || h.Method == http.MethodDelete):
		return r, nil
	case h.Body == "":
		r.Body, _ = json.Marshal(values) // cannot fail for texts, numbers and booleans
	default:
		language, _ := bodyLanguage(r.Header, jsonMedia)
		body, _ := j.fill(h.Body, language, values)
		r.Body = []byte(body)
	}
	if r.Header.Get("Content-Type") == "" {
		r.Header.Set("Content-Type", jsonMedia)
	}
	return r, nil
}

const jsonMedia = "application/json"

// bodyLanguage returns the language of the body of a request with the given header; usual is its type if the header has
// none. It returns false if placeholders are not safe in the body.
func bodyLanguage(header http.Header, usual string) (template.Language, bool) {
	return template.Of(cmp.Or(header.Get("Content-Type"), usual))
}

// fill replaces each {arg} of text by its value. Braces around anything else are text. Texts in which a value would not
// be safe were refused when the configuration was read.
func (j *Job) fill(text string, language template.Language, values map[string]any) (string, error) {
	parsed, wrong := template.Parse(text, language, func(name string) bool { return values[name] != nil })
	if wrong != nil {
		return "", wrong
	}
	return parsed.Render(func(name string) any { return j.value(name, values) })
}

// text fills a text without structure.
func (j *Job) text(text string, values map[string]any) string {
	filled, _ := j.fill(text, template.Text, values) // cannot fail in plain text
	return filled
}

// value returns the value of an argument in the form for a program or a request.
func (j *Job) value(name string, values map[string]any) any {
	if v, ok := values[name].(string); ok && v != "" {
		if at := slices.IndexFunc(j.Args, func(a Arg) bool { return a.Name == name && a.Type == ArgPath }); at >= 0 {
			return filepath.Join(j.Args[at].Under, v)
		}
	}
	return values[name]
}
