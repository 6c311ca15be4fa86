package http

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/template"
)

const aJSON = "write a mapping or a list such as {id: 1}, or a text of JSON as body"

// ReadJSON reads a body that is written as a mapping, a list, or an expression alone, and returns it as a template of JSON.
// A text that is one placeholder alone becomes its value, whatever type that has; in any other text a placeholder is a part
// of the text. Expressions are placeholders, and so is {name} if isArg says so.
func ReadJSON(n *grammar.Node, isArg func(name string) bool) string {
	computed := slices.Collect(maps.Keys(n.Expressions()))
	known := func(p template.Placeholder) bool { return slices.Contains(computed, p.Name) || isArg(p.Name) }
	find := func(s string) []template.Placeholder {
		return slices.DeleteFunc(template.Find(s, computed...), func(p template.Placeholder) bool { return !known(p) })
	}
	if n.IsSpoiled() {
		return ""
	}
	if n.IsScalar() {
		if all := find(n.Value()); len(all) != 1 || all[0].Begin > 0 || all[0].End < len(n.Value()) {
			n.Problem("json is "+n.Describe(), aJSON)
			return ""
		}
	}
	var b strings.Builder
	writeJSON(&b, n, "json", find)
	return b.String()
}

func writeJSON(b *strings.Builder, n *grammar.Node, what string, find func(string) []template.Placeholder) {
	switch {
	case n.IsMapping():
		separator := "{"
		for k, v := range n.Entries(what) {
			b.WriteString(separator + quoted(k.Value()) + ":")
			writeJSON(b, v, what+"."+k.Value(), find)
			separator = ","
		}
		b.WriteString(strings.TrimSuffix(separator, ",") + "}")
	case n.IsList():
		separator := "["
		for i, e := range n.Elements() {
			b.WriteString(separator)
			writeJSON(b, e, fmt.Sprintf("%s[%d]", what, i), find)
			separator = ","
		}
		b.WriteString(strings.TrimSuffix(separator, ",") + "]")
	case n.IsNull():
		b.WriteString("null")
	default:
		if s, ok := n.Template(what, grammar.AText); ok {
			b.WriteString(scalarJSON(n, s, what, find(s)))
		}
	}
}

// scalarJSON returns a scalar as JSON: a number or a boolean if YAML takes it for one.
func scalarJSON(n *grammar.Node, s, what string, placeholders []template.Placeholder) string {
	switch {
	case n.IsBoolean():
		return fmt.Sprint(n.Boolean(what))
	case n.IsNumber():
		n.Number(what)
		return strings.TrimPrefix(s, "+")
	}
	if len(placeholders) == 1 && placeholders[0].Begin == 0 && placeholders[0].End == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	end := 0
	for _, p := range placeholders {
		b.WriteString(inner(s[end:p.Begin]) + s[p.Begin:p.End])
		end = p.End
	}
	b.WriteString(inner(s[end:]) + `"`)
	return b.String()
}

func quoted(s string) string {
	data, _ := json.Marshal(s) // a text encodes
	return string(data)
}

// inner is a text as it stands within the quotes of JSON.
func inner(s string) string {
	q := quoted(s)
	return q[1 : len(q)-1]
}
