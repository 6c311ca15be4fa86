package sse

import (
	"net/http"
	"strings"
)

// RequestLastEventID returns the last id that the client received: the Last-Event-ID header (WHATWG HTML §9.2.4), or
// else the query parameter last_event_id, since a page that makes a new EventSource cannot set the header. Empty means
// none.
func RequestLastEventID(r *http.Request) string {
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		return id
	}
	return r.URL.Query().Get("last_event_id")
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
	setDefault(w.Header(), "Cache-Control", cacheControl)
	w.WriteHeader(http.StatusNoContent)
}

const cacheControl = "no-store, no-transform"

// setDefault sets a header that the handler has not set before.
func setDefault(h http.Header, key, value string) {
	if _, ok := h[key]; !ok {
		h.Set(key, value)
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
