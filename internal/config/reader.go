package config

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// A reader walks the tree of one file with small typed readers. Each of them
// takes a node, returns the Go value, and reports what is wrong at the node's
// place; then its value is the zero value and the walk goes on, so that one
// pass finds everything.
type reader struct {
	file     string
	lines    []string // of the file, without line ends
	problems Problems
	spoiled  map[*yaml.Node]bool // nodes about which a problem is reported that covers the whole node
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
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Column: column, What: what, Want: want})
}

// problem reports at the beginning of n.
func (r *reader) problem(n *yaml.Node, what, want string) {
	line, column := r.inside(n.Line, n.Column)
	r.report(line, column, what, want)
}

// spoil is problem for something that makes n unreadable.
func (r *reader) spoil(n *yaml.Node, what, want string) {
	r.problem(n, what, want)
	r.spoiled[n] = true
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func isControl(c rune) bool { return c < ' ' || 0x7f <= c && c < 0xa0 }

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
