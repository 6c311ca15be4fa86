package config

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A pace is how a source is polled: what defaults and sources have in common.
type pace struct {
	every      time.Duration
	timeout    time.Duration
	jitter     float64
	backoff    Backoff
	stalePolls int // value is stale after so many polls; 0: after staleAfter
	staleAfter time.Duration
}

// builtIn is what holds where the file says nothing.
var builtIn = pace{
	every:      30 * time.Second,
	timeout:    5 * time.Second,
	jitter:     0.1,
	backoff:    Backoff{Min: time.Second, Max: 5 * time.Minute},
	stalePolls: 3,
}

// stale is the age from which a value is stale: after n polls, each as late
// as jitter lets it be.
func (p pace) stale() time.Duration {
	if p.stalePolls == 0 {
		return p.staleAfter
	}
	return time.Duration(float64(p.stalePolls) * float64(p.every) * (1 + p.jitter))
}

// paceKeys are the keys that set p.
func (r *reader) paceKeys(p *pace) []key {
	set := func(to *time.Duration, v *yaml.Node, what string) {
		if d := r.duration(v, what); d > 0 {
			*to = d
		}
	}
	return []key{
		{name: "every", read: func(v *yaml.Node) {
			if v.Kind == yaml.MappingNode && !r.spoiled[v] {
				r.problem(v, "every as a mapping is not supported by this version", "write one duration such as 30s")
				return
			}
			set(&p.every, v, "every")
		}},
		{name: "timeout", read: func(v *yaml.Node) { set(&p.timeout, v, "timeout") }},
		{name: "jitter", read: func(v *yaml.Node) { p.jitter = r.percentage(v, "jitter") }},
		{name: "backoff", read: func(v *yaml.Node) {
			before := len(r.problems)
			r.mapping(v, "backoff",
				key{name: "min", read: func(v *yaml.Node) { set(&p.backoff.Min, v, "min") }},
				key{name: "max", read: func(v *yaml.Node) { set(&p.backoff.Max, v, "max") }},
			)
			if p.backoff.Min > p.backoff.Max && before == len(r.problems) {
				r.problem(v, fmt.Sprintf("backoff begins with %v, which is more than its max of %v", p.backoff.Min, p.backoff.Max),
					"make min at most max")
			}
		}},
		{name: "stale_after", read: func(v *yaml.Node) { r.staleAfter(v, p) }},
	}
}

var pollsGrammar = regexp.MustCompile(`^([0-9]+) polls?$`)

// staleAfter reads a duration or a number of polls.
func (r *reader) staleAfter(n *yaml.Node, p *pace) {
	m := pollsGrammar.FindStringSubmatch(n.Value)
	if m == nil {
		if d := r.duration(n, "stale_after"); d > 0 {
			p.stalePolls, p.staleAfter = 0, d
		}
		return
	}
	polls, err := strconv.Atoi(m[1])
	if err != nil || polls < 2 || polls > 100 {
		r.problem(n, fmt.Sprintf("stale_after: %s is out of range", quote(n.Value)), "write 2 polls to 100 polls, or a duration such as 5m")
		return
	}
	p.stalePolls, p.staleAfter = polls, 0
}

// source reads one entry of sources, of which references to others (from) are
// checked later.
func (r *reader) source(e named, defaults pace, upstreams map[string]*Upstream) (*Source, *yaml.Node) {
	where := "source " + quote(e.name)
	s := &Source{Name: e.name, Title: e.name}
	p := defaults
	var (
		kinds                     []*yaml.Node // keys of this version's kinds and later ones
		polled                    = map[string]*yaml.Node{}
		from, combine, show, pick *yaml.Node
		parse                     string
	)
	kind := func(read func(v *yaml.Node)) func(v *yaml.Node) {
		return func(v *yaml.Node) { kinds = append(kinds, v); read(v) }
	}
	const otherKinds = `a source here is one of "http", "exec" and "from"`
	keys := []key{
		{name: "http", read: kind(func(v *yaml.Node) { s.HTTP = r.request(v, where, upstreams) })},
		{name: "exec", read: kind(func(v *yaml.Node) { s.Exec = r.argv(v) })},
		{name: "from", read: kind(func(v *yaml.Node) { from = v })},
		{name: "combine", read: func(v *yaml.Node) { combine = v; s.Combine = r.jq(v, "combine") }},
		{name: "title", read: func(v *yaml.Node) { s.Title = r.line(v, "title") }},
		{name: "parse", read: func(v *yaml.Node) {
			parse = r.choice(v, "parse", string(ParseJSON), string(ParseText), string(ParseLines))
		}},
		{name: "pick", read: func(v *yaml.Node) { pick = v; s.Pick = r.pick(v, where) }},
		{name: "show", read: func(v *yaml.Node) { show = v }},
		{name: "modbus", later: otherKinds},
		{name: "mqtt", later: otherKinds},
		{name: "sql", later: otherKinds},
		{name: "alert", later: "remove it"},
	}
	keys = append(keys, r.paceKeys(&p)...)
	for i, k := range keys { // what a source made from others has not
		switch k.name {
		case "every", "timeout", "jitter", "backoff", "parse", "stale_after":
			keys[i].read = func(v *yaml.Node) { polled[k.name] = v; k.read(v) }
		}
	}
	r.mapping(e.value, where, keys...)
	r.oneKind(e, where, kinds)
	if show != nil {
		s.Show = r.show(show, where, s.Pick, pick)
	}
	if from == nil {
		if combine != nil {
			r.problem(combine, "combine without from", `add the names of other sources such as from: [a, b], or use "pick"`)
		}
		s.Parse = ParseJSON
		if s.Exec != nil {
			s.Parse = ParseText
		}
		if parse != "" {
			s.Parse = Parse(parse)
		}
		s.Every, s.Timeout, s.Jitter, s.Backoff, s.StaleAfter = p.every, p.timeout, p.jitter, p.backoff, p.stale()
		return s, nil
	}
	for _, name := range slices.Sorted(maps.Keys(polled)) {
		switch v := polled[name]; {
		case name != "stale_after":
			r.problem(v, fmt.Sprintf("%s in a source made from others, which is not polled", name), "remove it")
		case p.stalePolls == 0:
			s.StaleAfter = p.staleAfter
		case pollsGrammar.MatchString(v.Value):
			r.problem(v, "stale_after counts polls in a source made from others, which is not polled", "write a duration such as 5m, or remove it")
		}
	}
	return s, from
}

// oneKind checks that a source has exactly one kind; kinds are the values of
// those that it has.
func (r *reader) oneKind(e named, where string, kinds []*yaml.Node) {
	switch {
	case len(kinds) > 1:
		r.problem(e.key, where+" has more than one kind", `keep exactly one of "http", "exec" and "from"`)
	case len(kinds) == 0 && r.complete(e.value) && find(e.value, "modbus", "mqtt", "sql") == nil:
		r.problem(e.key, where+" does not say what to poll", `add exactly one of "http", "exec" and "from"`)
	}
}

// request reads the http key of a source.
func (r *reader) request(n *yaml.Node, where string, upstreams map[string]*Upstream) *HTTP {
	h := &HTTP{Header: http.Header{}}
	var (
		upstream, path *yaml.Node
		query          = url.Values{}
		own            = http.Header{}
	)
	r.mapping(n, "http of "+where,
		key{name: "upstream", read: func(v *yaml.Node) { upstream = v }},
		key{name: "path", read: func(v *yaml.Node) { path = v }},
		key{name: "query", read: func(v *yaml.Node) {
			for k, v := range r.entries(v, "query of "+where) {
				if s, ok := r.text(v, "query "+quote(k.Value), aText); ok {
					query.Set(k.Value, s)
				}
			}
		}},
		key{name: "headers", read: func(v *yaml.Node) { r.headers(v, "headers of "+where, own) }},
	)
	join := ""
	if path != nil {
		join = r.path(path)
	}
	if upstream == nil {
		if r.complete(n) {
			r.problem(n, "http of "+where+" has no upstream", "add the name of one such as upstream: weather")
		}
		return nil
	}
	name, ok := r.text(upstream, "upstream", "write the name of one")
	if !ok {
		return nil
	}
	h.Upstream, ok = upstreams[name]
	if !ok {
		r.problem(upstream, "unknown upstream "+quote(name), suggest(name, "upstreams", slices.Sorted(maps.Keys(upstreams))))
	}
	if h.Upstream == nil {
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
// has no place in a path is escaped.
func (r *reader) path(n *yaml.Node) string {
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
	default:
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
	return ""
}

// pick reads one expression or a mapping of names to expressions.
func (r *reader) pick(n *yaml.Node, where string) []Field {
	if n.Kind != yaml.MappingNode {
		if p := r.jq(n, "pick"); p != nil {
			return []Field{{Expr: p}}
		}
		return nil
	}
	var fields []Field
	for k, v := range r.entries(n, "pick of "+where) {
		if strings.TrimSpace(k.Value) == "" {
			r.problem(k, "a field of pick has an empty name", "write a name such as temp")
		}
		fields = append(fields, Field{Name: k.Value, Expr: r.jq(v, "field "+quote(k.Value))})
	}
	return fields
}

// show reads how a value is presented. Fields are those of pick, nil without it.
func (r *reader) show(n *yaml.Node, where string, fields []Field, pick *yaml.Node) Show {
	var s Show
	var low *yaml.Node
	r.mapping(n, "show of "+where,
		key{name: "value", read: func(v *yaml.Node) {
			name, ok := r.text(v, "value", "write the name of a field")
			if !ok {
				return
			}
			s.Value = name
			if pick == nil || pick.Kind != yaml.MappingNode || r.spoiled[pick] {
				return
			}
			var known []string
			for _, f := range fields {
				known = append(known, f.Name)
			}
			if !slices.Contains(known, name) {
				r.problem(v, fmt.Sprintf("value: %s is not picked", quote(name)), suggest(name, "fields of pick", known))
			}
		}},
		key{name: "unit", read: func(v *yaml.Node) { s.Unit = r.line(v, "unit") }},
		key{name: "min", read: func(v *yaml.Node) { low = v; s.Min = r.number(v, "min") }},
		key{name: "max", read: func(v *yaml.Node) { s.Max = r.number(v, "max") }},
		key{name: "decimals", read: func(v *yaml.Node) {
			if n, ok := r.integer(v, "decimals", 0, 10); ok {
				s.Decimals = &n
			}
		}},
		key{name: "history", later: "remove it"},
	)
	if s.Min != nil && s.Max != nil && *s.Min >= *s.Max {
		r.problem(low, fmt.Sprintf("min of %v is not below max of %v", *s.Min, *s.Max), "make min smaller than max")
	}
	return s
}

// references reads the from list of each source and reports unknown names and
// cycles. From holds the node of that list by source.
func (r *reader) references(sources []*Source, from map[*Source]*yaml.Node) {
	byName := map[string]*Source{}
	var names []string
	for _, s := range sources {
		byName[s.Name] = s
		names = append(names, s.Name)
	}
	at := map[*Source][]*yaml.Node{} // the node of each element of From
	for _, s := range sources {
		n := from[s]
		if n == nil {
			continue
		}
		first := map[string]*yaml.Node{}
		for _, e := range r.list(n, "from", "write a list of sources such as [a, b]") {
			name, ok := r.text(e, "a name in from", "write the name of a source")
			switch f := first[name]; {
			case !ok:
			case f != nil:
				r.problem(e, fmt.Sprintf("from has %s twice", quote(name)), fmt.Sprintf("the first one is at line %d, column %d: remove one of them", f.Line, f.Column))
			case byName[name] == nil:
				r.problem(e, "unknown source "+quote(name), suggest(name, "sources", slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == s.Name })))
			default:
				first[name] = e
				s.From = append(s.From, name)
				at[s] = append(at[s], e)
			}
		}
	}
	// Depth first; a reference to a source on the way there closes a cycle.
	done := map[*Source]bool{}
	var way []string
	var visit func(s *Source)
	visit = func(s *Source) {
		way = append(way, s.Name)
		for i, name := range s.From {
			if begin := slices.Index(way, name); begin >= 0 {
				r.problem(at[s][i], "a source cannot be made from itself: "+strings.Join(append(slices.Clone(way[begin:]), name), " <- "), "remove one of these references")
			} else if next := byName[name]; !done[next] {
				visit(next)
			}
		}
		way = way[:len(way)-1]
		done[s] = true
	}
	for _, s := range sources {
		if !done[s] {
			visit(s)
		}
	}
}
