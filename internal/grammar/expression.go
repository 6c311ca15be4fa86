package grammar

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/jq"
)

// JQ reads and compiles an expression, which may use the given variables. Its problem is placed at the offending
// token.
func (n *Node) JQ(what string, variables ...string) *jq.Program {
	want := AnExpression
	if n.kind != scalarNode {
		want = "put the expression into quotes, since YAML takes brackets and braces for its own"
	}
	s, ok := n.Text(what, want)
	if !ok {
		return nil
	}
	if strings.TrimSpace(s) == "" {
		n.Problem(what+" is empty", AnExpression)
		return nil
	}
	p, err := jq.Compile(s, variables...)
	if err == nil {
		return p
	}
	offset, message := 0, err.Error()
	if e, ok := errors.AsType[*jq.SyntaxError](err); ok {
		offset, message = e.Offset, e.Message
	}
	n.ProblemAt(offset, fmt.Sprintf("%s is not valid jq: %s", what, message), AnExpression)
	return nil
}

// Regexp reads and compiles a regular expression.
func (n *Node) Regexp(what string) *regexp.Regexp {
	s, ok := n.Text(what, APattern)
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
	n.ProblemAt(offset, fmt.Sprintf("%s is not a regular expression: %s", what, message), APattern)
	return nil
}

// within returns the place of the character at offset of n's value. It follows a scalar through quotes and escapes and
// into the lines of a literal block. Where the value's characters differ from those of the file (folded blocks, other
// scalars over several lines) it returns the beginning of the scalar.
func (n *Node) within(offset int) (line, column int) {
	line, column = n.line, n.column
	if n.style == literalBlock {
		if l, c, ok := n.withinBlock(offset); ok {
			return l, c
		}
		return line, column
	}
	if n.style == foldedBlock {
		return line, column
	}
	raw, value := []rune(n.reader.lines[line-1])[column-1:], []rune(n.value)
	quoted := n.style == singleQuoted || n.style == doubleQuoted
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
		case n.style == singleQuoted && raw[min(at, len(raw)-1)] == '\'':
			width = 2
		case n.style == doubleQuoted && raw[min(at, len(raw)-1)] == '\\':
			width = 2
			if at+1 < len(raw) {
				width += map[rune]int{'x': 2, 'u': 4, 'U': 8}[raw[at+1]]
			}
		}
		at += width
		if at > len(raw) { // it continues in the next line
			return line, column
		}
	}
	return line, column + at
}

// withinBlock is within for a literal block, whose lines are in the file unchanged, but indented.
func (n *Node) withinBlock(offset int) (line, column int, ok bool) {
	value := []rune(strings.TrimRight(n.value, "\n"))
	before := string(value[:min(offset, len(value))])
	nth := strings.Count(before, "\n")
	want := strings.Split(string(value), "\n")[nth]
	line = n.line + 1 + nth
	if line > len(n.reader.lines) {
		return 0, 0, false
	}
	indent, found := strings.CutSuffix(n.reader.lines[line-1], want)
	if !found || strings.Trim(indent, " ") != "" {
		return 0, 0, false
	}
	return line, len(indent) + utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1, true
}
