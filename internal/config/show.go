package config

import (
	"fmt"
	"slices"
	"time"

	"go.yaml.in/yaml/v4"
)

// What show.history may be: less is what a page remembers by itself, more belongs into
// a database.
const (
	minHistory = time.Minute
	maxHistory = 31 * 24 * time.Hour
)

// show reads how a value is presented. Fields are those of pick, nil without it.
func (r *reader) show(n *yaml.Node, where string, fields []Field, pick *yaml.Node) Show {
	var s Show
	var low *yaml.Node
	r.mapping(n, "show of "+where, showKeys, reads{
		"value": func(v *yaml.Node) {
			name, ok := r.text(v, "value", "write the name of a field")
			if !ok {
				return
			}
			s.Value = name
			if pick != nil && pick.Kind == yaml.MappingNode && !r.spoiled[pick] {
				r.picked(v, "value", name, fields)
			}
		},
		"unit": func(v *yaml.Node) { s.Unit = r.line(v, "unit") },
		"min":  func(v *yaml.Node) { low = v; s.Min = r.number(v, "min") },
		"max":  func(v *yaml.Node) { s.Max = r.number(v, "max") },
		"decimals": func(v *yaml.Node) {
			if n, ok := r.integer(v, "decimals", 0, 10); ok {
				s.Decimals = &n
			}
		},
		"history": func(v *yaml.Node) {
			switch d := r.duration(v, "history"); {
			case d > 0 && (d < minHistory || d > maxHistory):
				r.problem(v, fmt.Sprintf("history: %s is out of range", quote(v.Value)), "write a duration from 1m to 744h, which is 31 days")
			default:
				s.History = d
			}
		},
	})
	if s.Min != nil && s.Max != nil && *s.Min >= *s.Max {
		r.problem(low, "min is not below max", "make min smaller than max")
	}
	return s
}

// picked checks that name, which n has, is one of fields.
func (r *reader) picked(n *yaml.Node, what, name string, fields []Field) {
	var known []string
	for _, f := range fields {
		known = append(known, f.Name)
	}
	if !slices.Contains(known, name) {
		r.problem(n, fmt.Sprintf("%s: %s is not picked", what, quote(name)), suggest(name, "fields of pick", known))
	}
}

// deadband reads one number for all that is picked, or one for each of some fields.
func (r *reader) deadband(n *yaml.Node, where string, fields []Field, pick *yaml.Node) []Deadband {
	least := func(n *yaml.Node, field, what string) []Deadband {
		f := r.number(n, what)
		if f == nil {
			return nil
		}
		if *f <= 0 {
			r.problem(n, fmt.Sprintf("%s is %s", what, n.Value), "write a number above 0, or remove it")
			return nil
		}
		return []Deadband{{Field: field, Least: *f}}
	}
	if n.Kind != yaml.MappingNode {
		return least(n, "", "deadband")
	}
	if pick == nil || pick.Kind != yaml.MappingNode && !r.spoiled[pick] {
		r.problem(n, "deadband names fields, but pick has none", "write one number such as 0.5, or give the fields names as in pick: {temp: .main.temp}")
		return nil
	}
	var all []Deadband
	for k, v := range r.entries(n, "deadband of "+where) {
		r.reveal(v)
		if !r.spoiled[pick] {
			r.picked(k, "deadband", k.Value, fields)
		}
		all = append(all, least(v, k.Value, "deadband "+quote(k.Value))...)
	}
	return all
}
