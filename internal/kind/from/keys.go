package from

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// Kind is the kind of sources that are computed from others.
var Kind = kind.Kind{Name: "from", Section: section, Computes: true}

var needs = []grammar.Word{
	{Word: string(NeedsAll), Doc: "the value is fresh while all inputs are"},
	{Word: string(NeedsAny), Doc: "the value is fresh while one of the inputs is"},
	{Word: string(NeedsNone), Doc: "the value is fresh whatever the states of the inputs: they are left to `combine`"},
}

func section(r kind.Reading) kind.Section {
	s := &Source{Needs: NeedsAll}
	return kind.Section{
		Keys: grammar.Keys{
			grammar.Func("from",
				"other sources, or `NAME/*` for all rows of one with `split`; the value is recomputed after every poll "+
					"of one of them. A source cannot be computed from itself",
				grammar.Texts, func(v *grammar.Node) { s.From = readFrom(v, r.Input) }).OneOf(),
			grammar.JQ("combine", "with `from` only: computes the value from the inputs", &s.Combine).With("from"),
			grammar.OneOf("needs",
				"with `from` only: which inputs must be fresh for the value to be fresh. With `none` their states "+
					"are left to `combine`",
				&s.Needs, needs).Also("requires quorum").With("from"),
		},
		Stray: map[string]string{
			"combine": `add the names of other sources such as from: [a, b], or use "pick"`,
			"needs":   "remove it: this source has no inputs",
		},
		Source: func(*grammar.Node) kind.Source { return s },
	}
}

// readFrom reads the names of the inputs.
func readFrom(n *grammar.Node, input func(n *grammar.Node, name string)) (names []string) {
	first := map[string]*grammar.Node{}
	for _, e := range n.List("from", "write a list of sources such as [a, b]") {
		name, ok := e.Text("a name in from", "write the name of a source")
		switch f := first[name]; {
		case !ok:
		case f != nil:
			e.Problem(fmt.Sprintf("from has %s twice", grammar.Quote(name)),
				fmt.Sprintf("the first one is at %s: remove one of them", f.At(e)))
		default:
			first[name] = e
			names = append(names, name)
			input(e, name)
		}
	}
	return names
}
