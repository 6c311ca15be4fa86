package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// A card is all that a card, a row or a tile shows of a source.
type card struct {
	Name, Title, Section string
	badge
	Value, Unit string // the headline; empty: there is none
	Exact       string // the headline in full, if Value is not
	Text        string // instead of a headline
	Fields      []field
	Table       *table
	Note        string // what there is no room for
	Dim         bool   // the value is not news
	Trend       chart
	Day         day
	Line        string // the cause, or fields in a line
	Bad         bool   // Line is a cause
	Long        bool   // the headline needs a smaller type
	Age, Next   string
	Since       string // of the state
	At          time.Time
	Key         string
}

// Short is the value for a tile.
func (c card) Short() string {
	if c.Value == "" || len([]rune(c.Value)) > 9 {
		return c.Word
	}
	return c.Value
}

type field struct{ Name, Value string }

type table struct {
	Head []string
	Rows [][]string
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

// cardOf lays out a source.
func cardOf(s fixture.Source) card {
	c := card{Name: s.Name, Title: shown(s.Title, 120), Section: s.Section, badge: judge(s), Key: s.Key,
		Age: age(s.UpdatedAt), Next: next(s), Since: since(started(s)), At: started(s)}
	if c.Title == "" {
		c.Title = s.Name
	}
	c.Dim = s.State == "stale" || s.Paused != nil
	value, names := decode(s.Value), order(s.Value)
	switch v := value.(type) {
	case map[string]any:
		if head, ok := v[s.Show.Value]; ok && s.Show.Value != "" {
			c.headline(head, s)
		}
		for _, name := range names {
			if name != s.Show.Value || c.Value == "" {
				c.Fields = append(c.Fields, field{shown(strings.ReplaceAll(name, "_", " "), 40), brief(v[name])})
			}
		}
		if n := len(c.Fields); n > 4 {
			c.Fields, c.Note = c.Fields[:4], plural(n-4, "more field", "more fields")
		}
	case []any:
		c.list(v, s.Value)
	case nil:
		c.Text = map[string]string{"failing": sentence(shown(s.Cause, 200)), "pending": "Waiting for the first answer"}[s.State]
		if c.Text == "" {
			c.Value = "–"
		}
	default:
		c.headline(v, s)
	}
	c.Long = len([]rune(c.Value)) > 8
	c.Day = dayOf(s.Day)
	c.Trend = spark(s.Trend, s.Show.Decimals, c.Dim || s.State == "failing")
	if c.Line, c.Bad = cause(s), true; c.Line == "" {
		c.Bad = false
		if c.Value != "" {
			var parts []string
			for _, f := range c.Fields {
				parts = append(parts, f.Name+" "+f.Value)
			}
			c.Line = strings.Join(parts, " · ")
		}
	}
	return c
}

// started is when the state that a source shows began.
func started(s fixture.Source) time.Time {
	switch {
	case s.Alert != nil && judge(s).rank != 1 && judge(s).rank != 3:
		return *s.Alert.Since
	case s.Paused != nil:
		return s.Paused.Since
	}
	return s.Since
}

// headline shows one value large, if it is short enough.
func (c *card) headline(v any, s fixture.Source) {
	switch v := v.(type) {
	case json.Number:
		c.Value, c.Unit = number(v, s.Show.Decimals, true), shown(s.Show.Unit, 12)
		if exact := number(v, s.Show.Decimals, false); exact != c.Value {
			c.Exact = shown(exact, 60)
		}
	case string:
		if text := strings.TrimSpace(shown(v, 200)); len([]rune(text)) > 14 {
			c.Text = text
		} else if c.Value = text; text == "" {
			c.Text = "A text without visible characters"
		}
	default:
		c.Value, c.Unit = brief(v), shown(s.Show.Unit, 12)
	}
}

// list shows a list as a table of its objects, or as a line of its words.
func (c *card) list(v []any, raw []byte) {
	if len(v) == 0 {
		c.Value, c.Unit = "0", "entries"
		return
	}
	if _, ok := v[0].(map[string]any); !ok {
		var words []string
		for _, one := range v[:min(len(v), 12)] {
			words = append(words, brief(one))
		}
		c.Text = strings.Join(words, ", ")
		return
	}
	var rows []json.RawMessage
	if json.Unmarshal(raw, &rows) != nil {
		return
	}
	head := order(rows[0])
	c.Table = &table{Head: head[:min(len(head), 3)]}
	for _, one := range v[:min(len(v), 3)] {
		object, _ := one.(map[string]any)
		var cells []string
		for _, name := range c.Table.Head {
			cells = append(cells, brief(object[name]))
		}
		c.Table.Rows = append(c.Table.Rows, cells)
	}
	var more []string
	if len(v) > 3 {
		more = append(more, plural(len(v)-3, "more row", "more rows"))
	}
	if len(head) > 3 {
		more = append(more, plural(len(head)-3, "more column", "more columns"))
	}
	c.Note = strings.Join(more, ", ")
}

// order is the names of the members of an object as they are written.
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
		names = append(names, fmt.Sprint(token))
	}
	return names
}

// brief is a value in a few characters.
func brief(v any) string {
	switch v := v.(type) {
	case nil:
		return "–"
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case json.Number:
		return number(v, nil, true)
	case string:
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return clock(at)
		}
		return shown(v, 60)
	case []any:
		return plural(len(v), "entry", "entries")
	case map[string]any:
		return plural(len(v), "field", "fields")
	}
	return ""
}
