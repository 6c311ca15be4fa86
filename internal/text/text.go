// Package text makes text from outside safe to show on a page, in a terminal or in a log.
//
// A program, an upstream or a client may send anything: escape sequences that repaint a terminal, control characters,
// marks that change the direction of writing, bytes that are not UTF-8. [Plain] removes them, [Styled] also says which parts
// had which of a few colours, [Line] and [Words] also
// make one line of the rest, and [Cut] bounds its length. All of them return valid UTF-8 for valid UTF-8; all but Cut
// do so for any text.
package text

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	esc = 0x1b
	bel = 0x07
)

// Plain returns s as a terminal without colours would show it: without escape sequences (ECMA-48 §5.4, §5.6, §8.3.89)
// and control characters, except for tabs and line feeds. U+FFFD replaces bytes that are not UTF-8 and marks that
// change the direction of writing.
func Plain(s string) string { return clean(s, exceptSpace) }

// exceptSpace removes control characters except for tabs and line feeds.
func exceptSpace(r rune) rune {
	if r == '\t' || r == '\n' {
		return r
	}
	return -1
}

// Line returns s as one line: like [Plain], with a space for each tab and line break, and without characters that have
// no width.
func Line(s string) string {
	if printable(s) {
		return s
	}
	s = clean(strings.ReplaceAll(s, "\r\n", "\n"), func(r rune) rune {
		switch r {
		case '\t', '\n', '\v', '\f', '\r', 0x85:
			return ' '
		}
		return -1
	})
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, s)
}

// Words returns s as one line like [Line], with one space for each run of spaces and none at the ends.
func Words(s string) string { return strings.Join(strings.Fields(Line(s)), " ") }

// Cut returns s if it has at most n characters, and otherwise its first n-1 and an ellipsis. If n is too small for
// that, it returns "".
func Cut(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	if n < 1 {
		return ""
	}
	for i := range s {
		if n--; n == 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// clean removes escape sequences and maps control characters by control.
func clean(s string, control func(rune) rune) string {
	if printable(s) {
		return s
	}
	return strings.Map(func(r rune) rune { return safe(r, control) }, withoutSequences(s))
}

// safe maps a character, control characters by control.
func safe(r rune, control func(rune) rune) rune {
	switch {
	case r == utf8.RuneError, unicode.Is(unicode.Bidi_Control, r):
		return utf8.RuneError
	case unicode.IsControl(r):
		return control(r)
	}
	return r
}

// printable reports whether s is printable ASCII, as most text is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func withoutSequences(s string) string {
	i := strings.IndexByte(s, esc)
	if i < 0 {
		return s
	}
	var rest strings.Builder
	for i >= 0 {
		rest.WriteString(s[:i])
		s = s[i:]
		s = s[sequence(s):]
		i = strings.IndexByte(s, esc)
	}
	return rest.String() + s
}

// sequence returns the length of the escape sequence at the beginning of s. An unterminated one extends to the next
// line break, or to the end of s.
func sequence(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // control sequence: parameters, then a final byte
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < 0x20 || s[i] > 0x7e {
				return i
			}
		}
		return len(s)
	case ']', 'P', 'X', '^', '_': // a string, until BEL or ESC \
		for i := 2; i < len(s); i++ {
			switch {
			case s[i] == bel:
				return i + 1
			case s[i] == esc && i+1 < len(s) && s[i+1] == '\\':
				return i + 2
			case s[i] == esc, s[i] == '\n', s[i] == '\r':
				return i
			}
		}
		return len(s)
	}
	i := 1
	for i < len(s) && s[i] >= 0x20 && s[i] <= 0x2f { // intermediates, as of ESC ( B
		i++
	}
	if i < len(s) && s[i] >= 0x30 && s[i] <= 0x7e {
		i++
	}
	return i
}
