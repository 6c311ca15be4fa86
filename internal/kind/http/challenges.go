package http

import (
	"iter"
	"net/http"
	"strings"
)

// challengesOf yields the challenges of an answer, each as "SCHEME" or "SCHEME PARAMETER, PARAMETER", in the order of the server, which
// begins with the one that it likes best. There may be several in one line (RFC 9110 §11.6.1).
func challengesOf(h http.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range h.Values("WWW-Authenticate") {
			challenge := ""
			for item := range listItems(line) {
				switch {
				case challenge == "" || !isParameter(item):
					if challenge != "" && !yield(challenge) {
						return
					}
					challenge = item
				case strings.Contains(challenge, " "):
					challenge += ", " + item
				default:
					challenge += " " + item
				}
			}
			if challenge != "" && !yield(challenge) {
				return
			}
		}
	}
}

// listItems yields what stands between the commas of a header, but for those in quoted strings, without what is empty (RFC 9110 §5.6.1).
func listItems(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		begin, quoted := 0, false
		for i := 0; i <= len(line); i++ {
			switch {
			case i == len(line) || line[i] == ',' && !quoted:
				if item := strings.Trim(line[begin:i], " \t"); item != "" && !yield(item) {
					return
				}
				begin = i + 1
			case line[i] == '"':
				quoted = !quoted
			case line[i] == '\\' && quoted && i+1 < len(line):
				i++
			}
		}
	}
}

// isParameter reports whether an item of a list is NAME=VALUE, with spaces or without, and not SCHEME or SCHEME NAME=VALUE.
func isParameter(item string) bool {
	_, after, _ := strings.Cut(item, firstToken(item))
	return strings.HasPrefix(strings.TrimLeft(after, " \t"), "=")
}

// firstToken is the name with which an item of a list begins.
func firstToken(item string) string {
	if end := strings.IndexAny(item, " \t=\""); end >= 0 {
		return item[:end]
	}
	return item
}
