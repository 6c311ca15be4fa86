package jq

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
)

// MaxSource bounds the bytes of an expression.
const MaxSource = 64 << 10

// A SyntaxError describes where and why an expression is wrong.
type SyntaxError struct {
	Offset  int // in characters from the start of the expression, of the offending token; at the end: their number
	Message string
}

// Error returns only the message: a caller that knows the expression's place in a file adds the place.
func (e *SyntaxError) Error() string { return e.Message }

// Compile parses and compiles src, which may use the variables with the given names, such as "$status". Its error is a
// [*SyntaxError]: for a broken expression, for an unknown function, variable, format or label, and for features that the
// package leaves out.
func Compile(src string, variables ...string) (*Program, error) {
	if len(src) > MaxSource {
		return nil, &SyntaxError{
			Message: fmt.Sprintf("the expression has %d bytes, want at most %d", len(src), MaxSource),
		}
	}
	if strings.TrimSpace(src) == "" {
		return nil, &SyntaxError{Message: `the expression is empty, want for example "." for the whole value`}
	}
	if i := strings.IndexByte(src, 0); i >= 0 {
		return nil, at(src, i, "unexpected NUL character")
	}
	var named []string // those that may be used
	for _, name := range variables {
		if strings.Contains(src, name) {
			named = append(named, name)
		}
	}
	p, err := compile(src, named)
	if err == nil && named != nil {
		used := uses(src, named)
		p, err = compile(src, namesOf(used)) // without those that only stand in a text, or that it binds itself
		p.uses = used
	}
	if err == nil {
		return p, nil
	}
	if e, ok := errors.AsType[*gojq.ParseError](err); ok {
		return nil, parseError(src, e)
	}
	e := compileError(src, named, err)
	if strings.HasPrefix(e.Message, "unknown variable") && len(variables) > 0 {
		e.Message += ", or one of " + strings.Join(variables, ", ")
	}
	return nil, e
}

// uses returns which of the named variables src, which compiles with them, uses.
func uses(src string, named []string) (all []Use) {
	for i, name := range named {
		others := slices.Delete(slices.Clone(named), i, i+1)
		if _, err := compile(src, others); err != nil {
			all = append(all, Use{name, compileError(src, others, err).Offset})
		}
	}
	return all
}

func namesOf(uses []Use) (names []string) {
	for _, use := range uses {
		names = append(names, use.Name)
	}
	return names
}

// compile compiles src with variables, which are bound in their order.
func compile(src string, variables []string) (p *Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("the compiler panicked: %v", r)
		}
	}()
	query, err := gojq.Parse(src)
	if err != nil {
		return nil, err
	}
	path := pathOf(query)
	query, deletes := rewrite(query)
	code, err := gojq.Compile(query, options(variables)...)
	return &Program{src: src, code: code, path: path, deletes: deletes}, err
}

// at returns the error for the byte offset i of src.
func at(src string, i int, message string) *SyntaxError {
	return &SyntaxError{Offset: utf8.RuneCountInString(src[:i]), Message: message}
}

// parseError explains what is wrong at the token that ends at e.Offset.
func parseError(src string, e *gojq.ParseError) *SyntaxError {
	end := min(e.Offset, len(src))
	message := e.Error()
	switch {
	case message == "unexpected EOF":
		return at(src, len(src), "unexpected end of the expression: an operand, a closing bracket or `end` is missing")
	case message == "unterminated string literal":
		return at(src, openingQuote(src, message), "the string has no closing quote")
	case strings.HasPrefix(message, "invalid escape sequence"):
		message = fmt.Sprintf(
			"unknown escape `%s` in a string, want one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX \\(...)", e.Token)
	case strings.HasPrefix(message, "invalid token"):
		message = fmt.Sprintf("`%s` is neither a number nor a name", e.Token)
	default:
		message = fmt.Sprintf("unexpected `%s`", e.Token)
	}
	return at(src, max(0, strings.LastIndex(src[:end], e.Token)), message)
}

// compileError finds the token of err, which has no position.
func compileError(src string, variables []string, err error) *SyntaxError {
	text := err.Error()
	for _, k := range []struct{ prefix, message string }{
		{"function not defined: ", "unknown function `%s`"},
		{"variable not defined: ", "unknown variable `%s`, want one that `as` binds before"},
		{"label not defined: ", "unknown label `%s`"},
	} {
		if what, ok := strings.CutPrefix(text, k.prefix); ok {
			name, _, _ := strings.Cut(what, "/")
			return at(src, locate(src, variables, name, text), fmt.Sprintf(k.message, what))
		}
	}
	switch {
	case strings.HasPrefix(text, "input(s)/0"):
		i := locate(src, variables, "input", text)
		if strings.HasPrefix(src[i:], "inputs") {
			return at(src, i, "`inputs` is not available: the value is `.`")
		}
		return at(src, i, "`input` is not available: the value is `.`")
	case strings.HasPrefix(text, "cannot load module"):
		return &SyntaxError{Message: "`import` and `include` are not available: define the function here with `def`"}
	case strings.HasPrefix(text, "missing query"):
		return at(src, len(src), "the expression ends without saying what to compute, want for example `.`")
	}
	return &SyntaxError{Message: text}
}

// tries bounds how many places in an expression are tried to find a token.
const tries = 100

// locate returns the byte offset of the name in src that the compiler reports with text. It renames one occurrence
// after another: if the error changes, that was the one. So definitions, keys and strings with the same name do not
// mislead.
func locate(src string, variables []string, name, text string) int {
	for from, try := 0, 0; try < tries; try++ {
		i := strings.Index(src[from:], name)
		if i < 0 {
			break
		}
		i += from
		from = i + len(name)
		if _, err := compile(src[:from]+"_"+src[from:], variables); err == nil || err.Error() != text {
			return i
		}
	}
	return max(0, strings.Index(src, name))
}

// openingQuote returns the byte offset of the quote that is never closed: the last one such that the text before it
// does not cause the error.
func openingQuote(src, text string) int {
	i := len(src)
	for range tries {
		if i = strings.LastIndexByte(src[:i], '"'); i < 0 {
			break
		}
		if _, err := compile(src[:i], nil); err == nil || err.Error() != text {
			return i
		}
	}
	return max(0, strings.IndexByte(src, '"'))
}
