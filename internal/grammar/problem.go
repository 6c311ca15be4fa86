package grammar

import (
	"fmt"
	"strings"
)

// A Problem is one fault of a configuration file.
type Problem struct {
	File   string `json:"file"`   // as given to [Read], or an included file
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, counted in characters
	What   string `json:"what"`   // what is wrong, for example `unknown key "evry" in source "tank"`
	Want   string `json:"want"`   // how to correct it, for example `did you mean "every"?`
	Text   string `json:"-"`      // the line, with asterisks for the characters of possible credentials
}

// String returns one line: file:line:column, what is wrong, and how to correct it.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s, %s", p.File, p.Line, p.Column, p.What, p.Want)
}

// Problems are all faults of a configuration file, in the order of the file. It is nil for a valid one.
type Problems []Problem

// Error returns the problems, one per line, without a line break at the end.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
