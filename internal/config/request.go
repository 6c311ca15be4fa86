package config

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

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
			for k, v := range r.entries(v, "query of "+where) {
				if s, ok := r.text(v, "query "+quote(k.Value), aText); ok {
					query.Set(k.Value, s)
				}
			}
		},
		"headers": func(v *yaml.Node) { r.headers(v, "headers of "+where, own) },
	})
	join := ""
	if path != nil {
		join = r.path(path, nil)
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

// path reads the path of a request, in which escapes stay as they are and what
// has no place in a path is escaped. Keep says which braces are placeholders, nil that
// none is.
func (r *reader) path(n *yaml.Node, keep *regexp.Regexp) string {
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
	case keep == nil:
		return escapePath(s)
	default:
		var escaped strings.Builder
		end := 0
		for _, m := range keep.FindAllStringIndex(s, -1) {
			escaped.WriteString(escapePath(s[end:m[0]]) + s[m[0]:m[1]])
			end = m[1]
		}
		return escaped.String() + escapePath(s[end:])
	}
	return ""
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
