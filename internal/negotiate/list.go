// Package negotiate reads what a request asks for beside its method and path: the representation (Accept), how long
// to wait for it (Prefer), which one the client has (If-None-Match), and under which key a start may be repeated
// (Idempotency-Key). Every server of this module reads them here, so all of them understand the same.
package negotiate

import (
	"iter"
	"strings"
)

// members yields the members of a list (RFC 9110 §5.6.1) in lines of a header, without the white space around them
// and without empty ones. A comma inside a quoted string separates nothing.
func members(lines []string) iter.Seq[string] { return split(lines, ',') }

// parts yields the parts of a member that semicolons separate, of which the first is its name or value.
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

// unquotedIndex returns where s has c outside of a quoted string, or the length of s. A string that does not end goes
// to the end of s.
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
