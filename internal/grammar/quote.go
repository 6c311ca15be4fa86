package grammar

import "strings"

// quotedOver returns the beginning of a quoted text that ends in the given line (from 1) of a file, before the given
// column, but began in an earlier line. Then the likely cause of a syntax error there is that the closing quote of the
// text is missing, and the opening quote of another text was taken for it. begun is 0 if there is no such text. If the
// quote is followed by something that may follow a text, the text was meant to be that long.
func quotedOver(lines []string, line, column int) (begun, at int) {
	var quote rune // of the current text, 0 outside of one
	var startLine, startColumn int
	for i, text := range lines[:min(line, len(lines))] {
		before := ' '
		runes := []rune(text)
		for k := 0; k < len(runes); k++ {
			if i == line-1 && k >= column {
				return begun, at
			}
			c := runes[k]
			switch {
			case quote == 0 && c == '#' && (before == ' ' || before == '\t'):
				k = len(runes)
				continue
			case quote == 0 && (c == '"' || c == '\'') && strings.ContainsRune(" \t[{,:", before):
				quote, startLine, startColumn = c, i+1, k+1
			case quote == '"' && c == '\\', quote == '\'' && c == '\'' && k+1 < len(runes) && runes[k+1] == '\'':
				k++
			case c == quote && quote != 0:
				quote = 0
				last := k+1 == len(runes) || strings.ContainsRune(" \t,:]}", runes[k+1])
				if i == line-1 && startLine < line && !last {
					begun, at = startLine, startColumn
				}
			}
			before = c
		}
	}
	return begun, at
}
