package config

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind/exec"
	"github.com/tidewire/tidewire/internal/notify"
)

// readNotifyArgv reads the program of a receiver. A placeholder may stand in its arguments, but not where it would become
// code.
func (r *reader) readNotifyArgv(n *grammar.Node) []string {
	argv := exec.ReadArgv(n, r.once)
	shell := false // a command of a shell follows
	for i, e := range n.Elements() {
		for _, p := range argsIn(e) {
			switch {
			case p.foreign: // it came with a reference
			case !notify.IsField(p.name) && shell: // ${x} is the shell's
			case !notify.IsField(p.name):
				e.ProblemAt(p.at, fmt.Sprintf("exec: there is no %s of a message", p.text),
					grammar.Suggest(p.name, "placeholders", notify.Fields))
			case shell:
				e.ProblemAt(p.at, p.text+" after -c would become part of a command",
					"put the command into a script and give it "+p.text+" as an argument")
			case i == 0:
				e.ProblemAt(p.at, "the program to run is given by "+p.text, "write its name or path alone")
			case interpreted(argv, i) != "":
				warnInterpreted(argv, i, e, p)
			}
		}
		shell = shell || shellText.MatchString(e.Value())
	}
	return argv
}
