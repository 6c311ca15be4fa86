package view

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/wire"
)

// A Card is all that a card, a row or a tile says of a source.
type Card struct {
	Key     string `json:"key"`
	Name    string `json:"name"`
	Href    string `json:"href"` // of its page, below the root of the gateway
	Title   string `json:"title"`
	Section string `json:"section"`
	Badge
	Value  string   `json:"value"` // the headline; empty: there is none
	Unit   string   `json:"unit"`
	Exact  string   `json:"exact"`            // the headline in full, if Value is not
	Number *float64 `json:"number,omitempty"` // the headline, if it is a number
	Text   string   `json:"text"`             // instead of a headline
	Fields []Field  `json:"fields"`
	Table  *Table   `json:"table"`
	Note   string   `json:"note"`  // what there is no room for
	Dim    bool     `json:"dim"`   // the value is not news
	Line   string   `json:"line"`  // the cause, or fields in a line
	Bad    bool     `json:"bad"`   // Line is a cause
	Long   string   `json:"long"`  // the headline needs a smaller type ("long"), the whole line ("longer"), or both ("longest")
	Wide   bool     `json:"wide"`  // a field needs a whole line
	Short  string   `json:"short"` // the value or the word, for a tile
	Of     string   `json:"of"`    // the unit of Short
	Brief  string   `json:"brief"` // the value in a line, for a row
	Broad  bool     `json:"broad"` // which needs more room
	Age    string   `json:"age"`
	Next   string   `json:"next"`
	Since  string   `json:"since"` // for how long it has been in the state
	At     int64    `json:"at"`    // since when, in ms since 1970; 0: that is not known
}

// A Field is a name and a value, in few characters.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A Table is the beginning of a list of objects.
type Table struct {
	Head []string   `json:"head"`
	Rows [][]string `json:"rows"`
}

// Card lays out a source.
func (l Look) Card(s wire.Source) Card {
	c := Card{
		Key: s.Key, Name: s.Name, Href: SourceHref(s.Name), Title: Shown(s.Title, 120), Section: s.Section, Badge: Judge(s),
		Fields: []Field{}, Age: l.Age(s.UpdatedAt), Next: l.Next(s), Dim: s.State == wire.SourceStale,
	}
	if c.Title == "" {
		c.Title = s.Name
	}
	if at := began(s); !at.IsZero() {
		c.Since, c.At = l.Since(at), at.UnixMilli()
	}
	l.value(&c, s)
	switch n := length(c.Value); {
	case n > 18:
		c.Long = "longest"
	case n > 11:
		c.Long = "longer"
	case n > 8:
		c.Long = "long"
	}
	c.Wide = slices.ContainsFunc(c.Fields, func(f Field) bool { return length(f.Value) > 11 })
	if c.Line = l.Cause(s); c.Line != "" {
		c.Bad = true
	} else if c.Value != "" {
		c.Line = inLine(c.Fields)
	}
	// A tile that has no room leaves a value out, but not what is not ok.
	if c.Short, c.Of = c.Value, c.Unit; c.Value == "" || c.State != "ok" && c.Long != "" {
		c.Short, c.Of = c.Word, ""
	}
	c.Brief = c.brief()
	c.Broad = length(c.Brief) > 14
	return c
}

// brief is the value in a line.
func (c *Card) brief() string {
	switch {
	case c.Table != nil:
		return Plural(len(c.Table.Rows), "row", "rows")
	case c.Text != "" && c.Bad:
		return "–"
	case c.Text != "":
		return c.Text
	case c.Value != "":
		return c.Value
	}
	if text := inLine(c.Fields[:min(2, len(c.Fields))]); length(text) <= 30 {
		return text
	}
	return inLine(c.Fields[:1])
}

// inLine is fields in a line, which breaks only between two of them: so a number is there as a whole, or not at all.
func inLine(fields []Field) string {
	var parts []string
	for _, f := range fields {
		parts = append(parts, strings.ReplaceAll(f.Name+" "+f.Value, " ", "\u00a0"))
	}
	return strings.Join(parts, " ·\u00a0")
}

func length(text string) int { return utf8.RuneCountInString(text) }
