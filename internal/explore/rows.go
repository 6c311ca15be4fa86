package explore

import (
	"maps"
	"slices"
	"strconv"
)

// mostRows is how many rows a source can be split into.
const mostRows = 1000

// Rows are rows of a value, of which each can be a source of its own: the objects of a list, or the members of an object of objects.
type Rows struct {
	Each   string   // the jq expression that gives them
	Names  []string // the jq expressions, on a row, that may name it: all rows have another one; the best first
	Title  string   // the one that gives its title; empty: none does
	First  any      // the first of them, an object
	Number int      // of them

	// Obvious is whether the best name is one by its key, such as id, and not only because no two rows have the same.
	Obvious bool
}

// Value is what one of Names gives of the first row, as a text.
func (r Rows) Value(name string) string {
	first, _ := r.First.(map[string]any)
	for key, v := range first {
		if (place{}).member(key).path == name {
			text, _ := textOf(v)
			return text
		}
	}
	return ""
}

// textOf is the text of what may name a row: a text, or a whole number.
func textOf(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatInt(int64(v), 10), v == float64(int64(v))
	}
	return "", false
}

// IDs and titles are keys of rows by which programs and people tell them apart, the best first.
var (
	ids    = []string{"id", "key", "slug", "name", "uid", "uuid", "serial", "mac", "host", "hostname", "address", "ip", "device", "sensor", "channel", "label", "@id", "@name"}
	titles = []string{"title", "label", "name", "friendly_name", "display_name", "description"}
)

// FindRows returns the rows that a value has, the most numerous first.
func FindRows(value any) []Rows {
	var found []Rows
	findRows(&found, place{}, value)
	slices.SortStableFunc(found, func(a, b Rows) int { return b.Number - a.Number })
	return found
}

// findRows does not look into rows.
func findRows(found *[]Rows, p place, v any) {
	switch v := v.(type) {
	case []any:
		if r, ok := rowsOf(p.path+"[]", v); ok {
			*found = append(*found, r)
		}
	case map[string]any:
		if isTable(v) {
			each := "to_entries[]"
			if p.path != "" {
				each = p.path + " | " + each
			}
			keys := slices.Sorted(maps.Keys(v))
			first := map[string]any{"key": keys[0], "value": v[keys[0]]}
			*found = append(*found, Rows{Each: each, Names: []string{".key"}, First: first, Number: len(v), Obvious: true})
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			findRows(found, p.member(key), v[key])
		}
	}
}

// rowsOf are the rows of a list, if it has several and they can be told apart.
func rowsOf(each string, list []any) (r Rows, ok bool) {
	if len(list) < 2 || len(list) > mostRows {
		return r, false
	}
	if each == "[]" {
		each = ".[]"
	}
	first, ok := list[0].(map[string]any)
	if !ok {
		return r, false
	}
	r = Rows{Each: each, First: list[0], Number: len(list)}
	others := slices.DeleteFunc(slices.Sorted(maps.Keys(first)), func(key string) bool { return slices.Contains(ids, key) })
	for i, key := range slices.Concat(ids, others) {
		if tellsApart(list, key) {
			r.Obvious = r.Obvious || i < len(ids)
			r.Names = append(r.Names, place{}.member(key).path)
		}
	}
	for _, key := range titles {
		if path := (place{}).member(key).path; r.Title == "" && len(r.Names) > 0 && path != r.Names[0] && areTexts(list, key) {
			r.Title = path
		}
	}
	return r, len(r.Names) > 0
}

// tellsApart reports whether all rows have a text or a whole number under a key, each another one.
func tellsApart(list []any, key string) bool {
	seen := map[string]bool{}
	for _, row := range list {
		object, _ := row.(map[string]any)
		text, ok := textOf(object[key])
		if text = clean(text, "-"); !ok || text == "" || seen[text] {
			return false
		}
		seen[text] = true
	}
	return true
}

// areTexts reports whether all rows have a text under a key.
func areTexts(list []any, key string) bool {
	return !slices.ContainsFunc(list, func(row any) bool {
		object, _ := row.(map[string]any)
		text, _ := object[key].(string)
		return text == ""
	})
}

// isTable reports whether the members of an object are rows: several objects that have at least half of their keys in common.
func isTable(object map[string]any) bool {
	if len(object) < 2 || len(object) > mostRows {
		return false
	}
	has, most, names := map[string]int{}, 0, map[string]bool{}
	for name, v := range object {
		row, ok := v.(map[string]any)
		if !ok || clean(name, "-") == "" || names[clean(name, "-")] {
			return false
		}
		names[clean(name, "-")] = true
		most = max(most, len(row))
		for key := range row {
			has[key]++
		}
	}
	common := 0
	for _, n := range has {
		if n == len(object) {
			common++
		}
	}
	return common > 0 && 2*common >= most
}
