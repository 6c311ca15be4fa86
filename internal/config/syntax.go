package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parse returns the root of the file's one document, or nil when there is
// none to look at. What is not allowed anywhere (aliases, tags, merge keys,
// references to the environment) is reported, and its nodes are spoiled.
func (r *reader) parse(data []byte) *yaml.Node {
	if !r.checkText(string(data)) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		panic(fmt.Sprintf("config: yaml refuses no options: %v", err))
	}
	var first, second yaml.Node
	if err := loader.Load(&first); err == io.EOF {
		r.report(1, 1, "the file is empty", `write at least "version: 1" and a source`)
		return nil
	} else if err != nil {
		r.syntaxError(err)
		return nil
	}
	if err := loader.Load(&second); err == nil {
		r.report(second.Line, second.Column, "a second YAML document begins here",
			`keep one document a file and remove the "---"`)
	} else if err != io.EOF {
		r.syntaxError(err)
	}
	root := first.Content[0]
	if isNull(root) {
		r.report(1, 1, "the file is empty", `write at least "version: 1" and a source`)
		return nil
	}
	r.refuse(root)
	return root
}

// checkText reports the first character that makes line and column numbers
// differ from what an editor shows, or that YAML does not allow.
func (r *reader) checkText(text string) bool {
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

// syntaxErrors says in our words what the YAML scanner and parser report.
// Entries with begin are placed where the unfinished thing begins.
var syntaxErrors = []struct {
	message, context string
	begin            bool
	what, want       string
}{
	{"found character that cannot start any token", "", false, "nothing can begin with this character", "put the text into quotes"},
	{"found unexpected end of stream", "while scanning a quoted scalar", true, "this quoted text never ends", "add the closing quote"},
	{"found unknown escape character", "", false, "there is no such escape in a double-quoted text", `write \\ for a backslash, or use single quotes`},
	{"did not find expected ',' or ']'", "", true, "this list is not closed properly", `separate its elements by "," and end it with "]"`},
	{"did not find expected ',' or '}'", "", true, "this mapping is not closed properly", `separate its entries by "," and end it with "}"`},
	{"did not find expected node content", "", false, "a value is missing here", "close what is open and give each key a value"},
	{"mapping values are not allowed in this context", "", false, `":" is not expected here`, "give keys of one mapping the same indentation, and put a text that contains \": \" into quotes"},
	{"could not find expected ':'", "", true, `this line has no ":"`, `write "key: value"`},
	{"did not find expected key", "", false, "no key begins here", "give keys of one mapping the same indentation, and close quotes at the end of a text"},
	{"did not find expected '-' indicator", "", false, "no list element begins here", `give each "-" of a list the same indentation`},
	{"exceeded max depth", "", false, "the nesting is too deep", "a configuration needs less than ten levels"},
	{"unknown anchor", "", false, "aliases are not supported", "write the value out"},
}

// syntaxError reports err, which [yaml.Loader.Load] returned.
func (r *reader) syntaxError(err error) {
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
	line, column := r.inside(mark.Line, mark.Column)
	if rest := []rune(r.lines[line-1])[column-1:]; len(rest) > 0 && rest[0] == '\t' {
		what, want = "a tab cannot stand here", "indent with spaces"
	}
	r.report(line, column, what, want)
}

// inside moves a place that the YAML library gives to the nearest one in the
// file: at the end of the text it counts a line that is not there.
func (r *reader) inside(line, column int) (int, int) {
	if line > len(r.lines) {
		line = len(r.lines)
		column = utf8.RuneCountInString(r.lines[line-1]) + 1
	}
	line = max(1, line)
	return line, max(1, min(column, utf8.RuneCountInString(r.lines[line-1])+1))
}

// expansion matches references that a later version expands. To take them for
// plain text would send "${env:TOKEN}" as a credential.
var expansion = regexp.MustCompile(`\$\{(env|file):[^}]*\}?`)

// refuse reports what is not supported in any place below n, and spoils the
// nodes that cannot be read because of it.
func (r *reader) refuse(n *yaml.Node) {
	if n.Anchor != "" {
		r.problem(n, "anchors are not supported", fmt.Sprintf("remove %q and write the value out where it is needed", "&"+n.Anchor))
	}
	switch {
	case n.Kind == yaml.AliasNode:
		r.spoil(n, "aliases are not supported", "write the value out")
	case n.Style&yaml.TaggedStyle != 0:
		r.spoil(n, "tags are not supported", fmt.Sprintf("remove %q; put a text into quotes where it looks like a number", n.Tag))
	case n.Kind == yaml.ScalarNode:
		if ref := expansion.FindString(n.Value); ref != "" {
			r.spoil(n, quote(ref)+" is not supported by this version", "write the value itself")
		}
	}
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			if k := n.Content[i]; k.Tag == "!!merge" {
				r.spoil(k, `merge keys "<<" are not supported`, "write the keys out")
			}
		}
	}
	for _, c := range n.Content {
		r.refuse(c)
	}
}
