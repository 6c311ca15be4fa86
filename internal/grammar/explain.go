package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Setting is one value in effect for a part of a configuration.
type Setting struct {
	Key   string // for example backoff.min, or upstreams.weather.limit
	Value string // as in the file; *** for a possible credential and for the value of a reference
	From  string // the place file:line, with the references in it, or "built in"
}

// Explain returns the values of keys in mappings; the first mapping that has a key counts. Prefix is put before the
// name of each key. BuiltIn has built-in values besides the defaults of keys, by prefix and name; it may be nil.
func Explain(prefix string, keys Keys, builtIn map[string]any, mappings ...*Node) []Setting {
	return settings(prefix, keys, "", builtIn, mappings)
}

// settings is like Explain, but a node in mappings that is not a mapping is the value of the key short.
func settings(prefix string, keys Keys, short string, builtIn map[string]any, mappings []*Node) []Setting {
	var all []Setting
	for _, k := range keys {
		name := prefix + k.name
		var values []*Node
		for _, m := range mappings {
			switch v := m.Get(k.name); {
			case v != nil:
				values = append(values, v)
			case m != nil && !m.IsMapping() && k.name == short:
				values = append(values, m)
			}
		}
		switch {
		case k.oneOf && values == nil: // another one of these keys is there
		case values == nil && slices.ContainsFunc(k.keys, func(of Key) bool { return of.need }): // it is not there
		case k.words != nil && values != nil && values[0].IsScalar():
			all = append(all, values[0].setting(name, k.secret)...)
		case k.words != nil && values == nil && builtIn[name] != nil:
			all = append(all, Setting{name, fmt.Sprint(builtIn[name]), "built in"})
		case k.keys != nil:
			all = append(all, settings(name+".", k.keys, k.short, builtIn, values)...)
		case values != nil:
			all = append(all, values[0].setting(name, k.secret)...)
		case builtIn[name] != nil:
			all = append(all, Setting{name, fmt.Sprint(builtIn[name]), "built in"})
		case builtIn != nil && k.builtIn != nil:
			all = append(all, Setting{name, fmt.Sprint(k.builtIn), "built in"})
		}
	}
	return all
}

// setting returns n as a setting, or one setting for each of its entries.
func (n *Node) setting(name string, secret bool) []Setting {
	if n.IsMapping() {
		var all []Setting
		for k, v := range n.Pairs() {
			all = append(all, v.setting(name+"."+k.value, secret)...)
		}
		return all
	}
	from := n.reader.where(n)
	for _, e := range append([]*Node{n}, n.content...) {
		for _, ref := range e.refs() {
			from += " " + ref
		}
		for _, cell := range e.cells() {
			from += " with " + n.reader.where(cell)
		}
	}
	return []Setting{{name, n.plain(secret), from}}
}

// plain returns a value in one line.
func (n *Node) plain(secret bool) string {
	if n.IsList() {
		var elements []string
		hidden := secretsIn(n.content)
		for _, e := range n.content {
			elements = append(elements, hidden.Text(e.plain(secret)))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	if n.IsMapping() {
		var entries []string
		for k, v := range n.Pairs() {
			entries = append(entries, k.value+": "+v.plain(secret))
		}
		return "{" + strings.Join(entries, ", ") + "}"
	}
	switch s := n.value; {
	case secret || n.HasReferences():
		return "***"
	case s == "" || strings.TrimSpace(s) != s || strings.ContainsFunc(s, IsControl):
		return strconv.Quote(s)
	default:
		return s
	}
}
