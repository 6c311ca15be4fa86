package config

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/jq"
)

// jq reads and compiles an expression. Its problem is placed at the offending
// token.
func (r *reader) jq(n *yaml.Node, what string) *jq.Program {
	want := anExpression
	if n.Kind != yaml.ScalarNode {
		want = "put the expression into quotes, since YAML takes brackets and braces for its own"
	}
	s, ok := r.text(n, what, want)
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
	r.problemWithin(n, offset, fmt.Sprintf("%s is not valid jq: %s", what, message), anExpression)
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
	r.problemWithin(n, offset, fmt.Sprintf("%s is not a regular expression: %s", what, message), aPattern)
	return nil
}

// problemWithin reports at the character at offset of n's value.
func (r *reader) problemWithin(n *yaml.Node, offset int, what, want string) {
	if _, ok := r.written[n]; ok { // the file has other characters
		r.problem(n, what, want)
		return
	}
	line, column := r.within(n, offset)
	r.report(line, column, what, want)
}

// within returns the place of the character at offset of n's value. It follows
// a scalar through quotes and escapes and into the lines of a literal block.
// Where the value's characters are not those of the file (folded blocks, other
// scalars over several lines) it returns where the scalar begins.
func (r *reader) within(n *yaml.Node, offset int) (line, column int) {
	line, column = n.Line, n.Column
	if n.Style&yaml.LiteralStyle != 0 {
		if l, c, ok := r.withinBlock(n, offset); ok {
			return l, c
		}
		return line, column
	}
	if n.Style&yaml.FoldedStyle != 0 {
		return line, column
	}
	raw, value := []rune(r.lines[line-1])[column-1:], []rune(n.Value)
	quoted := n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0
	at := 0 // in raw, of the value's character i
	if quoted {
		at = 1
	}
	for i := range value {
		if i == offset {
			break
		}
		width := 1
		switch {
		case quoted && raw[min(at, len(raw)-1)] == '\'' && n.Style&yaml.SingleQuotedStyle != 0:
			width = 2
		case quoted && raw[min(at, len(raw)-1)] == '\\' && n.Style&yaml.DoubleQuotedStyle != 0:
			width = 2
			if at+1 < len(raw) {
				width += map[rune]int{'x': 2, 'u': 4, 'U': 8}[raw[at+1]]
			}
		}
		at += width
		if at > len(raw) { // it goes on in the next line
			return line, column
		}
	}
	return line, column + at
}

// withinBlock is within for a literal block, whose lines stand in the file as
// they are, indented.
func (r *reader) withinBlock(n *yaml.Node, offset int) (line, column int, ok bool) {
	value := []rune(strings.TrimRight(n.Value, "\n"))
	before := string(value[:min(offset, len(value))])
	nth := strings.Count(before, "\n")
	want := strings.Split(string(value), "\n")[nth]
	line = n.Line + 1 + nth
	if line > len(r.lines) {
		return 0, 0, false
	}
	indent, found := strings.CutSuffix(r.lines[line-1], want)
	if !found || strings.Trim(indent, " ") != "" {
		return 0, 0, false
	}
	return line, len(indent) + utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1, true
}
