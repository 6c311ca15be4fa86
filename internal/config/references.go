package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// readReferences checks the names of the sources that other sources are computed from: it reports unknown ones and
// cycles. Inputs holds the nodes of the names by source.
func (r *reader) readReferences(sources []*Source, inputs map[*Source][]*grammar.Node) {
	var names []string
	for _, s := range sources {
		names = append(names, s.Name)
	}
	references := map[string][]*grammar.Node{} // by source: to those that exist
	for _, s := range sources {
		patterns := map[string]*grammar.Node{}
		for _, n := range inputs[s] {
			if strings.HasSuffix(n.Value(), kind.AllRows) {
				patterns[n.Value()] = n
			}
		}
		for _, n := range inputs[s] {
			if split, row := r.rowIn(n.Value()); split != nil {
				all := patterns[split.Name+kind.AllRows]
				if r.checkRow(n, split, row) && all != nil && all != n {
					n.Problem(fmt.Sprintf("from has %s twice: it is one of %s", grammar.Quote(n.Value()), all.Value()),
						fmt.Sprintf("remove it, or %s at %s", all.Value(), all.At(n)))
				}
				continue
			}
			to := r.parts.sources[n.Value()]
			switch {
			case isEach(n, to):
			case to != nil:
				references[s.Name] = append(references[s.Name], n)
			default:
				others := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == s.Name })
				n.Problem("unknown source "+grammar.Quote(n.Value()), grammar.Suggest(n.Value(), "sources", others))
			}
		}
	}
	checkCircles(names, references, func(n *grammar.Node, circle []string) {
		n.Problem("a source cannot be made from itself: "+strings.Join(circle, " <- "), "remove one of these references")
	})
}

// rowIn returns the source that a name NAME/ROW or NAME/* is a row of, or would be if that were split, and ROW. It is nil if
// the name is another one.
func (r *reader) rowIn(name string) (split *Source, row string) {
	slash := strings.LastIndexByte(name, '/')
	if slash < 0 || r.parts.sources[name] != nil {
		return nil, ""
	}
	return r.parts.sources[name[:slash]], name[slash+1:]
}

// checkRow checks that the source that n names can be a row of split, or all of them, and reports whether it can: which rows
// there are is known only at run time.
func (r *reader) checkRow(n *grammar.Node, split *Source, row string) bool {
	switch name := RowName(row); {
	case isEach(n, split):
	case !r.split[split.Name]:
		n.Problem(fmt.Sprintf("there is no source %s: %s has no rows, since it has no split", grammar.Quote(n.Value()), split.Name),
			"name "+split.Name+", or add split to that")
	case row == "*", name == row:
		return true
	case name == "":
		n.Problem(fmt.Sprintf("no row of %s is called %s", split.Name, grammar.Quote(row)),
			fmt.Sprintf("write %s/ROW, or %s for all of them", split.Name, split.Name+kind.AllRows))
	default:
		n.Problem(fmt.Sprintf("no row of %s is called %s", split.Name, grammar.Quote(row)), grammar.DidYouMean(split.Name+"/"+name))
	}
	return false
}

// sourceOrRow reads the name of a source, or of a row of one that is split, which may not be there, or of all rows if several
// sources are expected. It returns the name, empty if there cannot be such a source, and the source that is in the file.
func (r *reader) sourceOrRow(n *grammar.Node, several bool) (name string, s *Source) {
	split, row := r.rowIn(n.Value())
	switch {
	case split != nil && n.IsScalar() && row == "*" && !several && r.split[split.Name]:
		n.Problem(fmt.Sprintf("%s is all rows of %s, and one source is expected", grammar.Quote(n.Value()), split.Name),
			fmt.Sprintf("name one such as %s/ROW", split.Name))
	case split != nil && n.IsScalar():
		if r.checkRow(n, split, row) {
			return n.Value(), split
		}
	default:
		if s := grammar.Lookup(n, "source", r.parts.sources); s != nil && !isEach(n, s) {
			return s.Name, s
		}
	}
	return "", nil
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
