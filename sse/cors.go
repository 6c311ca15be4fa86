package sse

import (
	"net/http"
	"slices"
)

// CORS is what a handler has for pages of [HubOptions].AllowedOrigins, each a list as in the header field of Fetch
// §3.3.3.
type CORS struct {
	Methods string // that a page may use
	Headers string // that a page may set, besides those that every page may
	Expose  string // headers of the answers that a page may read, besides those that every page may
}

// AllowOrigin lets pages of [HubOptions].AllowedOrigins read the answer to r, whatever it is going to be, with
// credentials. If r is the preflight request of such a page, AllowOrigin answers it with what cors says, and reports
// true. Streams and [Hub.Handler] do this themselves; it is for the other answers of a handler that serves them.
func (h *Hub) AllowOrigin(w http.ResponseWriter, r *http.Request, cors CORS) (answered bool) {
	header := w.Header()
	if !h.allowOrigin(header, r) {
		return false
	}
	if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
		header.Set("Access-Control-Allow-Methods", cors.Methods)
		header.Set("Access-Control-Allow-Headers", cors.Headers)
		header.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	if cors.Expose != "" {
		header.Set("Access-Control-Expose-Headers", cors.Expose)
	}
	return false
}

// allowOrigin lets pages of the origins in HubOptions.AllowedOrigins read the answer (Fetch §3.3), credentials
// included, for which the header has to name the one origin. It reports whether the request comes from such a page.
func (h *Hub) allowOrigin(header http.Header, r *http.Request) bool {
	if len(h.opts.AllowedOrigins) == 0 {
		return false
	}
	if !slices.Contains(header.Values("Vary"), "Origin") {
		header.Add("Vary", "Origin")
	}
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(h.opts.AllowedOrigins, origin) {
		return false
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	return true
}
