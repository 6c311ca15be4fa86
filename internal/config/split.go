package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/text"
)

// A split source has one request and many values: each row of what it gets is a source of its own, which is told its value
// by every poll of the split one. Which rows there are is known only at run time, see [Config.WithRows].

// KindSplit is the [Source.Kind] of the sources that are made of rows.
const KindSplit = "split"

// Bounds of split.
const (
	MaxRows       = 1000 // of one source
	MaxRowName    = 64   // characters
	maxRowTitle   = 100  // characters
	defaultForget = time.Hour
)

// A Split makes sources of the rows of what a source gets.
type Split struct {
	Each    *jq.Program   // gives the rows: any number of results, at most MaxRows
	Name    *jq.Program   // evaluated on a row: what it is called, a text or a number
	Title   *jq.Program   // evaluated on a row: its title; nil: that of the split source and the name
	Section *jq.Program   // evaluated on a row: its section; nil: that of the split source
	Forget  time.Duration // how long a source stays whose row is missing; an hour unless set

	// Rows has the keys of the split source that apply to those of its rows instead of itself.
	Rows *Source
}

// expressions are those of s, by their keys.
func (s *Split) expressions() map[string]*jq.Program {
	return map[string]*jq.Program{"each": s.Each, "name": s.Name, "title": s.Title, "section": s.Section}
}

// A Row says which source a row is.
type Row struct {
	Name    string // as [RowName] returns it; the source is called by that of the split source, a slash, and this
	Title   string // empty: by default
	Section string // empty: by default
}

// RowName returns what a row is called in the name of its source: in lower case, with a dash for each run of characters that
// names do not have, and cut after MaxRowName characters. It is empty if that leaves nothing.
func RowName(s string) string {
	var b strings.Builder
	dash := false
	for _, c := range strings.ToLower(s) {
		isPlain := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		switch {
		case !isPlain && b.Len() == 0:
			continue // a name begins with a letter or digit
		case !isPlain && c != '.' && c != '_':
			dash = true
			continue
		case dash:
			b.WriteByte('-')
			dash = false
		}
		b.WriteRune(c)
	}
	name := b.String()
	return strings.TrimRight(name[:min(len(name), MaxRowName)], "-")
}

// RowTitle returns a title that upstreams choose as one line of at most 100 characters.
func RowTitle(s string) string { return text.Cut(text.Words(s), maxRowTitle) }

// RowSection returns a section that upstreams choose within the bounds of one.
func RowSection(s string) string {
	var parts []string
	for part := range strings.SplitSeq(s, "/") {
		part = text.Words(part)
		if utf8.RuneCountInString(part) > maxSectionPart {
			part = strings.TrimSpace(string([]rune(part)[:maxSectionPart]))
		}
		if part != "" && len(parts) < maxSectionDepth {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

// Row returns the source of a row of s, which is a split source.
func (s *Source) Row(r Row) *Source {
	one := *s.Split.Rows
	one.Name, one.SplitFrom = s.Name+"/"+r.Name, s.Name
	one.Title, one.Section = s.Shown(r)
	one.Upstream, one.On = s.Upstream, s.On
	return &one
}

// Shown returns the title and the section of the source of a row of s.
func (s *Source) Shown(r Row) (title, section string) {
	if title = r.Title; title == "" {
		title = s.Title + " " + r.Name
	}
	return title, cmp.Or(r.Section, s.Section)
}

// RowOf returns what the row of a source is called, empty if it is not one of a split source.
func (s *Source) RowOf() string {
	if s.SplitFrom == "" {
		return ""
	}
	return s.Name[len(s.SplitFrom)+1:]
}

// WithRows returns c with the sources of their rows after those that are split, as rows returns them, and with what is
// computed from rows computed from these. It is c itself if no source is split.
func (c *Config) WithRows(rows func(split *Source) []*Source) *Config {
	if !slices.ContainsFunc(c.Sources, func(s *Source) bool { return s.Split != nil }) {
		return c
	}
	all, names := *c, map[string][]string{} // by split source
	all.Sources = nil
	for _, s := range c.Sources {
		all.Sources = append(all.Sources, s)
		if s.Split == nil {
			continue
		}
		names[s.Name] = []string{}
		for _, one := range rows(s) {
			all.Sources = append(all.Sources, one)
			names[s.Name] = append(names[s.Name], one.Name)
		}
	}
	for i, s := range all.Sources {
		all.Sources[i] = s.computedFrom(names)
	}
	return &all
}

// computedFrom returns s with rows, by the split sources, as inputs; s itself if none is.
func (s *Source) computedFrom(rows map[string][]string) *Source {
	computed, ok := s.Spec.(kind.Computed)
	if !ok {
		return s
	}
	with := computed.WithRows(func(name string) ([]string, bool) {
		all, isSplit := rows[name]
		return all, isSplit
	})
	if with == computed {
		return s
	}
	one := *s
	one.Spec = with
	return &one
}

// A RowSpec is the [kind.Source] of the sources that are made of rows: they are told their values.
type RowSpec struct {
	Of     string // the kind of the split source
	Parse  string // and its parse, as text
	Spec   kind.Source
	Each   *jq.Program
	NameBy *jq.Program
}

// Open implements [kind.Source].
func (s *RowSpec) Open(kind.Env) (kind.Fetcher, error) { return kind.Told{}, nil }

// Describe implements [kind.Source].
func (s *RowSpec) Describe() string { return "is a row of another source" }

// Secrets implements [kind.Source].
func (s *RowSpec) Secrets() kind.Secrets { return s.Spec.Secrets() }

// SameValue implements [kind.Source].
func (s *RowSpec) SameValue(other kind.Source) bool {
	o, ok := other.(*RowSpec)
	return ok && s.Of == o.Of && s.Spec.SameValue(o.Spec) && s.Meaning() == o.Meaning()
}

// Meaning implements [kind.Meant].
func (s *RowSpec) Meaning() string {
	meaning := fmt.Sprintf("%q %q %q %q", s.Of, s.Parse, s.Each, s.NameBy)
	if of, ok := s.Spec.(kind.Meant); ok {
		meaning += " " + of.Meaning()
	}
	return meaning
}

func (r *reader) splitKeys(s *Split) grammar.Keys {
	variables := r.variables()
	return grammar.Keys{
		grammar.JQ("each",
			"the rows, evaluated on the parsed value: any number of results, at most 1000, such as `.devices[]`",
			&s.Each, variables...).Also("rows items list").Need("'.devices[]'"),
		grammar.JQ("name",
			"what a row is called, evaluated on it: a text or a number that no other row has, such as `.id`. The name of "+
				"the source is that of this one, a slash, and this in lower case, with a dash for what names do not have",
			&s.Name, variables...).Also("id key by").Need(".id"),
		grammar.JQ("title",
			"the title of a row's source, evaluated on the row; null: the default",
			&s.Title, variables...).Also("label description"),
		grammar.JQ("section",
			"the section of a row's source, evaluated on the row; null: the default",
			&s.Section, variables...),
		grammar.Period("forget",
			"how long the source of a row stays that is not among the results any more: it is stale meanwhile",
			&s.Forget).Also("keep retention ttl").Default("1h"),
	}
}

// splitOf completes a source that may be split, when all of its other keys are read: those about values are of its rows.
func (r *reader) splitOf(d *sourceDraft, n *grammar.Node) {
	at := n.Get("split")
	if at == nil {
		return
	}
	s := d.Source
	if from := n.Get("from"); from != nil {
		at.Problem("split in a source made from others", "split the source that gets the rows, or remove it")
	}
	if when := n.Get("every").Get("when"); when != nil {
		when.Problem("every.when asks the picked value, and a split source has one for each row", "remove it")
	}
	if !at.IsMapping() || s.Spec == nil || d.split.Each == nil || d.split.Name == nil {
		return
	}
	split := d.split
	split.Rows = &Source{
		Kind: KindSplit, Spec: &RowSpec{Of: s.Kind, Parse: s.Parse.String(), Spec: s.Spec, Each: split.Each, NameBy: split.Name},
		Pick: s.Pick, Deadband: s.Deadband, StaleAfter: s.StaleAfter, Show: s.Show, Alert: s.Alert,
	}
	s.Split, s.Pick, s.Deadband, s.Show = &split, nil, nil, Show{History: s.Show.History}
	if s.Alert != nil && s.Alert.If != nil { // of the rows alone: this one has only its state to tell
		s.Alert = nil
	}
}
