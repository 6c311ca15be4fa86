package config

import (
	"fmt"

	"go.yaml.in/yaml/v4"
)

// alert reads when people are told of a source, and how.
func (r *reader) alert(n *yaml.Node, where string, known map[string]*Notify) *Alert {
	a := &Alert{}
	where = "alert of " + where
	r.mapping(n, where, alertKeys, reads{
		"if": func(v *yaml.Node) { a.If = r.jq(v, "if") },
		"for": func(v *yaml.Node) {
			if v.Value != "0" {
				a.For = r.duration(v, "for")
			}
		},
		"notify": func(v *yaml.Node) {
			first := map[*Notify]*yaml.Node{}
			for _, e := range r.oneOrMore(v, "notify", "[ops, leads]") {
				switch to := lookup(r, e, "webhook", known); {
				case to == nil:
				case first[to] != nil:
					r.problem(e, fmt.Sprintf("notify has %s twice", quote(to.Name)), "remove one of them")
				default:
					first[to] = e
					a.Notify = append(a.Notify, to)
				}
			}
		},
	})
	if r.lacks(n, "if", "notify") {
		r.problem(n, where+" says neither when nor to whom", "add a condition such as if: .level > 90, or notify")
	}
	return a
}
