package config

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/value"
)

// maxSelection is how deep what is selected of HTML may nest.
const maxSelection = 4

const selectorExample = `write a CSS selector such as "#temp" or "a.next@href"`

// parseKey is the key of a format: its name, or a mapping of the name to the settings of the format.
func parseKey(f *value.Format, where string) grammar.Key {
	of := "parse of " + where
	return grammar.Section("parse", "how the answer becomes a value; `html` and settings of `csv` as a mapping, as in `parse: {csv: {delimiter: \";\"}}`",
		of, grammar.Keys{
			grammar.Section("csv", "CSV that is not like most", "csv of "+of, csvKeys(f)).Then(func(*grammar.Node) { f.Name = value.CSV.Name }),
			grammar.Func("html",
				"what to take: a CSS selector, whose first match gives its text or with `@name` behind it an attribute, or null; or an object "+
					"of names with selectors, or further objects",
				selectionShape(maxSelection), func(v *grammar.Node) {
					f.Name, f.Select = "html", readSelection(v, "html of "+of, maxSelection)
				}),
		}).Also("format decode").Alone(func(v *grammar.Node) { readFormat(v, f) }).Or(parses).Then(func(v *grammar.Node) {
		switch {
		case v.IsScalar() && slices.ContainsFunc(parses, func(w grammar.Word) bool { return w.Word == v.Value() }):
			f.Name = v.Value()
		case v.IsComplete() && f.Name == "":
			if v.Lacks("csv", "html") {
				v.Problem(of+" names no format", "write one such as parse: json")
			}
		case v.Get("csv") != nil && v.Get("html") != nil:
			v.Problem(of+" names two formats", "keep csv or html")
		}
	})
}

// readFormat reads a name that is none of the formats which have no settings.
func readFormat(n *grammar.Node, f *value.Format) {
	if n.Value() == "html" {
		n.Problem("parse: html does not say what to take of the page", `write selectors as in parse: {html: {temp: "#temp"}}`)
		return
	}
	if n.Value() == "yml" {
		n.Problem(`parse: unknown word "yml"`, grammar.DidYouMean(value.YAML.Name))
		return
	}
	n.OneOf("parse", parses)
}

func csvKeys(f *value.Format) grammar.Keys {
	return grammar.Keys{
		grammar.Func("delimiter",
			"the character between two fields. Without it, it is what the first line has most of: commas, semicolons or tabs",
			grammar.ALine, func(v *grammar.Node) { f.Delimiter = readDelimiter(v) }).Also("separator sep comma"),
		grammar.Func("columns",
			"the names of the columns, if the first line does not have them",
			grammar.DistinctTexts, func(v *grammar.Node) { f.Columns = readColumns(v) }).Also("header fields names"),
	}
}

func readDelimiter(n *grammar.Node) rune {
	const want = `write one character such as ";" or "\t"`
	s, ok := n.Text("delimiter", want)
	if !ok {
		return 0
	}
	c, size := utf8.DecodeRuneInString(s)
	if size == 0 || size < len(s) || !value.IsDelimiter(c) {
		n.Problem(fmt.Sprintf("delimiter: %s cannot stand between two fields", grammar.Quote(s)), want)
		return 0
	}
	return c
}

func readColumns(n *grammar.Node) (columns []string) {
	for _, e := range n.List("columns", "write a list such as [time, temp]") {
		name := e.Line("a name in columns")
		if name != "" && slices.Contains(columns, name) {
			e.Problem("columns has "+grammar.Quote(name)+" twice", "rename one of them")
		}
		columns = append(columns, name)
	}
	return columns
}

var eachKey = grammar.Line("each", "a selector: the result is a list, with a text for each match, or with the object if there are other names "+
	"beside `each`, whose selectors then look within the match", new(string))

// selectionShape is the shape of what is selected of HTML.
func selectionShape(depth int) grammar.Shape {
	if depth == 0 {
		return grammar.ALine
	}
	object := grammar.Object(grammar.Keys{eachKey})
	object["additionalProperties"] = selectionShape(depth - 1)
	object["minProperties"] = 1
	return grammar.Either(grammar.ALine, object)
}

// readSelection reads what to take of HTML: a selector, or a mapping of names to selections.
func readSelection(n *grammar.Node, where string, depth int) *value.Selection {
	s := &value.Selection{}
	if !n.IsMapping() {
		s.Find = readSelector(n, where)
		return s
	}
	if depth == 0 {
		n.Problem(where+" nests too deep", fmt.Sprintf("write at most %d mappings within each other", maxSelection))
		return s
	}
	for k, v := range n.Entries(where) {
		v.Reveal()
		what := "field " + grammar.Quote(k.Value())
		if k.Value() == "each" {
			s.Each = readSelector(v, "each")
			continue
		}
		s.Fields = append(s.Fields, value.Field{Name: k.Value(), Selection: *readSelection(v, what, depth-1)})
	}
	if s.Each == nil && s.Fields == nil && n.IsComplete() && n.IsGood() {
		n.Problem(where+" is empty", `write names with selectors such as {temp: "#temp"}`)
	}
	return s
}

func readSelector(n *grammar.Node, what string) *value.Selector {
	text, ok := n.Text(what, selectorExample)
	if !ok {
		return nil
	}
	selector, err := value.NewSelector(text)
	if err != nil {
		n.Problem(fmt.Sprintf("%s: %s is not a selector: %v", what, grammar.Quote(text), err), selectorExample)
		return nil
	}
	return selector
}

// charsetKey is the key of the charset that bytes are in.
func charsetKey(f *value.Format) grammar.Key {
	return grammar.Func("charset",
		"the charset of the answer, such as `windows-1252`. Without it, it is what a byte order mark, the `Content-Type`, XML or HTML says, else UTF-8",
		grammar.ALine, func(v *grammar.Node) {
			label := v.Line("charset")
			if label != "" && !value.KnowsCharset(label) {
				v.Problem(fmt.Sprintf("charset: %s is not known", grammar.Quote(label)), "write one such as utf-8, windows-1252 or iso-8859-15")
				return
			}
			f.Charset = label
		}).Also("encoding")
}
