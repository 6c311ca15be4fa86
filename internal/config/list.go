package config

import (
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/internal/secret"
	"go.yaml.in/yaml/v4"
)

// list returns the elements of a list. Want says what would be right if it is
// something else.
func (r *reader) list(n *yaml.Node, what, want string) []*yaml.Node {
	switch {
	case r.spoiled[n]:
		return nil
	case n.Kind != yaml.SequenceNode:
		r.problem(n, fmt.Sprintf("%s is %s", what, describe(n)), want)
		return nil
	case len(n.Content) == 0:
		r.problem(n, what+" is an empty list", want)
	}
	return n.Content
}

// oneOrMore returns the elements of a list of names, which example shows, or the one
// that stands there without a list.
func (r *reader) oneOrMore(n *yaml.Node, what, example string) []*yaml.Node {
	if n.Kind == yaml.ScalarNode {
		return []*yaml.Node{n}
	}
	return r.list(n, what, "write a name, or a list of names such as "+example)
}

// argv reads the list of a program and its arguments.
func (r *reader) argv(n *yaml.Node) []string {
	var argv []string
	for i, e := range r.list(n, "exec", "write the program and its arguments as a list such as [df, -h]; there is no shell") {
		s, ok := r.text(e, fmt.Sprintf("element %d of exec", i+1), aText)
		switch {
		case !ok:
		case strings.ContainsRune(s, 0):
			r.problem(e, fmt.Sprintf("element %d of exec contains a NUL character", i+1), "remove it; no program can be given one")
		case i == 0 && s == "":
			r.problem(e, "the program in exec is empty", "write its name or path")
		case i == 0 && len(r.argsIn(e)) == 0:
			s = r.program(e, s)
		}
		argv = append(argv, s)
	}
	hidden := secretsIn(argv)
	for _, e := range n.Content {
		if hidden.Text(e.Value) != e.Value {
			r.conceal(e)
		}
	}
	return argv
}

// secretsIn hides the credentials in the arguments of a program; of an argument of a job, there is only a placeholder.
func secretsIn(argv []string) *secret.Redactor {
	return secret.New(secret.OfProgram(argv, nil)...)
}
