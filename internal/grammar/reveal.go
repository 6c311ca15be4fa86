package grammar

import "github.com/tidewire/tidewire/internal/secret"

// Reveal lets excerpts show n, or the elements of n. [Node.Read] reveals the values of keys that are not secret, so
// Reveal is for the values of other mappings.
func (n *Node) Reveal() {
	n.reveal()
	for _, c := range n.Elements() {
		c.reveal()
	}
}

func (n *Node) reveal() {
	n.shown = true
	if n.made != nil {
		n.made.of.shown = true
	}
}

// Conceal undoes [Node.Reveal].
func (n *Node) Conceal() {
	n.shown = false
	if n.made != nil {
		n.made.of.hidden = true
	}
}

// ConcealArguments conceals the elements of the list n that are, or contain, credentials in the arguments of a program.
func (n *Node) ConcealArguments() {
	hidden := secretsIn(n.Elements())
	for _, e := range n.Elements() {
		if hidden.Text(e.value) != e.value {
			e.Conceal()
		}
	}
}

// secretsIn returns a redactor of the credentials in the arguments of a program. A credential that is filled in later
// is only a placeholder there.
func secretsIn(arguments []*Node) *secret.Redactor {
	var argv []string
	for _, e := range arguments {
		argv = append(argv, e.value)
	}
	return secret.New(secret.OfProgram(argv, nil)...)
}
