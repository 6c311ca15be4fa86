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
	references := map[string][]*grammar.Node{} // by source: to those that exist
	for _, s := range sources {
		for _, n := range inputs[s] {
			if isEach(n, byName[n.Value()]) {
				continue
			}
			if byName[n.Value()] != nil {
				references[s.Name] = append(references[s.Name], n)
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
	checkCircles(names, references, func(n *grammar.Node, circle []string) {
		n.Problem("a source cannot be made from itself: "+strings.Join(circle, " <- "), "remove one of these references")
	})
}

// checkCircles calls report with each reference that closes a circle, and with the names in that, the first one again at its
// end. References holds, by the name of each of all, the nodes of the names to which it refers, which are some of all.
func checkCircles(all []string, references map[string][]*grammar.Node, report func(closes *grammar.Node, circle []string)) {
	// Depth first; a reference to a name on the current path closes a circle.
	done := map[string]bool{}
	var way []string
	var visit func(name string)
	visit = func(name string) {
		way = append(way, name)
		for _, n := range references[name] {
			to := n.Value()
			if begin := slices.Index(way, to); begin >= 0 {
				report(n, append(slices.Clone(way[begin:]), to))
			} else if !done[to] {
				visit(to)
			}
		}
		way = way[:len(way)-1]
		done[name] = true
	}
	for _, name := range all {
		if !done[name] {
			visit(name)
		}
	}
}
