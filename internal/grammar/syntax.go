package grammar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/yaml"
)

// MaxBytes bounds one file.
const MaxBytes = 1 << 20

// parse returns the root of a file's one document, or nil when there is none to read. References to the environment and
// to files are expanded. Nodes that are not allowed anywhere (aliases, tags, merge keys) are reported and spoiled.
func (r *Reader) parse(name string, data []byte) *Node {
	data = bytes.TrimPrefix(data, []byte(byteOrderMark))
	r.addLines(name, string(data))
	before := len(r.problems)
	var root *yaml.Node
	if len(data) <= MaxBytes {
		root = r.document(data)
	} else {
		r.report(r.files[len(r.files)-1].before+1, 1,
			fmt.Sprintf("the file has %d bytes, at most %d are read", len(data),
				MaxBytes), "divide it by include, or shorten it")
	}
	for i := range r.problems[before:] {
		r.problems[before+i].unparsed = true
	}
	if root == nil {
		return nil
	}
	return r.node(root, false)
}

const byteOrderMark = "\ufeff"

// addLines adds a file with its lines.
func (r *Reader) addLines(name, text string) {
	r.files = append(r.files, textFile{name: name, before: len(r.lines)})
	for _, line := range splitLines(text) {
		r.lines = append(r.lines, line)
		r.widths = append(r.widths, utf8.RuneCountInString(line))
	}
}

// document returns the root of the one document in data, as parsed by the YAML library.
func (r *Reader) document(data []byte) *yaml.Node {
	if !r.checkText(string(data)) {
		return nil
	}
	loader := yaml.NewLoader(data)
	var first, second yaml.Node
	if err := loader.Load(&first); err == io.EOF {
		r.empty()
		return nil
	} else if err != nil {
		r.syntaxError(err)
		return nil
	}
	if err := loader.Load(&second); err == nil {
		line, column := r.inside(second.Line, second.Column)
		r.report(line, column, "a second YAML document begins here",
			`keep one document per file and remove the "---"`)
	} else if err != io.EOF {
		r.syntaxError(err)
	}
	root := first.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		r.empty()
		return nil
	}
	return root
}

func (r *Reader) empty() {
	line, column := r.inside(1, 1)
	r.report(line, column, "the file is empty", "write at least "+r.options.Minimum)
}

// checkText reports the first character that makes line and column numbers differ from those of an editor, or that YAML
// does not allow.
func (r *Reader) checkText(text string) bool {
	line, column := 1, 1
	for i, c := range text {
		var what string
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			what = "this is not UTF-8 text"
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', 0x7f <= c && c < 0xa0,
			c == '\u2028', c == '\u2029', c == '\ufeff', c == '\ufffe', c == '\uffff':
			what = fmt.Sprintf("there is an invisible character U+%04X here", c)
		}
		if what != "" {
			want := fmt.Sprintf(`remove it, or write it as "\u%04x" in double quotes`, c)
			if c == utf8.RuneError {
				want = "save the file as UTF-8"
			}
			line, column = r.inside(line, column)
			r.report(line, column, what, want)
			return false
		}
		column++
		if c == '\n' || c == '\r' && !strings.HasPrefix(text[i+1:], "\n") {
			line, column = line+1, 1
		}
	}
	return true
}

const quoteBrackets = "put a text that contains , [ ] { or } into quotes"

// syntaxErrors map the errors of the YAML scanner and parser to messages. Errors with begin are reported at the
// beginning of the unfinished construct.
var syntaxErrors = []struct {
	message, context string
	begin            bool
	what, want       string
}{
	{"found character that cannot start any token", "", false,
		"nothing can begin with this character", "put the text into quotes"},
	{"found unexpected end of stream", "while scanning a quoted scalar", true,
		"this quoted text never ends", "add the closing quote"},
	{"found unknown escape character", "", false,
		"there is no such escape in a double-quoted text", `write \\ for a backslash, or use single quotes`},
	{"did not find expected ',' or ']'", "", true,
		"this list is not closed properly", `separate its elements by "," and end it with "]"; ` + quoteBrackets},
	{"did not find expected ',' or '}'", "", true,
		"this mapping is not closed properly", `separate its entries by "," and end it with "}"; ` + quoteBrackets},
	{"did not find expected node content", "", false,
		"a value is missing here", "close what is open and give each key a value"},
	{"mapping values are not allowed in this context", "", false,
		`":" is not expected here`,
		"give keys of one mapping the same indentation, and put a text that contains \": \" into quotes"},
	{"could not find expected ':'", "", true, `this line has no ":"`, `write "key: value"`},
	{"did not find expected key", "", false,
		"no key begins here", "give keys of one mapping the same indentation, and close quotes at the end of a text"},
	{"did not find expected '-' indicator", "", false,
		"no list element begins here", `give each "-" of a list the same indentation`},
	{"exceeded max depth", "", false,
		"the nesting is too deep", "a configuration needs less than ten levels"},
	{"unknown anchor", "", false,
		"aliases are not supported", "write the value out, or put a text that begins with * into quotes"},
	{"did not find expected alphabetic or numeric character", "while scanning an alias", true,
		"a text cannot begin with *", "put it into quotes"},
}

// syntaxError reports err, which the Load of a [yaml.Loader] returned.
func (r *Reader) syntaxError(err error) {
	le, ok := errors.AsType[*yaml.LoadError](err)
	if !ok {
		le = &yaml.LoadError{Message: err.Error()}
	}
	mark := le.Mark
	what, want := "this is not valid YAML: "+le.Message, "check brackets, quotes and indentation"
	for _, s := range syntaxErrors {
		if strings.HasPrefix(le.Message, s.message) && strings.HasPrefix(le.ContextMsg, s.context) {
			what, want = s.what, s.want
			if s.begin && le.ContextMark.Line > 0 {
				mark = le.ContextMark
			}
			break
		}
	}
	own := r.lines[r.files[len(r.files)-1].before:]
	if line, column := quotedOver(own, le.Mark.Line, le.Mark.Column); line > 0 {
		mark.Line, mark.Column = line, column
		what, want = fmt.Sprintf(
			"this quoted text continues to line %d", le.Mark.Line), "add the closing quote where it ends"
	}
	line, column := r.inside(mark.Line, mark.Column)
	if rest := []rune(r.lines[line-1])[column-1:]; len(rest) > 0 && rest[0] == '\t' {
		what, want = "a tab cannot stand here", "indent with spaces"
	}
	r.report(line, column, what, want)
}

// node returns n and everything below it, ready to be read: places become those of the Reader, references are expanded,
// and unsupported nodes are reported and spoiled.
func (r *Reader) node(n *yaml.Node, isKey bool) *Node {
	made := r.bare(n)
	made.isKey = isKey
	if ref := reference.FindString(n.Value); isKey && ref != "" { // names must be in the file
		made.spoil(Quote(ref)+" cannot stand in a key", "write the key itself")
		return made
	}
	if n.Anchor != "" {
		want := fmt.Sprintf("remove %q and write the value out where it is needed", "&"+n.Anchor)
		made.Problem("anchors are not supported", want)
	}
	switch {
	case n.Kind == yaml.AliasNode:
		made.spoil("aliases are not supported", "write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		made.spoil("tags are not supported",
			fmt.Sprintf("remove %q; put a text into quotes where it looks like a number", n.Tag))
	case n.Kind == yaml.ScalarNode:
		made.expand()
	}
	for i, c := range n.Content {
		made.content = append(made.content, r.node(c, n.Kind == yaml.MappingNode && i%2 == 0))
	}
	if isKey && n.Tag == "!!merge" {
		made.spoil(`merge keys "<<" are not supported`, "write the keys out")
	}
	return made
}

// bare returns n without the nodes below it.
func (r *Reader) bare(n *yaml.Node) *Node {
	made := &Node{reader: r, tag: n.Tag, value: n.Value}
	switch n.Kind {
	case yaml.MappingNode:
		made.kind = mappingNode
	case yaml.SequenceNode:
		made.kind = listNode
	case yaml.AliasNode:
		made.kind = aliasNode
	}
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0:
		made.style = singleQuoted
	case n.Style&yaml.DoubleQuotedStyle != 0:
		made.style = doubleQuoted
	case n.Style&yaml.LiteralStyle != 0:
		made.style = literalBlock
	case n.Style&yaml.FoldedStyle != 0:
		made.style = foldedBlock
	}
	made.line, made.column = r.inside(n.Line, n.Column)
	r.nodes = append(r.nodes, made)
	return made
}
