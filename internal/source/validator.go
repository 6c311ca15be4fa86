package source

import (
	"errors"
	"net/http"
	"strings"
)

// ErrNotModified is what [HTTP.FetchIf] returns when the server says that the value is
// the one that is known (304, RFC 9110 §15.4.5).
var ErrNotModified = errors.New("not modified")

// A Validator names one version of an answer, as its server did (RFC 9110 §8.8). The
// zero value names none.
type Validator struct {
	ETag         string // with its quotes; at most 1 KiB
	LastModified string // the server's own spelling of the date
}

// validatorOf takes from an answer's header what can be sent back: a request with
// anything else in it would not leave.
func validatorOf(h http.Header) (v Validator) {
	if tag := h.Get("ETag"); isETag(tag) && len(tag) <= maxValidator {
		v.ETag = tag
	}
	if date := h.Get("Last-Modified"); date != "" {
		if _, err := http.ParseTime(date); err == nil {
			v.LastModified = date
		}
	}
	return v
}

// isETag reports whether s is an entity tag (RFC 9110 §8.8.3).
func isETag(s string) bool {
	s, quoted := strings.CutPrefix(strings.TrimPrefix(s, "W/"), `"`)
	if s, closed := strings.CutSuffix(s, `"`); quoted && closed {
		return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f })
	}
	return false
}
