package api

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
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
func (a *API) routes() []route {
	page := web.Handler().ServeHTTP
	return []route{
		{"GET /{$}", public, page},
		{"GET /tidewire.js", public, page},
		{"GET /static/{name}", public, page},
		{"GET /auth/login", public, a.signInPage},
		{"POST /auth/token", public, a.signIn},
		{"GET /auth/oidc", public, a.beginSignIn},
		{"GET /auth/callback", public, a.completeSignIn},
		{"POST /auth/logout", public, a.signOut},
		{"GET /api/v1/me", public, a.me},
		{"GET /api/v1/sources", view, a.listSources},
		{"GET /api/v1/sources/{name}", view, a.getSource},
		{"GET /api/v1/sources/{name}/history", view, a.getHistory},
		{"POST /api/v1/sources/{name}/refresh", operate, a.refreshSource},
		{"GET /api/v1/stream", view, a.stream},
		{"GET /api/v1/jobs", view, a.listJobs},
		{"GET /api/v1/jobs/{job}", view, a.getJob},
		{"GET /api/v1/jobs/{job}/queue", view, a.getQueue},
		{"POST /api/v1/jobs/{job}/runs", operate, a.triggerRun},
		{"GET /api/v1/runs/{id}", view, a.getRun},
		{"GET /api/v1/runs/{id}/events", view, a.runEvents},
		{"GET /api/v1/runs/{id}/output", view, a.runOutput},
		{"POST /api/v1/runs/{id}/cancel", operate, a.cancelRun},
		{"POST /api/v1/config/reload", manage, a.reloadConfig},
		{"GET /metrics", view, a.scrape},
		{"GET /openapi.json", public, openAPI},
		{"GET /schema.json", public, func(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, config.Schema()) }},
		{"GET /livez", public, func(w http.ResponseWriter, _ *http.Request) { healthy(w, true) }},
		{"GET /readyz", public, func(w http.ResponseWriter, _ *http.Request) { healthy(w, a.Ready()) }},
	}
}

// Routes returns what each route requires of its callers, by its pattern as [http.ServeMux] has it.
func Routes() map[string]access.Verb {
	all := map[string]access.Verb{}
	for _, route := range new(API).routes() {
		all[route.pattern] = route.verb
	}
	return all
}

// Handler answers every request. Pages of other origins cannot start anything, and a
// name that somebody pointed at this machine cannot reach a gateway that does not have
// that name. What no route takes is denied to who may not view, like what one does take.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range a.routes() {
		mux.HandleFunc(route.pattern, a.guarded(route))
	}
	others := a.guarded(route{rest, view, func(w http.ResponseWriter, r *http.Request) { a.noRoute(mux, w, r) }})
	mux.HandleFunc(rest, others)
	routed := func(w http.ResponseWriter, r *http.Request) {
		if !inShortestForm(r.URL) { // the mux would redirect to that form, without the path of the public address
			others(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}
	return a.logged(a.recovered(hardened(a.knownHost(a.belowBase(a.sameOrigin(a.identified(http.HandlerFunc(routed))))))))
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
func (a *API) noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
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
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is nothing at %s: %s says what there is", r.URL.Path, a.link("/openapi.json")))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	fail(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not allowed here: use %s", r.Method, strings.Join(allowed, " or ")))
}
