package config

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/template"
)

// A requestDraft is the request of a source while it is read.
type requestDraft struct {
	HTTP
	path  string
	query url.Values
	own   http.Header
}

func requestKeys(d *requestDraft, upstreams map[string]*Upstream, where string) grammar.Keys {
	return grammar.Keys{
		grammar.Func("upstream",
			"one of `upstreams`",
			grammar.ALine, func(v *grammar.Node) { d.Upstream = grammar.Lookup(v, "upstream", upstreams) }).Need(""),
		grammar.Func("path",
			"begins with `/`, is joined to the upstream's path; no `..`, no query",
			pathShape, func(v *grammar.Node) { d.path = readPath(v, false) }),
		grammar.Func("query",
			"the query; a list of texts repeats the parameter",
			queryShape, func(v *grammar.Node) { d.readQuery(v, where) }).Also("params").Secret(),
		grammar.Func("headers",
			"added to the upstream's headers; a header of the same name replaces the upstream's",
			headersShape, func(v *grammar.Node) { readHeaders(v, "headers of "+where, d.own) }).Secret(),
		acceptKey(&d.Accept, true),
	}
}

// acceptKey is the key of the statuses of answers that count, where redirects may be followed.
func acceptKey(to *[]int, followed bool) grammar.Key {
	return grammar.Func("accept",
		"the statuses of successful answers, such as `[200, 503]` for a health check; any other status is "+
			"an error that quotes the body",
		acceptShape, func(v *grammar.Node) { *to = readStatuses(v, followed) }).
		Also("ok_codes status statuses expect valid_status_codes")
}

var (
	pathShape   = grammar.Like("write a path such as /v1/now, without ? and #", "^/[^?#]*$")
	queryShape  = grammar.Shape{"type": "object", "additionalProperties": grammar.Either(grammar.AnyText, grammar.Texts)}
	acceptShape = grammar.Either(grammar.ListOf(grammar.WholeNumber(200, 599)))
)

// readNoRequest reads what stands in place of the request of a source and is no mapping.
func readNoRequest(n *grammar.Node, where string, d *requestDraft) {
	if strings.HasPrefix(n.Value(), "http://") || strings.HasPrefix(n.Value(), "https://") {
		n.Problem("http of "+where+" is an address",
			"write it below upstreams, as in upstreams: {plant: {http: ADDRESS}}, and here {upstream: plant, path: /PATH}")
		return
	}
	n.Read("http of "+where, requestKeys(d, nil, where))
}

func (d *requestDraft) readQuery(n *grammar.Node, where string) {
	for k, v := range readQuery(n, where) {
		d.query.Add(k, v.Value())
	}
}

// result returns the request that was read of n, nil if it has no upstream.
func (d *requestDraft) result(n *grammar.Node, where string) *HTTP {
	if n.Lacks("upstream") {
		n.Problem("http of "+where+" has no upstream", "add the name of one such as upstream: weather")
	}
	if d.Upstream == nil {
		return nil
	}
	u := *d.Upstream.URL
	if d.path != "" {
		u = *u.JoinPath(d.path)
	}
	u.RawQuery = d.query.Encode()
	d.URL = &u
	d.Header = d.Upstream.Header.Clone()
	maps.Copy(d.Header, d.own)
	return &d.HTTP
}

// readQuery reads the parameters of a query: name and text of each, the name again for each
// text of a list.
func readQuery(n *grammar.Node, where string) iter.Seq2[string, *grammar.Node] {
	return func(yield func(string, *grammar.Node) bool) {
		for k, v := range n.Entries("query of " + where) {
			what := "query " + grammar.Quote(k.Value())
			values := []*grammar.Node{v}
			if v.IsList() {
				values = v.List(what, "write a text, or a list of texts such as [1, 2]")
			}
			for _, v := range values {
				if _, ok := v.Text(what, grammar.AText); ok && !yield(k.Value(), v) {
					return
				}
			}
		}
	}
}

// readStatuses reads a list of the statuses of answers, where redirects may be followed.
func readStatuses(n *grammar.Node, followed bool) []int {
	var all []int
	for _, e := range n.List("accept", "write a list of statuses such as [200, 503]") {
		status, ok := e.Integer("a status in accept", 200, 599)
		switch {
		case !ok:
		case followed && 300 <= status && status < 400:
			e.Problem(fmt.Sprintf("accept has %d, and redirects are followed", status), "remove it")
		case slices.Contains(all, status):
			e.Problem(fmt.Sprintf("accept has %d twice", status), "remove one of them")
		default:
			all = append(all, status)
		}
	}
	return all
}

// readPath reads the path of a request, in which escapes stay as they are and what
// has no place in a path is escaped. Placeholders says whether there are any in it.
func readPath(n *grammar.Node, placeholders bool) string {
	const example = "write a path such as /v1/now"
	s, ok := n.Text("path", example)
	if !ok {
		return ""
	}
	_, err := url.PathUnescape(s)
	switch {
	case !strings.HasPrefix(s, "/"):
		n.Problem(fmt.Sprintf("path: %s does not begin with a slash", grammar.Quote(s)), example)
	case strings.ContainsAny(s, "?#"):
		n.Problem(fmt.Sprintf(`path: %s contains a "?" or "#"`, grammar.Quote(s)), "write queries as query: {name: value}")
	case err != nil:
		n.Problem(fmt.Sprintf("path: %s has a bad escape", grammar.Quote(s)), `write %25 for a percent sign`)
	case slices.Contains(strings.Split(s, "/"), ".."):
		n.Problem(fmt.Sprintf(`path: %s contains ".."`, grammar.Quote(s)), "write the path without it")
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
