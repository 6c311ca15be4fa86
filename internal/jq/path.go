package jq

import "github.com/itchyny/gojq"

// pathOf returns the names of an expression that is only a path of names, such as .main.temp; nil for any other. Most
// expressions are, and need no interpreter, which would take some 5 µs and 30 allocations for each run.
func pathOf(q *gojq.Query) (path []string) {
	t := q.Term
	if t == nil || t.Type != gojq.TermTypeIndex || q.Op != 0 || len(q.FuncDefs)+len(q.Imports)+len(q.Patterns) > 0 ||
		q.Meta != nil {
		return nil
	}
	name := func(i *gojq.Index) bool {
		if i == nil || i.Name == "" {
			return false
		}
		path = append(path, i.Name)
		return true
	}
	if !name(t.Index) {
		return nil
	}
	for _, s := range t.SuffixList {
		if s.Iter || s.Optional || !name(s.Index) {
			return nil
		}
	}
	return path
}

// follow returns the value at path in v. It returns false if the interpreter has to report an error, or to convert v
// first.
func follow(path []string, v any) (any, bool) {
	for _, name := range path {
		switch object := v.(type) {
		case map[string]any:
			v = object[name]
		case nil: // any path in null is null
		default:
			return nil, false
		}
	}
	return v, true
}
