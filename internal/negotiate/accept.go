package negotiate

import (
	"net/http"
	"strconv"
	"strings"
)

// Media types of the two representations that the state of a topic has.
const (
	JSON        = "application/json"
	EventStream = "text/event-stream"
)

// WantsJSON reports whether a request for a topic would rather have its newest state as JSON than a stream of it. A
// stream is what it gets without a preference.
func WantsJSON(r *http.Request) bool { return Accept(r.Header, EventStream, JSON) == JSON }

// Accept returns which of the offered media types the Accept field of a request prefers (RFC 9110 §12.5.1): the one of
// the greatest weight, the earlier one of equals, or "" if it wants none of them. Without the field all are equal. The
// most specific range that matches a type has its weight; parameters of ranges, other than the weight, are ignored, and
// so is a range that is malformed.
func Accept(h http.Header, offers ...string) string {
	lines := h.Values("Accept")
	best, most := "", 0
	for _, offer := range offers {
		weight := 1000
		if len(lines) > 0 {
			weight = weightOf(offer, lines)
		}
		if weight > most {
			best, most = offer, weight
		}
	}
	return best
}

// weightOf returns the weight of a media type, in thousandths.
func weightOf(offer string, lines []string) int {
	major, _, _ := strings.Cut(offer, "/")
	weight, specificity := 0, 0
	for member := range members(lines) {
		media, w, ok := mediaRange(member)
		if !ok {
			continue
		}
		s := 0
		switch media {
		case offer:
			s = 3
		case major + "/*":
			s = 2
		case "*/*":
			s = 1
		}
		if s > specificity {
			weight, specificity = w, s
		}
	}
	return weight
}

// mediaRange returns the range that a member of Accept names, in lower case, and its weight in thousandths.
func mediaRange(member string) (media string, weight int, ok bool) {
	weight = 1000
	first := true
	for part := range parts(member) {
		if first {
			media, first = strings.ToLower(part), false
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(trim(name), "q") {
			if weight, ok = qvalue(trim(value)); !ok {
				return "", 0, false
			}
		}
	}
	major, minor, found := strings.Cut(media, "/")
	return media, weight, found && isToken(major) && isToken(minor)
}

// qvalue parses a weight (RFC 9110 §12.4.2), in thousandths: 0 to 1 with three digits after the point at most.
func qvalue(s string) (int, bool) {
	whole, fraction, _ := strings.Cut(s, ".")
	if len(whole) != 1 || len(fraction) > 3 {
		return 0, false
	}
	n, err := strconv.ParseUint(whole+fraction+"000"[len(fraction):], 10, 16)
	return int(n), err == nil && n <= 1000
}

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
