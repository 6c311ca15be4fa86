package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/tidewire/tidewire/internal/web"
)

// A verb is what a caller of a route must be allowed to do.
type verb int

const (
	public  verb = iota // nothing: health checks, the page's own files, signing in
	view                // see sources, jobs and runs
	operate             // start and cancel jobs, refresh sources
	manage              // what concerns the gateway itself
)

// A route is one method and path of the API. Every request is answered by one of
// them, by the page, or by a problem.
type route struct {
	pattern string // as [http.ServeMux] has it
	verb    verb
	handle  http.HandlerFunc
}

// routes is all that there is.
func (g *gateway) routes() []route {
	return []route{
		{"GET /api/v1/sources", view, g.listSources},
		{"GET /api/v1/sources/{name}", view, g.getSource},
		{"GET /api/v1/sources/{name}/history", view, g.getHistory},
		{"GET /api/v1/stream", view, g.stream},
		{"GET /api/v1/jobs", view, g.listJobs},
		{"POST /api/v1/jobs/{job}/runs", operate, g.triggerRun},
		{"GET /api/v1/runs/{id}", view, g.getRun},
		{"GET /api/v1/runs/{id}/events", view, g.runEvents},
		{"POST /api/v1/runs/{id}/cancel", operate, g.cancelRun},
		{"GET /livez", public, func(w http.ResponseWriter, _ *http.Request) { healthy(w, true) }},
		{"GET /readyz", public, func(w http.ResponseWriter, _ *http.Request) { healthy(w, g.ready.Load()) }},
	}
}

// handler routes every request. Pages of other origins cannot start anything, and a
// name that somebody pointed at this machine cannot reach a gateway that listens on
// loopback only.
func (g *gateway) handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range g.routes() {
		mux.HandleFunc(route.pattern, route.handle)
	}
	mux.HandleFunc(apiRest, func(w http.ResponseWriter, r *http.Request) { noRoute(mux, w, r) })
	mux.Handle("/", web.Handler())

	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusForbidden, "requests that change something must come from the gateway's own page")
	}))
	return g.knownHost(g.recovered(origin.Handler(mux)))
}

// apiRest is the pattern of what no other route of the API takes.
const apiRest = "/api/"

// noRoute answers a request below /api/ that no route takes: 405 where the path exists
// for another method, else 404.
func noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != apiRest {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		fail(w, r, http.StatusNotFound, "there is nothing at "+r.URL.Path)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not allowed here: use %s", r.Method, strings.Join(allowed, " or ")))
}

// recovered turns a panic in a handler into a logged error and a 500, where the answer
// has not begun.
func (g *gateway) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			g.log.Error("request panicked", "method", r.Method, "path", r.URL.Path, "panic", p)
			fail(w, r, http.StatusInternalServerError, "internal error; the log says more")
		}()
		next.ServeHTTP(w, r)
	})
}

// knownHost refuses requests whose Host is not a loopback name while the gateway
// listens on loopback: otherwise any web site could point a name at 127.0.0.1 and use
// the gateway through its visitor's browser.
func (g *gateway) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if ok && isLoopback(local.String()) && !isLoopback(r.Host) {
			fail(w, r, http.StatusMisdirectedRequest, fmt.Sprintf("%q is not a name of this gateway: use localhost or 127.0.0.1", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLoopback reports whether a host, with or without a port, is this machine alone.
func isLoopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
