package progress

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// prefersJSON reports whether the request would rather have JSON than an event stream (RFC 9110 §12.5.1). Without a preference the
// stream is what it gets.
func prefersJSON(r *http.Request) bool {
	json, stream := quality{}, quality{}
	for part := range fields(r.Header["Accept"]) {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		json.consider(media, "application", "json", q)
		stream.consider(media, "text", "event-stream", q)
	}
	return json.q > stream.q
}

// quality is how much a type is wanted, by the most specific range that names it.
type quality struct {
	q           float64
	specificity int
}

func (q *quality) consider(media, major, minor string, value float64) {
	specificity := 0
	switch media {
	case major + "/" + minor:
		specificity = 3
	case major + "/*":
		specificity = 2
	case "*/*":
		specificity = 1
	}
	if specificity > q.specificity {
		*q = quality{value, specificity}
	}
}

// fields yields the members of a header that is a list.
func fields(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			for part := range strings.SplitSeq(line, ",") {
				if part = strings.TrimSpace(part); part != "" && !yield(part) {
					return
				}
			}
		}
	}
}

// preferences are those of RFC 7240 that a Handler knows.
type preferences struct {
	async   bool
	wait    time.Duration
	hasWait bool
}

// preferencesOf reads the preferences of a request, of which the first of each name counts, and bounds the wait.
func preferencesOf(r *http.Request, maxWait time.Duration) (p preferences) {
	for part := range fields(r.Header["Prefer"]) {
		part, _, _ = strings.Cut(part, ";")
		name, value, _ := strings.Cut(part, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "respond-async":
			p.async = true
		case "wait":
			seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
			if err == nil && !p.hasWait {
				p.hasWait = true
				p.wait = min(time.Duration(seconds)*time.Second, maxWait).Truncate(time.Second)
			}
		}
	}
	return p
}

// applied tells the client which preferences were honoured, the wait as it was bounded.
func (p preferences) applied(h http.Header) {
	var applied []string
	if p.async {
		applied = append(applied, "respond-async")
	}
	if p.hasWait {
		applied = append(applied, "wait="+strconv.Itoa(int(p.wait/time.Second)))
	}
	if applied != nil {
		h.Set("Preference-Applied", strings.Join(applied, ", "))
	}
}

// matches reports whether If-None-Match names tag (RFC 9110 §13.1.2).
func matches(r *http.Request, tag string) bool {
	for part := range fields(r.Header["If-None-Match"]) {
		if part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}
