package negotiate

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Preferences are the preferences of RFC 7240 that this module supports.
type Preferences struct {
	Async    bool          // respond-async: the answer should not wait for the work
	Waits    bool          // wait: the answer may wait
	Duration time.Duration // the maximum wait, in whole seconds
}

// Prefer parses the Prefer fields of a request. The first occurrence of each preference counts; if that is malformed,
// the preference is ignored. A wait is at most limit.
func Prefer(h http.Header, limit time.Duration) (p Preferences) {
	seen := false
	for member := range Members(h.Values("Prefer")) {
		name, value := preference(member)
		switch {
		case strings.EqualFold(name, "respond-async"):
			p.Async = true
		case strings.EqualFold(name, "wait") && !seen:
			seen = true
			p.Duration, p.Waits = deltaSeconds(value, limit)
		}
	}
	return p
}

// PreferWait is Prefer for a request that does not start work: only a wait counts.
func PreferWait(h http.Header, limit time.Duration) Preferences {
	p := Prefer(h, limit)
	p.Async = false
	return p
}

// Apply sets Preference-Applied of an answer to the preferences that are honoured, if any.
func (p Preferences) Apply(h http.Header) {
	if applied := p.Applied(); applied != "" {
		h.Set("Preference-Applied", applied)
	}
}

// Applied returns the value of Preference-Applied (RFC 7240 §3): the preferences that are honoured, with the wait as
// bounded; "" if there are none.
func (p Preferences) Applied() string {
	var applied []string
	if p.Async {
		applied = append(applied, "respond-async")
	}
	if p.Waits {
		applied = append(applied, "wait="+strconv.Itoa(int(p.Duration/time.Second)))
	}
	return strings.Join(applied, ", ")
}

// preference returns the name and the value of a preference without its parameters.
func preference(member string) (name, value string) {
	name, value, _ = strings.Cut(member[:unquotedIndex(member, ';')], "=")
	name, value = trim(name), trim(value)
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1] // the same as without quotes, RFC 7240 §2
	}
	return name, value
}

// deltaSeconds parses a number of seconds of any size, bounded by limit.
func deltaSeconds(s string, limit time.Duration) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	limit = limit.Truncate(time.Second)
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil { // too large for any limit
		return limit, true
	}
	return min(time.Duration(n)*time.Second, limit), true
}
