package http

import (
	"bytes"
	"net/http"
	"strings"
	"time"
)

const (
	// MaxStored is the maximum size of a remembered answer, in bytes: a larger one is
	// transferred with every poll.
	MaxStored = 256 << 10
	// strongAfter is how long after Last-Modified an answer must be dated for that to be a strong
	// validator: within its second, and one of rounding, the content may have changed again.
	strongAfter = 2 * time.Second
)

// Stored is an answer with a validator, by which its server can be asked whether the answer is
// still current. It is immutable: any number of goroutines may use it.
type Stored struct {
	Validator
	charset string // in which the server said that it is
	body    []byte
}

// A Validator identifies one version of an answer (RFC 9110 §8.8). The zero value
// identifies none.
type Validator struct {
	ETag         string // with its quotes; at most 1 KiB
	LastModified string // the server's own spelling of the date
}

// storedOf returns the answer to remember, nil for none.
func storedOf(h http.Header, charset string, body []byte) *Stored {
	v := validatorOf(h)
	if v == (Validator{}) || len(body) > MaxStored {
		return nil
	}
	return &Stored{v, charset, bytes.Clone(body)} // its buffer is larger
}

// validatorOf returns the validator in an answer's header that identifies this version only.
//
// Last-Modified has a resolution of seconds, so it may identify two versions until its second
// is over by the server's clock (RFC 9110 §8.8.2.2). File servers derive their entity tags
// from the same time, so until then these are as weak. An entity tag that is marked as weak
// may survive a change (§8.8.1); it counts only together with a strong Last-Modified. A value
// that could not be sent back is ignored: the request would fail.
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
	if err != nil || sent.Sub(modified) < strongAfter {
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
