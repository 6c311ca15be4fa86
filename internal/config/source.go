package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// source reads one entry of sources, of which references to others (from) are
// checked later.
func (r *reader) source(e named, defaults pace, known parts) (*Source, *yaml.Node) {
	where := "source " + quote(e.name)
	s := &Source{Name: e.name, Title: e.name}
	p := defaults
	var (
		kinds                      []*yaml.Node // the values of the kinds that it has
		polled                     = map[string]*yaml.Node{}
		from, combine, needs, show *yaml.Node
		pick, deadband             *yaml.Node
		parse                      string
	)
	kind := func(read func(v *yaml.Node)) func(v *yaml.Node) {
		return func(v *yaml.Node) { kinds = append(kinds, v); read(v) }
	}
	read := r.paceReads(&p)
	read["parse"] = func(v *yaml.Node) {
		parse = r.choice(v, "parse", parses)
	}
	for name, f := range read { // what a source made from others has not
		read[name] = func(v *yaml.Node) { polled[name] = v; f(v) }
	}
	maps.Copy(read, reads{
		"http":    kind(func(v *yaml.Node) { s.HTTP = r.request(v, where, known.upstreams) }),
		"exec":    kind(func(v *yaml.Node) { s.Exec = r.argv(v) }),
		"from":    kind(func(v *yaml.Node) { from = v }),
		"combine": func(v *yaml.Node) { combine = v; s.Combine = r.jq(v, "combine") },
		"needs": func(v *yaml.Node) {
			needs, s.Needs = v, Needs(r.choice(v, "needs", inputNeeds))
		},
		"title":    func(v *yaml.Node) { s.Title = r.line(v, "title") },
		"pick":     func(v *yaml.Node) { pick = v; s.Pick = r.pick(v, where) },
		"show":     func(v *yaml.Node) { show = v },
		"alert":    func(v *yaml.Node) { s.Alert = r.alert(v, where, known.notify) },
		"deadband": func(v *yaml.Node) { deadband = v },
	})
	ofExec := map[string]*yaml.Node{}
	maps.Copy(read, r.programReads(&s.Program, where, ofExec))
	r.mapping(e.value, where, sourceKeys, read)
	if len(kinds) == 1 && s.Exec == nil {
		for name, v := range ofExec {
			r.problem(v, name+" in a source that runs no program", "remove it; it is for sources with exec")
		}
	}
	r.oneKind(e, where, "poll", kinds, "http", "exec", "from")
	if show != nil {
		s.Show = r.show(show, where, s.Pick, pick)
	}
	if deadband != nil {
		s.Deadband = r.deadband(deadband, where, s.Pick, pick)
	}
	if from == nil {
		if combine != nil {
			r.problem(combine, "combine without from", `add the names of other sources such as from: [a, b], or use "pick"`)
		}
		if needs != nil {
			r.problem(needs, "needs without from", "remove it: this source has no inputs")
		}
		s.Parse = ParseJSON
		if s.Exec != nil {
			s.Parse = ParseText
		}
		if parse != "" {
			s.Parse = Parse(parse)
		}
		s.Every, s.Unwatched, s.When = p.every, p.idle(), p.when
		s.Timeout, s.Jitter, s.Backoff, s.StaleAfter = p.timeout, p.jitter, p.backoff, p.stale()
		return s, nil
	}
	if needs == nil {
		s.Needs = NeedsAll
	}
	s.StaleAfter = r.computed(polled, p)
	return s, from // its place, for [reader.references]
}

// computed returns the stale_after of a source that is made from others, which has no other key
// of those that are polled. p is what its keys say.
func (r *reader) computed(polled map[string]*yaml.Node, p pace) (staleAfter time.Duration) {
	for _, name := range slices.Sorted(maps.Keys(polled)) {
		switch v := polled[name]; {
		case name != "stale_after":
			r.problem(v, fmt.Sprintf("%s in a source made from others, which is not polled", name), "remove it")
		case p.stalePolls == 0:
			staleAfter = p.staleAfter
		case pollsGrammar.MatchString(v.Value):
			r.problem(v, "stale_after counts polls in a source made from others, which is not polled", "write a duration such as 5m, or remove it")
		}
	}
	return staleAfter
}

// oneKind checks that a source or job has exactly one of the keys that are kinds; had
// are the values of those that it has.
func (r *reader) oneKind(e named, where, verb string, had []*yaml.Node, kinds ...string) {
	var words []string
	for _, k := range kinds {
		words = append(words, strconv.Quote(k))
	}
	switch {
	case len(had) > 1:
		r.problem(e.key, where+" has more than one kind", "keep exactly one of "+list(words, "and"))
	case r.lacks(e.value, append(kinds, "modbus", "mqtt", "sql")...):
		r.problem(e.key, where+" does not say what to "+verb, "add exactly one of "+list(words, "and"))
	}
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
		r.reveal(v)
		fields = append(fields, Field{Name: k.Value, Expr: r.jq(v, "field "+quote(k.Value))})
	}
	return fields
}
