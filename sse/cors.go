package sse

import (
	"net/http"
	"slices"
)

// CORS describes what pages of [HubOptions].AllowedOrigins may use of a handler. Each field is a list as in the header
// field of Fetch §3.3.3.
type CORS struct {
	Methods string // methods that a page may use
	Headers string // request headers that a page may set, besides those that every page may set
	Expose  string // response headers that a page may read, besides those that every page may read
}

// AllowOrigin lets pages of [HubOptions].AllowedOrigins read the answer to r, whatever it will be, with credentials. If
// r is the preflight request of such a page, AllowOrigin answers it according to cors and returns true. Streams and
// [Hub.Handler] do this themselves; AllowOrigin is for the other answers of a handler.
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
// included, which requires the header to name the one origin. It reports whether the request comes from such a page.
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
