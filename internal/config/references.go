package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// readReferences checks the names of the sources that other sources are computed from: it reports unknown ones and
// cycles. Inputs holds the nodes of the names by source.
func readReferences(sources []*Source, inputs map[*Source][]*grammar.Node) {
	byName := map[string]*Source{}
	var names []string
	for _, s := range sources {
		byName[s.Name] = s
		names = append(names, s.Name)
	}
	at := map[*Source][]*grammar.Node{} // of names that exist
	for _, s := range sources {
		for _, n := range inputs[s] {
			if isEach(n, byName[n.Value()]) {
				continue
			}
			if byName[n.Value()] != nil {
				at[s] = append(at[s], n)
				continue
			}
			if split := byName[n.Value()[:max(0, strings.LastIndexByte(n.Value(), '/'))]]; split != nil && split.Split != nil {
				n.Problem(fmt.Sprintf("whether there is a source %s is known only at run time: %s is split",
					grammar.Quote(n.Value()), split.Name), "name a source of this file")
				continue
			}
			others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == s.Name })
			n.Problem("unknown source "+grammar.Quote(n.Value()), grammar.Suggest(n.Value(), "sources", others))
		}
	}
	// Depth first; a reference to a source on the current path closes a cycle.
	done := map[*Source]bool{}
	var way []string
	var visit func(s *Source)
	visit = func(s *Source) {
		way = append(way, s.Name)
		for _, n := range at[s] {
			name := n.Value()
			if begin := slices.Index(way, name); begin >= 0 {
				circle := append(slices.Clone(way[begin:]), name)
				n.Problem("a source cannot be made from itself: "+strings.Join(circle, " <- "),
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
