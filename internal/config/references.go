package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

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
				r.problem(e, fmt.Sprintf("from has %s twice", quote(name)), fmt.Sprintf("the first one is at %s: remove one of them", r.at(f, e.Line)))
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
