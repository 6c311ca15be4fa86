package config

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/jq"
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

// entries yields the keys and values of the mapping n, each key once.
func (r *reader) entries(n *yaml.Node, where string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(k, v *yaml.Node) bool) {
		if r.spoiled[n] {
			return
		}
		if n.Kind != yaml.MappingNode {
			r.problem(n, fmt.Sprintf("%s is %s", where, describe(n)), `write a mapping of "key: value"`)
			return
		}
		first := map[string]*yaml.Node{}
		for i := 0; i < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			switch f := first[k.Value]; {
			case r.spoiled[k]:
			case k.Kind != yaml.ScalarNode || isNull(k):
				r.problem(k, fmt.Sprintf("a key of %s is %s", where, describe(k)), "write a name before the colon")
			case f != nil:
				r.problem(k, fmt.Sprintf("duplicate key %s in %s", quote(k.Value), where),
					fmt.Sprintf("the first one is at line %d, column %d: remove or rename one of them", f.Line, f.Column))
			default:
				first[k.Value] = k
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// A key is one key that a mapping may have.
type key struct {
	name  string
	read  func(v *yaml.Node) // called with the value, if the key is there
	later string             // instead of read, for what this version does not support: what to do about it
}

// mapping reads a mapping with fixed keys.
func (r *reader) mapping(n *yaml.Node, where string, keys ...key) {
next:
	for k, v := range r.entries(n, where) {
		var known []string
		for _, key := range keys {
			switch {
			case key.name == k.Value && key.later != "":
				r.problem(k, quote(key.name)+" is not supported by this version", key.later)
				continue next
			case key.name == k.Value:
				key.read(v)
				continue next
			case key.later == "":
				known = append(known, key.name)
			}
		}
		r.problem(k, fmt.Sprintf("unknown key %s in %s", quote(k.Value), where), suggest(k.Value, "keys here", known))
	}
}

// complete reports whether all that the mapping n says was understood, so that
// what is not there is missing.
func (r *reader) complete(n *yaml.Node) bool {
	if n.Kind != yaml.MappingNode || r.spoiled[n] {
		return false
	}
	for i := 0; i < len(n.Content); i += 2 {
		if r.spoiled[n.Content[i]] { // a merge key
			return false
		}
	}
	return true
}

// find returns the first key of the mapping n that is one of names, or nil.
func find(n *yaml.Node, names ...string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if slices.Contains(names, n.Content[i].Value) {
			return n.Content[i]
		}
	}
	return nil
}

// A named is one entry of a mapping whose keys are names.
type named struct {
	name       string
	key, value *yaml.Node
}

var nameGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// names reads a mapping of names. Nothing at all is an empty one, so that its
// last entry can be commented out. Entries with a bad name are kept, since
// their values may have problems too.
func (r *reader) names(n *yaml.Node, where string) []named {
	if n == nil || isNull(n) {
		return nil
	}
	var all []named
	for k, v := range r.entries(n, where) {
		if !nameGrammar.MatchString(k.Value) {
			r.problem(k, fmt.Sprintf("bad name %s in %s", quote(k.Value), where),
				"use a-z, 0-9, dot, underscore and dash, beginning with a letter or digit, at most 64 characters")
		}
		all = append(all, named{k.Value, k, v})
	}
	return all
}

// list returns the elements of a list. Want says what would be right if it is
// something else.
func (r *reader) list(n *yaml.Node, what, want string) []*yaml.Node {
	switch {
	case r.spoiled[n]:
		return nil
	case n.Kind != yaml.SequenceNode:
		r.problem(n, fmt.Sprintf("%s is %s", what, describe(n)), want)
		return nil
	case len(n.Content) == 0:
		r.problem(n, what+" is an empty list", want)
	}
	return n.Content
}

// text reads any scalar as it stands in the file: 8080 and true are texts too.
// Want says what would be right if it is something else.
func (r *reader) text(n *yaml.Node, what, want string) (string, bool) {
	switch {
	case r.spoiled[n]:
		return "", false
	case n.Kind != yaml.ScalarNode || isNull(n):
		r.problem(n, fmt.Sprintf("%s is %s", what, describe(n)), want)
		return "", false
	}
	return n.Value, true
}

// line reads a text of one line that is not empty.
func (r *reader) line(n *yaml.Node, what string) string {
	s, ok := r.text(n, what, aText)
	switch {
	case !ok:
	case s == "":
		r.problem(n, what+" is empty", aText)
	case strings.ContainsFunc(s, isControl):
		r.problem(n, what+" contains a line break or another control character", "write it in one line")
	}
	return s
}

// What would be right where something else stands.
const (
	aText        = "write a text"
	aDuration    = "write a duration with a unit such as 30s"
	aNumber      = "write a number such as 5 or 0.5, without quotes"
	aPercentage  = "write a percentage such as 10%, from 0% to below 100%"
	anExpression = "write an expression such as .main.temp"
	aPattern     = "write a regular expression in Go's syntax (RE2)"
)

// choice reads one of a few words.
func (r *reader) choice(n *yaml.Node, what string, words ...string) string {
	s, ok := r.text(n, what, "write "+list(words, "or"))
	if !ok {
		return ""
	}
	for _, w := range words {
		if s == w {
			return s
		}
	}
	r.problem(n, fmt.Sprintf("%s: unknown word %s", what, quote(s)), suggest(s, "words here", words))
	return ""
}

// duration reads a duration from a millisecond to a year.
func (r *reader) duration(n *yaml.Node, what string) time.Duration {
	s, ok := r.text(n, what, aDuration)
	if !ok {
		return 0
	}
	d, err := time.ParseDuration(s)
	_, number := strconv.ParseFloat(s, 64)
	switch {
	case number == nil:
		r.problem(n, fmt.Sprintf("%s: %s has no unit", what, quote(s)), aDuration)
	case err != nil:
		r.problem(n, fmt.Sprintf("%s: %s is not a duration", what, quote(s)), aDuration+"; units are ms, s, m and h")
	case d < time.Millisecond:
		r.problem(n, fmt.Sprintf("%s: %s is too short", what, quote(s)), "write a duration of at least 1ms")
	case d > 8760*time.Hour:
		r.problem(n, fmt.Sprintf("%s: %s is too long", what, quote(s)), "write a duration of at most 8760h, a year")
	default:
		return d
	}
	return 0
}

var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// number reads a finite decimal number.
func (r *reader) number(n *yaml.Node, what string) *float64 {
	s, ok := r.text(n, what, aNumber)
	if !ok {
		return nil
	}
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case n.Tag == "!!str" || !decimal.MatchString(s):
		r.problem(n, fmt.Sprintf("%s: %s is not a decimal number", what, quote(s)), aNumber)
		return nil
	case err != nil:
		r.problem(n, fmt.Sprintf("%s: %s is too large", what, quote(s)), "write a smaller number")
		return nil
	}
	return &f
}

// integer reads a whole number from lowest to highest.
func (r *reader) integer(n *yaml.Node, what string, lowest, highest int) (int, bool) {
	f := r.number(n, what)
	if f == nil {
		return 0, false
	}
	if *f != math.Trunc(*f) || *f < float64(lowest) || *f > float64(highest) {
		r.problem(n, fmt.Sprintf("%s is %s", what, n.Value), fmt.Sprintf("write a whole number from %d to %d", lowest, highest))
		return 0, false
	}
	return int(*f), true
}

// percentage reads 0 or a percentage below 100% as a fraction.
func (r *reader) percentage(n *yaml.Node, what string) float64 {
	s, ok := r.text(n, what, aPercentage)
	if !ok || s == "0" {
		return 0
	}
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if !percent || err != nil || !decimal.MatchString(number) || f < 0 || f >= 100 {
		r.problem(n, fmt.Sprintf("%s: %s is not a percentage", what, quote(s)), aPercentage)
		return 0
	}
	return f / 100
}

// argv reads the list of a program and its arguments.
func (r *reader) argv(n *yaml.Node) []string {
	var argv []string
	for i, e := range r.list(n, "exec", "write the program and its arguments as a list such as [df, -h]; there is no shell") {
		s, ok := r.text(e, fmt.Sprintf("element %d of exec", i+1), aText)
		switch {
		case !ok:
		case strings.ContainsRune(s, 0):
			r.problem(e, fmt.Sprintf("element %d of exec contains a NUL character", i+1), "remove it; no program can be given one")
		case i == 0 && s == "":
			r.problem(e, "the program in exec is empty", "write its name or path")
		}
		argv = append(argv, s)
	}
	return argv
}

// jq reads and compiles an expression. Its problem is placed at the offending
// token.
func (r *reader) jq(n *yaml.Node, what string) *jq.Program {
	s, ok := r.text(n, what, anExpression)
	if !ok {
		return nil
	}
	if strings.TrimSpace(s) == "" {
		r.problem(n, what+" is empty", anExpression)
		return nil
	}
	p, err := jq.Compile(s)
	if err == nil {
		return p
	}
	offset, message := 0, err.Error()
	if e, ok := errors.AsType[*jq.SyntaxError](err); ok {
		offset, message = e.Offset, e.Message
	}
	line, column := r.within(n, offset)
	r.report(line, column, fmt.Sprintf("%s is not valid jq: %s", what, message), anExpression)
	return nil
}

// regexp reads and compiles a regular expression.
func (r *reader) regexp(n *yaml.Node, what string) *regexp.Regexp {
	s, ok := r.text(n, what, aPattern)
	if !ok {
		return nil
	}
	re, err := regexp.Compile(s)
	if err == nil {
		return re
	}
	offset, message := 0, err.Error()
	if e, ok := errors.AsType[*syntax.Error](err); ok {
		message = fmt.Sprintf("%s at `%s`", e.Code, e.Expr)
		if i := strings.Index(s, e.Expr); i > 0 {
			offset = utf8.RuneCountInString(s[:i])
		}
	}
	line, column := r.within(n, offset)
	r.report(line, column, fmt.Sprintf("%s is not a regular expression: %s", what, message), aPattern)
	return nil
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
