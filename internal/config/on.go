package config

import (
	"fmt"
	"slices"

	"github.com/tidewire/tidewire/internal/grammar"
)

// OnEach is the [Source.On] of a source that each replica polls for itself, see [Config.ForReplicas].
const OnEach = "each"

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

// checkOn checks that the source or job n, of which a message says that it is one of what, can be on a replica.
func (f *fileReader) checkOn(n *grammar.Node, what string) {
	switch on := n.Get("on"); {
	case on == nil:
	case n.Get("exec") == nil:
		on.Problem("on without exec", "remove it; it is for "+what+" with exec")
	case f.c.NATS == nil:
		on.Problem("on names a replica, and without nats in store there is one process alone",
			"remove it, or add store: {nats: ...}, where replicas share their state")
	case what == "jobs" && on.Value() == OnEach:
		on.Problem("on: each is for sources, since a start of a job is one run", "write the name of a replica")
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

// isEach reports that n names a source that is several: each replica has one.
func isEach(n *grammar.Node, s *Source) bool {
	if s == nil || s.On != OnEach {
		return false
	}
	n.Problem(fmt.Sprintf("source %s is on each replica, so it is several: %s@NAME for each", grammar.Quote(s.Name), s.Name),
		"name a source that is one")
	return true
}

// ForReplicas returns c with a source NAME@REPLICA, which is on that replica, in place of a source NAME that is on each: for
// those that replicas returns for NAME. It is c itself if there is no such source.
func (c *Config) ForReplicas(replicas func(source string) []string) *Config {
	if !slices.ContainsFunc(c.Sources, func(s *Source) bool { return s.On == OnEach }) {
		return c
	}
	all, keys := *c, map[string][]string{}
	all.Sources = nil
	for _, s := range c.Sources {
		if s.On != OnEach {
			all.Sources = append(all.Sources, s)
			continue
		}
		key := "source/" + s.Name
		keys[key] = []string{}
		for _, name := range replicas(s.Name) {
			one := *s
			one.Name, one.Title, one.On = s.Name+"@"+name, s.Title+"@"+name, name
			all.Sources = append(all.Sources, &one)
			keys[key] = append(keys[key], "source/"+one.Name)
		}
	}
	all.Quiet = make([]*Quiet, len(c.Quiet))
	for i, q := range c.Quiet {
		one := *q
		one.Of = nil
		for _, of := range q.Of {
			if each, ok := keys[of]; ok {
				one.Of = append(one.Of, each...)
			} else {
				one.Of = append(one.Of, of)
			}
		}
		all.Quiet[i] = &one
	}
	return &all
}
