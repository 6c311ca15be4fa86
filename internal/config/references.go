package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// readReferences reads the from list of each source and reports unknown names and
// cycles. From holds the node of that list by source.
func readReferences(sources []*Source, from map[*Source]*grammar.Node) {
	byName := map[string]*Source{}
	var names []string
	for _, s := range sources {
		byName[s.Name] = s
		names = append(names, s.Name)
	}
	at := map[*Source][]*grammar.Node{} // the node of each element of From
	for _, s := range sources {
		n := from[s]
		if n == nil {
			continue
		}
		first := map[string]*grammar.Node{}
		for _, e := range n.List("from", "write a list of sources such as [a, b]") {
			name, ok := e.Text("a name in from", "write the name of a source")
			switch f := first[name]; {
			case !ok:
			case f != nil:
				e.Problem(fmt.Sprintf("from has %s twice", grammar.Quote(name)),
					fmt.Sprintf("the first one is at %s: remove one of them", f.At(e)))
			case byName[name] == nil:
				e.Problem("unknown source "+grammar.Quote(name),
					grammar.Suggest(name, "sources",
						slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == s.Name })))
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
				circle := strings.Join(append(slices.Clone(way[begin:]), name), " <- ")
				at[s][i].Problem("a source cannot be made from itself: "+circle,

					"remove one of these references")
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
