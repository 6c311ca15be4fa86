package http

import (
	"iter"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/internal/negotiate"
)

// challengesOf yields the challenges of an answer, each as "SCHEME" or "SCHEME PARAMETER, PARAMETER", in the order of the server, which
// begins with the one that it likes best. There may be several in one line (RFC 9110 §11.6.1).
func challengesOf(h http.Header) iter.Seq[string] {
	return func(yield func(string) bool) {
		challenge := ""
		for _, line := range h.Values("WWW-Authenticate") {
			for member := range negotiate.Members([]string{line}) {
				switch {
				case challenge == "" || !isParameter(member):
					if challenge != "" && !yield(challenge) {
						return
					}
					challenge = member
				case strings.Contains(challenge, " "):
					challenge += ", " + member
				default:
					challenge += " " + member
				}
			}
			if challenge != "" && !yield(challenge) {
				return
			}
			challenge = ""
		}
	}
}

// isParameter reports whether a member of a list is NAME=VALUE, with spaces or without, and not SCHEME or SCHEME NAME=VALUE.
func isParameter(member string) bool {
	_, after, _ := strings.Cut(member, firstToken(member))
	return strings.HasPrefix(strings.TrimLeft(after, " \t"), "=")
}

// firstToken is the name with which a member of a list begins.
func firstToken(member string) string {
	if end := strings.IndexAny(member, " \t=\""); end >= 0 {
		return member[:end]
	}
	return member
}
