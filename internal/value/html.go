package value

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/andybalholm/cascadia"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A Selection says what to take from HTML: either a text (Find), or an object of further selections (Fields). With Each it
// is a list of one of both for each element that matches.
type Selection struct {
	Each   *Selector // nil: no list
	Find   *Selector // the first match; nil: the element itself, unless there are Fields
	Fields []Field   // nil: none
}

// A Field is a named part of a [Selection].
type Field struct {
	Name string
	Selection
}

// A Selector finds elements by a CSS selector, and takes their text or an attribute of them.
type Selector struct {
	source  string
	matcher alternation // nil: the element itself
	attr    string      // empty: its text
}

// attribute is the end of a selector that takes an attribute.
var attribute = regexp.MustCompile(`^(.*)@([A-Za-z_][A-Za-z0-9_.:-]*)$`)

// maxSelector bounds a selector, in bytes.
const maxSelector = 1000

// NewSelector compiles a CSS selector. "@name" behind it takes the attribute of that name, and "." is the element itself.
func NewSelector(source string) (*Selector, error) {
	s := &Selector{source: source}
	css := strings.TrimSpace(source)
	if found := attribute.FindStringSubmatch(css); found != nil {
		css, s.attr = strings.TrimSpace(found[1]), strings.ToLower(found[2])
	}
	if css == "." || css == "" && s.attr != "" {
		return s, nil
	}
	if css == "" {
		return nil, errors.New("it is empty")
	}
	if len(css) > maxSelector {
		return nil, fmt.Errorf("it is longer than %d bytes", maxSelector)
	}
	matcher, err := cascadia.ParseGroup(css)
	if err != nil {
		return nil, err
	}
	s.matcher = alternationOf(css, matcher)
	return s, nil
}

// String returns the selector as it was written.
func (s *Selector) String() string { return s.source }

// String identifies the selection, see [Format.String].
func (s *Selection) String() string {
	quote := func(of *Selector) string {
		text, _ := json.Marshal(of.source)
		return string(text)
	}
	var parts []string
	if s.Each != nil {
		parts = append(parts, "each: "+quote(s.Each))
	}
	if s.Find != nil {
		parts = append(parts, quote(s.Find))
	}
	for _, f := range s.Fields {
		name, _ := json.Marshal(f.Name)
		parts = append(parts, string(name)+": "+f.Selection.String())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// parseHTML takes what is selected from a document.
func parseHTML(b *budget, s *Selection, text []byte) (any, error) {
	root, err := html.Parse(bytes.NewReader(bytes.ToValidUTF8(text, []byte("\uFFFD"))))
	if err != nil {
		return nil, &ParseError{What: "not HTML (" + strings.TrimPrefix(err.Error(), "html: ") + ")", Err: err}
	}
	return s.from(b, root)
}

// from takes what is selected from what is below n.
func (s *Selection) from(b *budget, n *html.Node) (any, error) {
	if s.Each == nil {
		return s.one(b, n)
	}
	list := []any{}
	for match, err := range s.Each.matches(b, n) {
		if err != nil {
			return nil, err
		}
		v, err := s.each(b, match)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// each takes the part of a list that n is.
func (s *Selection) each(b *budget, n *html.Node) (any, error) {
	if s.Find == nil && s.Fields == nil {
		return s.Each.of(b, n)
	}
	return s.one(b, n)
}

// one takes what is selected but for Each.
func (s *Selection) one(b *budget, n *html.Node) (any, error) {
	if s.Fields == nil {
		return s.Find.first(b, n)
	}
	const member = 100
	object := make(map[string]any, len(s.Fields))
	for _, f := range s.Fields {
		if err := b.take(member); err != nil {
			return nil, err
		}
		v, err := f.from(b, n)
		if err != nil {
			return nil, err
		}
		object[f.Name] = v
	}
	return object, nil
}

// matches yields the elements below n that match, in the order of the document, until an error ends it.
func (s *Selector) matches(b *budget, n *html.Node) iter.Seq2[*html.Node, error] {
	return func(yield func(*html.Node, error) bool) {
		if s.matcher == nil {
			yield(n, nil)
			return
		}
		m := matching{ctx: b.ctx}
		for d := range n.Descendants() {
			if d.Type != html.ElementNode {
				continue
			}
			match := m.alternation(s.matcher, d)
			if m.err != nil {
				yield(nil, m.err)
				return
			}
			if match && !yield(d, nil) {
				return
			}
		}
	}
}

// first takes from the first match below n; nil without one.
func (s *Selector) first(b *budget, n *html.Node) (any, error) {
	for match, err := range s.matches(b, n) {
		if err != nil {
			return nil, err
		}
		return s.of(b, match)
	}
	return nil, nil
}

// of takes the text or the attribute of n; nil if it has no such attribute.
func (s *Selector) of(b *budget, n *html.Node) (any, error) {
	const value = 32
	if s.attr == "" {
		text := textOf(n)
		return text, b.take(value + len(text))
	}
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == s.attr })
	if i < 0 {
		return nil, b.take(value)
	}
	return strings.TrimSpace(n.Attr[i].Val), b.take(value + len(n.Attr[i].Val))
}

// textOf returns the text of an element as people read it: in one line, with single spaces, also between blocks and cells.
// That of an element which holds no text for people, such as a script with JSON, stays as it is.
func textOf(n *html.Node) string {
	var text strings.Builder
	if n.FirstChild != nil && n.FirstChild == n.LastChild && slices.Contains(unread, n.DataAtom) {
		return strings.TrimSpace(n.FirstChild.Data)
	}
	for c := range n.ChildNodes() {
		writeText(&text, c)
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// writeText is recursive: elements nest at most 512 deep, see [html.Parse].
func writeText(to *strings.Builder, n *html.Node) {
	switch {
	case n.Type == html.TextNode:
		to.WriteString(n.Data)
		return
	case n.Type == html.ElementNode && slices.Contains(unread, n.DataAtom):
		return
	}
	apart := n.Type == html.ElementNode && !slices.Contains(inline, n.DataAtom)
	if apart {
		to.WriteByte(' ')
	}
	for c := range n.ChildNodes() {
		writeText(to, c)
	}
	if apart {
		to.WriteByte(' ')
	}
}

// unread are elements whose content is no text for people.
var unread = []atom.Atom{atom.Script, atom.Style, atom.Template, atom.Noscript, atom.Head}

// inline are elements that stand within a word or beside one.
var inline = []atom.Atom{
	atom.A, atom.Abbr, atom.B, atom.Bdi, atom.Bdo, atom.Big, atom.Cite, atom.Code, atom.Data, atom.Dfn, atom.Em, atom.Font, atom.I,
	atom.Ins, atom.Del, atom.Kbd, atom.Label, atom.Mark, atom.Q, atom.S, atom.Samp, atom.Small, atom.Span, atom.Strike, atom.Strong,
	atom.Sub, atom.Sup, atom.Time, atom.Tt, atom.U, atom.Var, atom.Wbr,
}
