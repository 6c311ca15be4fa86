package negotiate

import (
	"net/http"
	"strings"
)

// HasTag reports whether the client has the representation of that entity tag, by the If-None-Match fields of its
// request (RFC 9110 §13.1.2). tag has its quotes. The comparison is the weak one.
func HasTag(h http.Header, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, line := range h.Values("If-None-Match") {
		for line = strings.TrimLeft(line, " \t,"); line != ""; line = strings.TrimLeft(line, " \t,") {
			if line[0] == '*' {
				return true
			}
			given, rest, ok := entityTag(line)
			if !ok {
				break // what follows cannot be told apart
			}
			if given == tag {
				return true
			}
			line = rest
		}
	}
	return false
}

// entityTag cuts the entity tag off with which s begins, and returns its quoted part. A backslash is a character like
// any other (RFC 9110 §8.8.3), and so is a comma.
func entityTag(s string) (tag, rest string, ok bool) {
	s = strings.TrimPrefix(s, "W/")
	if !strings.HasPrefix(s, `"`) {
		return "", "", false
	}
	end := strings.IndexByte(s[1:], '"')
	if end < 0 {
		return "", "", false
	}
	return s[:end+2], s[end+2:], true
}
