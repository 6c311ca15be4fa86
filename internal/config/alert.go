package config

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v4"
)

// alert reads when people are told of a source, and how.
func (r *reader) alert(n *yaml.Node, where string, known map[string]*Notify) *Alert {
	a := &Alert{}
	var clear *yaml.Node
	duration := func(to *time.Duration, what string) func(v *yaml.Node) {
		return func(v *yaml.Node) {
			if v.Value != "0" {
				*to = r.duration(v, what)
			}
		}
	}
	where = "alert of " + where
	r.mapping(n, where, alertKeys, reads{
		"if":        func(v *yaml.Node) { a.If = r.jq(v, "if") },
		"for":       duration(&a.For, "for"),
		"clear":     func(v *yaml.Node) { clear = v; a.Clear = r.jq(v, "clear") },
		"clear_for": duration(&a.ClearFor, "clear_for"),
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
	if clear != nil && r.lacks(n, "if") {
		r.problem(clear, "clear without if", "remove it: an alert without if ends when the source is ok again; or add if")
	}
	if r.lacks(n, "if", "for", "clear", "clear_for", "notify") {
		r.problem(n, where+" says neither when nor to whom", "add a condition such as if: .level > 90, or notify")
	}
	return a
}
