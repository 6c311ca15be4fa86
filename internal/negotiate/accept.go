package negotiate

import (
	"net/http"
	"strconv"
	"strings"
)

// Media types of the two representations of a topic's state.
const (
	JSON        = "application/json"
	EventStream = "text/event-stream"
)

// WantsJSON reports whether a request for a topic prefers its newest state as JSON to a stream. Without a preference it
// gets a stream.
func WantsJSON(r *http.Request) bool { return Accept(r.Header, EventStream, JSON) == JSON }

// Accept returns which of the offered media types the Accept field of a request prefers (RFC 9110 §12.5.1): the one
// with the greatest weight; of equals the one that is named more specifically, then the earlier one; or "" if it
// accepts none of them. Without the field all are equal. So "application/json, */*", which many clients send to every
// address, prefers JSON. The weight of a type is that of the most specific range that matches it. Parameters of ranges,
// other than the weight, are ignored, and so are malformed ranges.
func Accept(h http.Header, offers ...string) string {
	lines := h.Values("Accept")
	best, most, closest := "", 0, 0
	for _, offer := range offers {
		weight, specificity := 1000, 0
		if len(lines) > 0 {
			weight, specificity = weightOf(offer, lines)
		}
		if weight > most || weight == most && weight > 0 && specificity > closest {
			best, most, closest = offer, weight, specificity
		}
	}
	return best
}

// weightOf returns the weight of a media type, in thousandths, and how specific the range with that weight is.
func weightOf(offer string, lines []string) (weight, specificity int) {
	major, _, _ := strings.Cut(offer, "/")
	for member := range Members(lines) {
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
	return weight, specificity
}

// AcceptsCoding reports whether a request names a content coding in its Accept-Encoding field, with a weight other than 0
// (RFC 9110 §12.5.3).
func AcceptsCoding(h http.Header, coding string) bool {
	for member := range Members(h.Values("Accept-Encoding")) {
		if name, weight, ok := weighted(member); ok && strings.EqualFold(name, coding) {
			return weight > 0
		}
	}
	return false
}

// mediaRange returns the range in a member of Accept, in lower case, and its weight in thousandths.
func mediaRange(member string) (media string, weight int, ok bool) {
	media, weight, ok = weighted(member)
	major, minor, found := strings.Cut(media, "/")
	return media, weight, ok && found && isToken(major) && isToken(minor)
}

// weighted returns what a member of a list is about, in lower case, and its weight in thousandths. Other parameters are ignored.
func weighted(member string) (value string, weight int, ok bool) {
	weight = 1000
	first := true
	for part := range parts(member) {
		if first {
			value, first = strings.ToLower(part), false
			continue
		}
		name, q, _ := strings.Cut(part, "=")
		if strings.EqualFold(trim(name), "q") {
			if weight, ok = qvalue(trim(q)); !ok {
				return "", 0, false
			}
		}
	}
	return value, weight, true
}

// qvalue parses a weight (RFC 9110 §12.4.2), in thousandths: 0 to 1 with at most three digits after the point.
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
