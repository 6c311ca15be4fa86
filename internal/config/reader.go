package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A reader walks the tree of a configuration with small typed readers. Each of
// them takes a node, returns the Go value, and reports what is wrong at the
// node's place; then its value is the zero value and the walk goes on, so that
// one pass finds everything.
type reader struct {
	files    []textFile
	inputs   Files    // what was read besides the text that it was given
	lines    []string // of all files, one file behind the other, without line ends; the lines of nodes and problems count through them
	widths   []int    // characters of each line
	problems []problem
	warnings []problem
	looked   map[string]bool         // programs that were looked for
	spoiled  map[*yaml.Node]bool     // nodes about which a problem is reported that covers the whole node
	meant    map[*yaml.Node]string   // unknown keys, and the one that each seems to mean
	written  map[*yaml.Node]string   // what stands in the file where a scalar's references are expanded
	given    map[*yaml.Node][]string // what the references in a scalar gave
	nodes    []*yaml.Node            // of all files, in their order
	shown    map[*yaml.Node]bool     // scalars that an excerpt may show; any other may be a credential
}

// A textFile is one that a reader has read.
type textFile struct {
	name   string
	before int // lines of the reader's before the first of this file
}

// maxProblems bounds the problems that are shown, before their number alone is. Tests change it.
var maxProblems = 50

// maxFound bounds the problems that are looked for: to say what is meant instead takes time.
const maxFound = 1000

// tooMany ends the reading of a configuration with maxFound problems.
type tooMany struct{}

// A problem is a [Problem] whose line counts through all files.
type problem struct {
	line, column int
	what, want   string
	unparsed     bool // the nodes of its line are not known
}

// report adds a problem. What jq or a regular expression quotes may hold line
// breaks; a problem is one line.
func (r *reader) report(line, column int, what, want string) {
	what = strings.Map(func(c rune) rune {
		if isControl(c) {
			return ' '
		}
		return c
	}, what)
	r.problems = append(r.problems, problem{line: line, column: column, what: what, want: want})
	if len(r.problems) >= maxFound {
		panic(tooMany{})
	}
}

// problem reports at the beginning of n. Where n's value comes from elsewhere
// it may be a secret, and what would quote it: then the reference is named
// instead. So want must not tell anything of a value.
func (r *reader) problem(n *yaml.Node, what, want string) {
	if refs := r.refs(n); refs != nil {
		what = "the value of " + list(refs, "and") + " is not right here"
	}
	r.report(n.Line, n.Column, what, want)
}

// spoil is problem for something that makes n unreadable.
func (r *reader) spoil(n *yaml.Node, what, want string) {
	r.problem(n, what, want)
	r.spoiled[n] = true
}

// expanded reports whether the value of n, or of anything in it, comes from
// elsewhere.
func (r *reader) expanded(n *yaml.Node) bool {
	_, ok := r.written[n]
	return ok || slices.ContainsFunc(n.Content, r.expanded)
}

// found returns the problems in the order of the files and their lines.
func (r *reader) found() Problems { return r.sorted(r.problems) }

func (r *reader) sorted(problems []problem) Problems {
	if problems == nil {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	masked := r.masked()
	var all Problems
	for i, p := range problems {
		if left := len(problems) - i; i == maxProblems && left > 1 {
			number := strconv.Itoa(left)
			if len(problems) == maxFound {
				number += " or more"
			}
			p.what, p.want = "there are "+number+" further problems", "correct those above first"
		} else if i > maxProblems {
			break
		}
		f := r.fileOf(p.line)
		text := masked[p.line-1]
		if p.unparsed {
			text = r.maskedUnparsed(p.line)
		}
		all = append(all, Problem{File: f.name, Line: p.line - f.before, Column: p.column, What: p.what, Want: p.want, Text: text})
	}
	return all
}

// fileOf returns the file in which a line is.
func (r *reader) fileOf(line int) textFile {
	i := len(r.files) - 1
	for r.files[i].before >= line {
		i--
	}
	return r.files[i]
}

// inside returns the place in r.lines that is nearest to one that the YAML
// library gives for the newest file: at the end of the text it counts a line
// that is not there.
func (r *reader) inside(line, column int) (int, int) {
	line = r.files[len(r.files)-1].before + max(1, line)
	if line > len(r.lines) {
		line = len(r.lines)
		column = r.widths[line-1] + 1
	}
	return line, max(1, min(column, r.widths[line-1]+1))
}

// at names the place of n in a message about a place in line from.
func (r *reader) at(n *yaml.Node, from int) string {
	f := r.fileOf(n.Line)
	if f != r.fileOf(from) {
		return fmt.Sprintf("%s:%d:%d", f.name, n.Line-f.before, n.Column)
	}
	return fmt.Sprintf("line %d, column %d", n.Line-f.before, n.Column)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// isControl reports whether c is a control character, or ends a line as Unicode has it.
func isControl(c rune) bool {
	return c < ' ' || 0x7f <= c && c < 0xa0 || c == '\u2028' || c == '\u2029'
}

// turnsWriting reports whether c turns the direction of what follows (UAX #9, section 2), so that people are shown
// another text than a program is given.
func turnsWriting(c rune) bool {
	return '\u202a' <= c && c <= '\u202e' || '\u2066' <= c && c <= '\u2069'
}

// describe names what n is, for messages.
func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	case n.Tag == "!!int" || n.Tag == "!!float":
		return "a number"
	}
	return "a text"
}

// quote quotes s for a message, shortened to be readable.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}
