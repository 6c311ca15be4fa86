package template

import (
	"regexp"
	"strings"
)

// parameterOf matches the text before the value of a parameter that is not in a quoted string.
var parameterOf = regexp.MustCompile(`;\s*[^\s=;,"]+\s*=[^;,"]*$`)

// checkHeader determines which placeholders are in quoted strings (RFC 9110 §5.6.4), where a value is escaped. Without
// quotes a value could begin another parameter. An unclosed quote is text.
func (t *Template) checkHeader(begins []int) *Error {
	rest := t.rest
	for i := len(t.parts) - 1; i >= 0; i-- {
		rest = t.parts[i].before + "x" + rest
	}
	at, from, until := 0, 0, -1 // rest[from:until] is in the newest quoted string
	for i := range t.parts {
		p := &t.parts[i]
		begin := at + len(p.before)
		for k := at; k < begin; k++ {
			if rest[k] == '"' && k > until {
				if end := closing(rest[k+1:]); end >= 0 {
					from, until = k+1, k+1+end
				}
			}
		}
		switch p.quoted = begin < until; {
		case p.quoted && backslashes(rest[from:begin])%2 == 1:
			return &Error{begins[i], p.text + " stands behind a backslash", `write \\ for a backslash`}
		case !p.quoted && parameterOf.MatchString(rest[:begin]):
			return &Error{
				begins[i],
				p.text + " could begin another parameter",
				`write "` + p.text + `", with the quotes`,
			}
		}
		at = begin + 1
	}
	return nil
}

// closing returns the end of the quoted string in which s begins, -1 if it has no end.
func closing(s string) int {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// backslashes returns the number of backslashes at the end of s.
func backslashes(s string) int { return len(s) - len(strings.TrimRight(s, `\`)) }
