package text

// Delimiter returns what stands between the fields of CSV: what its first line that is not empty has most of, outside of quotes. It
// is a comma unless there are more semicolons or tabs.
func Delimiter(text string) rune {
	counts := map[rune]int{}
	quoted, begun := false, false
line:
	for _, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',' || c == ';' || c == '\t':
			counts[c]++
		case c == '\n' && begun:
			break line
		}
		begun = begun || c != '\n' && c != '\r'
	}
	best := ','
	for _, c := range []rune{';', '\t'} {
		if counts[c] > counts[best] {
			best = c
		}
	}
	return best
}
