package sse

import (
	"net/http"
	"net/url"
	"strings"
)

// RequestLastEventID returns the last id that the client received: the Last-Event-ID header (WHATWG HTML §9.2.4), or
// else the query parameter last_event_id, since a page that makes a new EventSource cannot set the header. Empty means
// none.
func RequestLastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-Id"); id != "" { // its canonical form, which Get does not have to make first
		return id
	}
	return queryValue(r.URL.RawQuery, "last_event_id")
}

// queryValue returns what the Get of r.URL.Query() does for key, without the map: that is 400 bytes for each stream, and
// garbage at once.
func queryValue(query, key string) string {
	for query != "" {
		var pair string
		if pair, query, _ = strings.Cut(query, "&"); strings.Contains(pair, ";") {
			continue
		}
		k, v, _ := strings.Cut(pair, "=")
		if k, err := url.QueryUnescape(k); err != nil || k != key {
			continue
		}
		if v, err := url.QueryUnescape(v); err == nil {
			return v
		}
	}
	return ""
}

// IsTerminalID reports whether id has the form that [Topic.Close] gives: `<run>-end`. A request with such a last id for
// a topic that is gone is answered with 204 No Content, so that browsers stop reconnecting; no memory of the run is
// needed. [ServeGone] does that.
func IsTerminalID(id string) bool {
	run, rest, ok := strings.Cut(id, "-")
	return ok && rest == "end" && validRun(run)
}

// ServeGone answers a request for a topic that is gone. If the client's last id is that of a terminal, it answers 204
// No Content (WHATWG HTML §9.2.3: the client stops) and returns true. Otherwise it writes nothing and returns false,
// and the caller answers with 404 or the like.
func ServeGone(w http.ResponseWriter, r *http.Request) bool {
	if !IsTerminalID(RequestLastEventID(r)) {
		return false
	}
	noContent(w)
	return true
}

// noContent tells the client that nothing more will follow.
func noContent(w http.ResponseWriter) {
	shareDefault(w.Header(), "Cache-Control", cacheControl)
	w.WriteHeader(http.StatusNoContent)
}

// The values of headers that all responses share: nobody changes what is in the list of a header, and to a full one Add
// appends elsewhere.
var (
	eventStream  = []string{"text/event-stream"}
	cacheControl = []string{"no-store, no-transform"}
	unbuffered   = []string{"no"}
)

// setDefault sets a header that the handler, or the caller, has not set before.
func setDefault(h http.Header, key, value string) { shareDefault(h, key, []string{value}) }

// shareDefault is setDefault of one of the values above.
func shareDefault(h http.Header, key string, value []string) {
	if _, ok := h[key]; !ok {
		h[key] = value
	}
}

// validRun reports whether run is a valid name: 1 to 40 ASCII letters and digits, so that `<run>-<n>` stays within the
// 64 bytes and the characters that browsers send back across origins without a preflight.
func validRun(run string) bool {
	for _, c := range []byte(run) {
		if !('0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z') {
			return false
		}
	}
	return 0 < len(run) && len(run) <= 40
}
