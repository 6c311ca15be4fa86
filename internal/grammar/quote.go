package grammar

import "strings"

// quotedOver returns where the quoted text began that ends in the given line (from 1) of a file, in front of the given
// column, but began in an earlier one: the likely reason why YAML makes no sense there is that its closing quote is
// missing, and the opening quote of another text was taken for it. begun is 0 if there is none. A quote that is
// followed by what may follow a text ends one that was meant to be so long.
func quotedOver(lines []string, line, column int) (begun, at int) {
	var quote rune // of the text that is read, 0 outside of one
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
