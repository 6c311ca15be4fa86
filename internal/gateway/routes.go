package gateway

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/web"
)

// What a caller of a route must be allowed to do.
const (
	public  = access.Public
	view    = access.View
	operate = access.Operate
	manage  = access.Manage
)

// A route is one method and path. Every request is answered by one of them, or by a
// problem. Who may not do verb gets no further than that: where the pattern has {job} or
// {id}, to that job, or to the job of that run.
type route struct {
	pattern string // as [http.ServeMux] has it
	verb    access.Verb
	handle  http.HandlerFunc
}

// routes is all that there is.
func (g *gateway) routes() []route {
	page := web.Handler().ServeHTTP
	return []route{
		{"GET /{$}", public, page},
		{"GET /tidewire.js", public, page},
		{"GET /static/{name}", public, page},
		{"GET /auth/login", public, g.signInPage},
		{"POST /auth/token", public, g.signIn},
		{"GET /auth/oidc", public, g.beginSignIn},
		{"GET /auth/callback", public, g.completeSignIn},
		{"POST /auth/logout", public, g.signOut},
		{"GET /api/v1/me", public, g.me},
		{"GET /api/v1/sources", view, g.listSources},
		{"GET /api/v1/sources/{name}", view, g.getSource},
		{"GET /api/v1/sources/{name}/history", view, g.getHistory},
		{"POST /api/v1/sources/{name}/refresh", operate, g.refreshSource},
		{"GET /api/v1/stream", view, g.stream},
		{"GET /api/v1/jobs", view, g.listJobs},
		{"GET /api/v1/jobs/{job}", view, g.getJob},
		{"GET /api/v1/jobs/{job}/queue", view, g.getQueue},
		{"POST /api/v1/jobs/{job}/runs", operate, g.triggerRun},
		{"GET /api/v1/runs/{id}", view, g.getRun},
		{"GET /api/v1/runs/{id}/events", view, g.runEvents},
		{"GET /api/v1/runs/{id}/output", view, g.runOutput},
		{"POST /api/v1/runs/{id}/cancel", operate, g.cancelRun},
		{"POST /api/v1/config/reload", manage, g.reloadConfig},
		{"GET /metrics", view, g.scrape},
		{"GET /openapi.json", public, openAPI},
		{"GET /schema.json", public, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, config.Schema()) }},
		{"GET /livez", public, func(w http.ResponseWriter, _ *http.Request) { healthy(w, true) }},
		{"GET /readyz", public, func(w http.ResponseWriter, _ *http.Request) { healthy(w, g.ready.Load()) }},
	}
}

// handler routes every request. Pages of other origins cannot start anything, and a
// name that somebody pointed at this machine cannot reach a gateway that does not have
// that name. What no route takes is denied to who may not view, like what one does take.
func (g *gateway) handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range g.routes() {
		mux.HandleFunc(route.pattern, g.guarded(route))
	}
	others := g.guarded(route{rest, view, func(w http.ResponseWriter, r *http.Request) { g.noRoute(mux, w, r) }})
	mux.HandleFunc(rest, others)
	routed := func(w http.ResponseWriter, r *http.Request) {
		if !inShortestForm(r.URL) { // the mux would redirect to that form, without the path of the public address
			others(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}
	return g.logged(g.recovered(hardened(g.knownHost(g.belowBase(g.sameOrigin(g.identified(http.HandlerFunc(routed))))))))
}

// rest is the pattern of what no other route takes.
const rest = "/"

// inShortestForm reports whether the path of u has no "//", "." or "..".
func inShortestForm(u *url.URL) bool {
	written := u.EscapedPath()
	shortest := path.Clean("/" + written)
	return written == shortest || shortest != "/" && written == shortest+"/"
}

// noRoute answers a request that no route takes: 405 where the path exists for another
// method, else 404.
func (g *gateway) noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if !inShortestForm(r.URL) {
			break
		}
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); pattern != rest {
			allowed = append(allowed, method)
		}
	}
	if allowed == nil {
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is nothing at %s: %s says what there is", r.URL.Path, g.link("/openapi.json")))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not allowed here: use %s", r.Method, strings.Join(allowed, " or ")))
}

// hardened gives every answer the headers by which browsers make the least of it; the
// page has a policy of its own.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}

// belowBase serves everything below the path of the public address, too. A proxy in
// front may have removed it from requests.
func (g *gateway) belowBase(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch base := g.link(""); {
		case base == "":
		case r.URL.Path == base:
			http.Redirect(w, r, base+"/", http.StatusPermanentRedirect)
			return
		case strings.HasPrefix(r.URL.Path, base+"/"):
			http.StripPrefix(base, next).ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// link is a path of the API as clients have to write it: below that of the public address.
func (g *gateway) link(path string) string {
	return access.Base(g.cfg.Load().PublicURL) + path
}

// sameOrigin refuses requests by which a page of another origin would change something.
func (g *gateway) sameOrigin(next http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(w, r, http.StatusForbidden, "requests that change something must come from the gateway's own page")
	}))
	others := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A proxy in front may have another Host asked for than the browser did.
		if public := g.cfg.Load().PublicURL; public != nil && r.Header.Get("Origin") == public.Scheme+"://"+public.Host {
			next.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
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
			g.clients.Error("request panicked", "method", r.Method, "path", r.URL.Path, flood.Address, g.addressOf(r), "panic", p)
			fail(w, r, http.StatusInternalServerError, "internal error; the log says more")
		}()
		next.ServeHTTP(w, r)
	})
}

// knownHost refuses requests whose Host is no name of the gateway: otherwise any web site
// could point a name of its own at the gateway's address and use it through a visitor's
// browser (DNS rebinding). Names are those of loopback, the public address's, and, where
// the connection did not come by loopback, any address in digits: of those a site has none.
// A request that brings a token may call the gateway as it likes: no site knows that.
func (g *gateway) knownHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !g.isOurs(r) {
			fail(w, r, http.StatusMisdirectedRequest, fmt.Sprintf("%q is not a name of this gateway: use localhost or 127.0.0.1, or set public_url to the address that people use", r.Host))
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (g *gateway) isOurs(r *http.Request) bool {
	if isLoopback(r.Host) || g.guard.ByToken(r) {
		return true
	}
	if public := g.cfg.Load().PublicURL; public != nil && strings.EqualFold(hostOf(r.Host), public.Hostname()) {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	_, err := netip.ParseAddr(hostOf(r.Host))
	return ok && !isLoopback(local.String()) && err == nil
}

// isLoopback reports whether a host, with or without a port, is this machine alone.
func isLoopback(hostport string) bool {
	host := hostOf(hostport)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// hostOf is a host without its port, if it has one, and without brackets.
func hostOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return host
}
