package view

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// value lays out the value of a source: a headline, a text, a table or fields.
func (l Look) value(c *Card, s wire.Source) {
	switch v := decode(s.Value).(type) {
	case map[string]any:
		names := order(s.Value)
		if head, ok := v[s.Show.Value]; ok && s.Show.Value != "" {
			l.headline(c, head, s.Show)
		}
		if c.Value != "" {
			names = slices.DeleteFunc(names, func(name string) bool { return name == s.Show.Value })
		}
		for _, name := range names[:min(4, len(names))] {
			c.Fields = append(c.Fields, Field{Shown(strings.ReplaceAll(name, "_", " "), 40), l.brief(v[name])})
		}
		if n := len(names); n > 4 {
			c.Note = Plural(n-4, "more field", "more fields")
		}
	case []any:
		l.list(c, v, s.Value)
	case nil:
		switch s.State {
		case wire.SourceFailing:
			c.Text = Sentence(Shown(s.Cause, 200))
		case wire.SourcePending:
			if c.Text = "Waiting for the first answer"; !polled(s) {
				c.Text = "Waiting for the first value"
			}
		}
		if c.Text == "" {
			c.Value = "–"
		}
	default:
		l.headline(c, v, s.Show)
	}
}

// headline shows one value large, if it is short enough.
func (l Look) headline(c *Card, v any, show wire.Show) {
	switch v := v.(type) {
	case json.Number:
		c.Value, c.Unit = Number(v, show.Decimals, true), Shown(show.Unit, 24)
		if x, err := v.Float64(); err == nil {
			c.Number = &x
		}
		if exact := Number(v, show.Decimals, false); exact != c.Value {
			c.Exact = Shown(exact, 60)
		}
	case string:
		if text := strings.TrimSpace(Shown(v, 200)); length(text) > 14 {
			c.Text = text
		} else if c.Value = text; text == "" {
			c.Text = "A text without visible characters"
		}
	default:
		c.Value, c.Unit = l.brief(v), Shown(show.Unit, 24)
	}
}

// list shows a list as a table of its objects, or as a line of its words.
func (l Look) list(c *Card, v []any, raw []byte) {
	if len(v) == 0 {
		c.Value, c.Unit = "0", "entries"
		return
	}
	if _, ok := v[0].(map[string]any); !ok {
		var words []string
		for _, one := range v[:min(len(v), 12)] {
			words = append(words, l.brief(one))
		}
		c.Text = strings.Join(words, ", ")
		return
	}
	var rows []json.RawMessage
	_ = json.Unmarshal(raw, &rows) // it has been decoded before
	head := order(rows[0])
	most := columns(v[:min(len(v), 3)], head[:min(len(head), 3)])
	c.Table = &Table{Head: append([]string{}, head[:most]...)}
	for _, one := range v[:min(len(v), 3)] {
		object, _ := one.(map[string]any)
		cells := []string{}
		for _, name := range c.Table.Head {
			cells = append(cells, l.brief(object[name]))
		}
		c.Table.Rows = append(c.Table.Rows, cells)
	}
	for i, name := range c.Table.Head {
		c.Table.Head[i] = Shown(name, 40)
	}
	var more []string
	if len(v) > 3 {
		more = append(more, Plural(len(v)-3, "more row", "more rows"))
	}
	if len(head) > most {
		more = append(more, Plural(len(head)-most, "more column", "more columns"))
	}
	c.Note = strings.Join(more, ", ")
}

// columns is how many columns have room, so that no number is cut.
func columns(rows []any, head []string) int {
	longest := 0
	for _, one := range rows {
		object, _ := one.(map[string]any)
		for _, name := range head {
			if n, ok := object[name].(json.Number); ok {
				longest = max(longest, length(Number(n, nil, true)))
			}
		}
	}
	switch {
	case longest > 17:
		return min(len(head), 1)
	case longest > 11:
		return min(len(head), 2)
	}
	return len(head)
}

// decode keeps numbers as they are written.
func decode(data []byte) any {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	return v
}

// order is the names of the members of an object, in the order of JavaScript: array indices first, then as they are written.
func order(raw []byte) []string {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil
	}
	var names []string
	for decoder.More() {
		token, err := decoder.Token()
		var skip json.RawMessage
		if err != nil || decoder.Decode(&skip) != nil {
			break
		}
		if name := fmt.Sprint(token); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		if n, m := index.MatchString(a), index.MatchString(b); n && m {
			return len(a)*4 + strings.Compare(a, b) - len(b)*4
		} else if n != m {
			return map[bool]int{true: -1, false: 1}[n]
		}
		return 0
	})
	return names
}

var index = regexp.MustCompile(`^(0|[1-9]\d{0,8})$`)

// brief is a value in a few characters.
func (l Look) brief(v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case json.Number:
		return Number(v, nil, true)
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return l.Clock(at)
		}
		return Shown(v, 60)
	case []any:
		return Plural(len(v), "entry", "entries")
	case map[string]any:
		return Plural(len(v), "field", "fields")
	}
	return "–"
}
