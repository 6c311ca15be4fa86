package negotiate

import (
	"net/http"
	"strings"
)

// HasTag reports whether the client has the representation with the given entity tag, according to the If-None-Match
// fields of its request (RFC 9110 §13.1.2). tag includes its quotes. The comparison is weak.
func HasTag(h http.Header, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, line := range h.Values("If-None-Match") {
		for line = strings.TrimLeft(line, " \t,"); line != ""; line = strings.TrimLeft(line, " \t,") {
			if line[0] == '*' {
				return true
			}
			given, rest, ok := entityTag(line)
			if !ok {
				break // the rest cannot be parsed
			}
			if given == tag {
				return true
			}
			line = rest
		}
	}
	return false
}

// entityTag cuts off the entity tag at the beginning of s, and returns its quoted part. Backslashes and commas are
// ordinary characters in it (RFC 9110 §8.8.3).
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
