// Package negotiate parses what a request asks for besides its method and path: the representation (Accept, Accept-Encoding), how long
// to wait for it (Prefer), which one the client has (If-None-Match), and the key under which a start may be repeated
// (Idempotency-Key). All servers of this module use it, so they all interpret requests alike.
package negotiate

import (
	"iter"
	"strings"
)

// Members yields the members of a list (RFC 9110 §5.6.1) in the lines of a header, without surrounding white space and
// without empty members. A comma inside a quoted string is not a separator.
func Members(lines []string) iter.Seq[string] { return split(lines, ',') }

// parts yields the parts of a member, which semicolons separate; the first one is its name or value.
func parts(member string) iter.Seq[string] { return split([]string{member}, ';') }

func split(lines []string, separator byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for line != "" {
				n := unquotedIndex(line, separator)
				part := trim(line[:n])
				line = line[min(n+1, len(line)):]
				if part != "" && !yield(part) {
					return
				}
			}
		}
	}
}

// unquotedIndex returns the index of the first c in s outside of a quoted string, or the length of s. An unterminated
// string extends to the end of s.
func unquotedIndex(s string, c byte) int {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			quoted = !quoted
		case quoted && s[i] == '\\':
			i++
		case !quoted && s[i] == c:
			return i
		}
	}
	return len(s)
}

// trim removes optional white space (RFC 9110 §5.6.3) around s.
func trim(s string) string { return strings.Trim(s, " \t") }
