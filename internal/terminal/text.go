package terminal

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// Width is the number of columns that a terminal shows s in, which is a result of text.Line.
func Width(s string) int {
	n := 0
	for _, r := range s {
		n += columns(r)
	}
	return n
}

// columns is how many columns r takes: none if it stands upon the rune before it, two if
// it is as wide as a Chinese character (UAX #11).
func columns(r rune) int {
	switch {
	case r < 0x300: // as most are
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	case r < 0x1100: // no wide ones
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

// Wrap returns s, which is a result of text.Line, in parts of at most n columns, broken at spaces where there are any. There
// is at least one column in each.
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

// Pad returns s with spaces behind it, so that it takes n columns.
func Pad(s string, n int) string {
	return s + strings.Repeat(" ", max(0, n-Width(s)))
}
