package config

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/template"
	"go.yaml.in/yaml/v4"
)

// request reads the http key of a source.
func (r *reader) request(n *yaml.Node, where string, upstreams map[string]*Upstream) *HTTP {
	h := &HTTP{Header: http.Header{}}
	var (
		upstream, path *yaml.Node
		query          = url.Values{}
		own            = http.Header{}
	)
	if strings.HasPrefix(n.Value, "http://") || strings.HasPrefix(n.Value, "https://") {
		r.problem(n, "http of "+where+" is an address", "write it below upstreams, as in upstreams: {plant: {http: ADDRESS}}, and here {upstream: plant, path: /PATH}")
		return nil
	}
	r.mapping(n, "http of "+where, requestKeys, reads{
		"upstream": func(v *yaml.Node) { upstream = v },
		"path":     func(v *yaml.Node) { path = v },
		"query": func(v *yaml.Node) {
			for k, v := range r.query(v, where) {
				query.Add(k, v.Value)
			}
		},
		"accept":  func(v *yaml.Node) { h.Accept = r.statuses(v, true) },
		"headers": func(v *yaml.Node) { r.headers(v, "headers of "+where, own) },
	})
	join := ""
	if path != nil {
		join = r.path(path, false)
	}
	if upstream == nil {
		if r.lacks(n, "upstream") {
			r.problem(n, "http of "+where+" has no upstream", "add the name of one such as upstream: weather")
		}
		return nil
	}
	if h.Upstream = lookup(r, upstream, "upstream", upstreams); h.Upstream == nil {
		return nil
	}
	h.URL = h.Upstream.URL
	if join != "" {
		h.URL = h.URL.JoinPath(join)
	}
	u := *h.URL
	u.RawQuery = query.Encode()
	h.URL = &u
	h.Header = h.Upstream.Header.Clone()
	maps.Copy(h.Header, own)
	return h
}

// query reads the parameters of a query: name and text of each, the name again for each
// text of a list.
func (r *reader) query(n *yaml.Node, where string) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for k, v := range r.entries(n, "query of "+where) {
			what := "query " + quote(k.Value)
			values := []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode {
				values = r.list(v, what, "write a text, or a list of texts such as [1, 2]")
			}
			for _, v := range values {
				if _, ok := r.text(v, what, aText); ok && !yield(k.Value, v) {
					return
				}
			}
		}
	}
}

// statuses reads a list of the statuses of answers, where redirects may be followed.
func (r *reader) statuses(n *yaml.Node, followed bool) []int {
	var all []int
	for _, e := range r.list(n, "accept", "write a list of statuses such as [200, 503]") {
		status, ok := r.integer(e, "a status in accept", 200, 599)
		switch {
		case !ok:
		case followed && 300 <= status && status < 400:
			r.problem(e, fmt.Sprintf("accept has %d, and redirects are followed", status), "remove it")
		case slices.Contains(all, status):
			r.problem(e, fmt.Sprintf("accept has %d twice", status), "remove one of them")
		default:
			all = append(all, status)
		}
	}
	return all
}

// path reads the path of a request, in which escapes stay as they are and what
// has no place in a path is escaped. Placeholders says whether there are any in it.
func (r *reader) path(n *yaml.Node, placeholders bool) string {
	const example = "write a path such as /v1/now"
	s, ok := r.text(n, "path", example)
	if !ok {
		return ""
	}
	_, err := url.PathUnescape(s)
	switch {
	case !strings.HasPrefix(s, "/"):
		r.problem(n, fmt.Sprintf("path: %s does not begin with a slash", quote(s)), example)
	case strings.ContainsAny(s, "?#"):
		r.problem(n, fmt.Sprintf(`path: %s contains a "?" or "#"`, quote(s)), "write queries as query: {name: value}")
	case err != nil:
		r.problem(n, fmt.Sprintf("path: %s has a bad escape", quote(s)), `write %25 for a percent sign`)
	case slices.Contains(strings.Split(s, "/"), ".."):
		r.problem(n, fmt.Sprintf(`path: %s contains ".."`, quote(s)), "write the path without it")
	case placeholders:
		return escapeAround(s)
	default:
		return escapePath(s)
	}
	return ""
}

// escapeAround is escapePath for the text around placeholders.
func escapeAround(s string) string {
	var escaped strings.Builder
	end := 0
	for _, p := range template.Find(s) {
		escaped.WriteString(escapePath(s[end:p.Begin]) + s[p.Begin:p.End])
		end = p.End
	}
	return escaped.String() + escapePath(s[end:])
}

func escapePath(s string) string {
	var escaped strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			fmt.Fprintf(&escaped, "%%%02X", c)
		} else {
			escaped.WriteByte(c)
		}
	}
	return escaped.String()
}
