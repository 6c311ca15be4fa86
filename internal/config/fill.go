package config

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Request is what a run of an HTTP job sends.
type Request struct {
	Method string
	URL    *url.URL
	Header http.Header // the upstream's and the job's
	Body   []byte      // nil: none
}

// Request returns j.HTTP with each {arg} replaced by its value, escaped for its place: a
// value stays inside the segment of the path, the parameter of the query or the string of
// the body in which its placeholder stands. Without a body of its own, one of a method
// that has a body is the arguments as JSON. Values come from [Job.Bind].
//
// An argument that would change the path into another one, as ".." does, is an error.
func (j *Job) Request(values map[string]any) (*Request, *ArgError) {
	h := j.HTTP
	path, wrong := j.fillPath(values)
	if wrong != nil {
		return nil, wrong
	}
	u := h.Upstream.URL
	if path != "" {
		u = u.JoinPath(path)
	}
	address := *u
	var query []string
	for _, p := range h.Query {
		query = append(query, url.QueryEscape(p.Name)+"="+j.fill(p.Value, values, url.QueryEscape, url.QueryEscape))
	}
	address.RawQuery = strings.Join(query, "&")

	r := &Request{Method: h.Method, URL: &address, Header: h.Upstream.Header.Clone()}
	for name, lines := range h.Header {
		r.Header[name] = nil
		for _, line := range lines {
			r.Header.Add(name, j.fill(line, values, asIs, asIs))
		}
	}
	kind := r.Header.Get("Content-Type")
	switch {
	case h.Body == "" && (h.Method == http.MethodGet || h.Method == http.MethodDelete):
		return r, nil
	case h.Body == "":
		r.Body, _ = json.Marshal(values) // texts, numbers and truths encode
	case kind == "" || strings.Contains(kind, "json"):
		r.Body = []byte(j.fill(h.Body, values, asIs, insideJSON))
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded"):
		r.Body = []byte(j.fill(h.Body, values, asIs, url.QueryEscape))
	default:
		r.Body = []byte(j.fill(h.Body, values, asIs, asIs))
	}
	if kind == "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// fillPath returns the path with the values in it.
func (j *Job) fillPath(values map[string]any) (string, *ArgError) {
	segments := strings.Split(j.HTTP.Path, "/")
	for i, segment := range segments {
		arg := placeholder.FindStringSubmatch(segment)
		if arg == nil {
			continue
		}
		segments[i] = j.fill(segment, values, asIs, url.PathEscape)
		switch text, _ := url.PathUnescape(segments[i]); text {
		case "":
			return "", &ArgError{arg[1], "an empty text would leave out a part of the path", "give it one"}
		case ".", "..":
			return "", &ArgError{arg[1], quote(text) + " would lead to another path", "write a name"}
		}
	}
	return strings.Join(segments, "/"), nil
}

// fill replaces each {arg} of text by its value, which escape makes fit for its place; the
// rest goes through around.
func (j *Job) fill(text string, values map[string]any, around, escape func(string) string) string {
	var filled strings.Builder
	at := 0
	for _, m := range placeholder.FindAllStringSubmatchIndex(text, -1) {
		value, ok := j.text(text[m[2]:m[3]], values)
		if !ok {
			continue
		}
		filled.WriteString(around(text[at:m[0]]))
		filled.WriteString(escape(value))
		at = m[1]
	}
	filled.WriteString(around(text[at:]))
	return filled.String()
}

// text is the value of an argument as a program or a request gets it; false if there is none.
func (j *Job) text(name string, values map[string]any) (string, bool) {
	switch v := values[name].(type) {
	case nil:
		return "", false
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case string:
		if at := slices.IndexFunc(j.Args, func(a Arg) bool { return a.Name == name && a.Type == ArgPath }); at >= 0 && v != "" {
			return filepath.Join(j.Args[at].Under, v), true
		}
		return v, true
	default:
		return fmt.Sprint(v), true
	}
}

func asIs(s string) string { return s }

// insideJSON is s as it stands between the quotes of a JSON string.
func insideJSON(s string) string {
	quoted, _ := json.Marshal(s) // texts encode
	return string(quoted[1 : len(quoted)-1])
}
