package config

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/grammar"
)

// onEach stands for all replicas where the name of one may stand.
const onEach = "each"

// onKey is the key of a source or job with exec that says which replica runs the program.
func onKey(doc string, on *string) grammar.Key {
	return grammar.Func("on", doc, replicaShape, func(v *grammar.Node) { *on = readOn(v) }).Also("replica node").With("exec")
}

func readOn(n *grammar.Node) string {
	s := n.Line("on")
	if s != "" && !replicaName.MatchString(s) {
		n.Problem(fmt.Sprintf("on: %s cannot be the name of a replica", grammar.Quote(s)), aReplica)
		return ""
	}
	return s
}

// checkOn checks that the source or job n, of which a message says that it is one of what, can be on one replica.
func (f *fileReader) checkOn(n *grammar.Node, what string) {
	switch on := n.Get("on"); {
	case on == nil:
	case n.Get("exec") == nil:
		on.Problem("on without exec", "remove it; it is for "+what+" with exec")
	case f.c.NATS == nil:
		on.Problem("on names a replica, and without nats in store there is one process alone",
			"remove it, or add store: {nats: ...}, where replicas share their state")
	}
}

// checkGroups checks that all jobs of a group are on the same replica: one starts the runs of all of them.
func (f *fileReader) checkGroups(entries map[string]*grammar.Node) {
	first := map[string]*Job{}
	for _, j := range f.c.Jobs {
		other := first[j.Group]
		switch {
		case j.Group == "":
		case other == nil:
			first[j.Group] = j
		case other.On != j.On && entries[j.Name].Get("group") != nil:
			entries[j.Name].Get("group").Problem(
				fmt.Sprintf("the jobs %s and %s of the group %s are on different replicas, and one replica starts the runs of a group",
					grammar.Quote(other.Name), grammar.Quote(j.Name), grammar.Quote(j.Group)),
				"write the same on for both, or other groups")
		}
	}
}
