package grammar

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a configuration file.
type Problem struct {
	File   string `json:"file"`   // as given to [Read], or an included file
	Line   int    `json:"line"`   // from 1
	Column int    `json:"column"` // from 1, counted in characters
	What   string `json:"what"`   // what is wrong, for example `unknown key "evry" in source "tank"`
	Want   string `json:"want"`   // what would be right, for example `did you mean "every"?`
	Text   string `json:"-"`      // the line, with an asterisk for each character of what may be a credential
}

// String returns file:line:column: what, and what would be right. It is one line.
func (p Problem) String() string {
	return fmt.Sprintf("%s:%d:%d: %s, %s", p.File, p.Line, p.Column, p.What, p.Want)
}

// Problems is everything that is wrong with a configuration file, in the
// order of the file. It is nil for a good one.
type Problems []Problem

// Error returns the problems one a line, without a line break at the end.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}
