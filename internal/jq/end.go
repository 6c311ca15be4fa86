package jq

// End returns where an expression ends that stands in braces: the index in s, which is what follows the opening brace, of
// the brace that closes it; -1 if there is none. Braces of the expression itself and those in its texts do not count. A
// comment ends at a brace.
func End(s string) int {
	var open []byte   // what is open: '{' for a brace, '"' for a text, '(' for an interpolation in a text
	depth := []int{0} // of parentheses, by interpolation
	for i := 0; i < len(s); i++ {
		top := byte(0)
		if len(open) > 0 {
			top = open[len(open)-1]
		}
		switch c := s[i]; {
		case top == '"':
			switch {
			case c == '"':
				open = open[:len(open)-1]
			case c == '\\' && i+1 < len(s):
				if i++; s[i] == '(' {
					open, depth = append(open, '('), append(depth, 0)
				}
			}
		case c == '"' || c == '{':
			open = append(open, c)
		case c == '#':
			for i+1 < len(s) && s[i+1] != '\n' && s[i+1] != '}' {
				i++
			}
		case c == '(':
			depth[len(depth)-1]++
		case c == ')' && depth[len(depth)-1] > 0:
			depth[len(depth)-1]--
		case c == ')' && top == '(':
			open, depth = open[:len(open)-1], depth[:len(depth)-1]
		case c == '}' && len(open) == 0:
			return i
		case c == '}' && top == '{':
			open = open[:len(open)-1]
		}
	}
	return -1
}
