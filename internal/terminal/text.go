package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Width returns how many columns s, a result of text.Line, takes in a terminal.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// columns returns how many columns r takes: none if it combines with the previous rune, two if it is as wide as a
// Chinese character (UAX #11).
func columns(r rune) int {
	switch {
	case r < 0x300: // the common case
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100: // none of these is wide
		return 1
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// Cut returns s, or its beginning and an ellipsis, in at most n columns.
func Cut(s string, n int) string {
	if Width(s) <= n {
		return s
	}
	used := 0
	for i, r := range s {
		w := columns(r)
		if used+w > n-1 {
			if n < 1 {
				return ""
			}
			return s[:i] + "…"
		}
		used += w
	}
	return s
}

// Wrap breaks s, a result of text.Line, into parts of at most n columns, at spaces where possible. Each part has at
// least one column.
func Wrap(s string, n int) (parts []string) {
	n = max(n, 1)
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimLeft(s, " ") {
		used, end, space := 0, len(s), 0
		for i, r := range s {
			if used += columns(r); used > n && i > 0 {
				end = i
				break
			}
			if r == ' ' {
				space = i
			}
		}
		if end < len(s) && s[end] != ' ' && space > 0 {
			end = space
		}
		parts = append(parts, strings.TrimRight(s[:end], " "))
		s = s[end:]
	}
	return parts
}

// Pad appends spaces to s, so that it takes n columns.
func Pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-Width(s)))
}
