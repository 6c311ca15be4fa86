package http

import (
	"bytes"
	"net/http"
	"strings"
	"time"
)

const (
	// MaxKnown bounds an answer that is remembered, in bytes: a larger one is transferred
	// with every poll.
	MaxKnown = 256 << 10
	// settled is how much later than Last-Modified an answer must have been made for that to
	// be a strong validator: within its second, and one of rounding, there may be another one.
	settled = 2 * time.Second
)

// Known is an answer, with its name, of which its server can be asked whether it is still
// the current one. It is not changed, and any number of goroutines may use it.
type Known struct {
	Validator
	body []byte
}

// A Validator names one version of an answer, as its server did (RFC 9110 §8.8). The
// zero value names none.
type Validator struct {
	ETag         string // with its quotes; at most 1 KiB
	LastModified string // the server's own spelling of the date
}

// knownOf is what to remember of an answer, nil if nothing.
func knownOf(h http.Header, body []byte) *Known {
	v := validatorOf(h)
	if v == (Validator{}) || len(body) > MaxKnown {
		return nil
	}
	return &Known{v, bytes.Clone(body)} // the room that it was read into is larger
}

// validatorOf takes from an answer's header what names this version of it and no other one.
//
// Last-Modified counts in seconds, so it may name two versions until its second is over by
// the clock of whoever sent it (RFC 9110 §8.8.2.2). Servers of files make their entity tags
// of the same time, so before then these are as weak. An entity tag that is marked as weak
// may stay through a change (§8.8.1); it counts only beside a Last-Modified that is strong.
// What could not be sent back is not taken either: such a request would not leave.
func validatorOf(h http.Header) (v Validator) {
	if tag := h.Get("ETag"); isETag(tag) && len(tag) <= maxValidator {
		v.ETag = tag
	}
	date := h.Get("Last-Modified")
	if date == "" {
		if strings.HasPrefix(v.ETag, "W/") {
			return Validator{}
		}
		return v
	}
	modified, err := http.ParseTime(date)
	if err != nil {
		return Validator{}
	}
	sent, err := http.ParseTime(h.Get("Date"))
	if err != nil || sent.Sub(modified) < settled {
		return Validator{}
	}
	v.LastModified = date
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
