package config

import (
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

const anArgv = "write the program and its arguments as a list such as [df, -h]; there is no shell"

// argv reads the list of a program and its arguments.
func (r *reader) argv(n *grammar.Node) []string {
	var argv []string
	for i, e := range n.List("exec", anArgv) {
		s, ok := e.Text(fmt.Sprintf("element %d of exec", i+1), grammar.AText)
		switch {
		case !ok:
		case strings.ContainsRune(s, 0):
			e.Problem(fmt.Sprintf("element %d of exec contains a NUL character", i+1), "remove it; no program can be given one")
		case i == 0 && s == "":
			e.Problem("the program in exec is empty", "write its name or path")
		case i == 0 && len(argsIn(e)) == 0:
			s = r.program(e, s)
		}
		argv = append(argv, s)
	}
	n.ConcealArguments()
	return argv
}
