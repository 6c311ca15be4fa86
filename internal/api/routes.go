package api

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/web"
)

// What a caller of a route must be allowed to do.
const (
	public  = access.Public
	view    = access.View
	operate = access.Operate
	manage  = access.Manage
)

// A route is one method and path. Callers need the permission verb; if that is operate and the pattern has {job} or
// {id}, for that job, or for the job of that run. What else they need, the handler finds out: which alerts a request acts
// on is in its body.
type route struct {
	pattern string // as [http.ServeMux] has it
	verb    access.Verb
	handle  http.HandlerFunc
}

// pages returns the routes that people open, and to which the forms there post: who may not see one can sign in there.
func (a *API) pages() []route {
	return []route{
		{"GET /{$}", view, a.overviewPage},
		{"GET /jobs", view, a.jobsPage},
		{"GET /alerts", view, a.alertsPage},
		{"GET /replicas", view, a.replicasPage},
		{"GET /alerts/silence", view, a.silencePage},
		{"POST /alerts/silence", view, a.postSilence},
		{"POST /alerts/unsilence", view, a.postUnsilence},
		{"POST /alerts/acknowledge", view, a.postAcknowledge},
		{"GET /sources/{name}", view, a.sourcePage},
		{"POST /sources/{name}/refresh", operate, a.postRefresh},
		{"GET /jobs/{job}", view, a.jobPage},
		{"GET /jobs/{job}/run", operate, a.runForm},
		{"POST /jobs/{job}/run", operate, a.postRun},
		{"GET /runs/{id}", view, a.runPage},
		{"GET /manifest.webmanifest", public, a.manifest},
		{"POST /runs/{id}/cancel", operate, a.postCancel},
		{"GET /theme/{name}", public, a.theme},
	}
}

// routes returns the routes of the API.
func (a *API) routes() []route {
	files := web.Handler().ServeHTTP
	return []route{
		{"GET /tidewire.js", public, files},
		{"GET /static/{name}", public, files},
		{"GET /auth/login", public, a.signInPage},
		{"POST /auth/token", public, a.signIn},
		{"GET /auth/oidc", public, a.beginSignIn},
		{"GET /auth/callback", public, a.completeSignIn},
		{"POST /auth/logout", public, a.signOut},
		{"GET /api/v1/me", public, a.me},
		{"GET /api/v1/sources", view, a.listSources},
		{"GET /api/v1/trends", view, a.getTrends},
		{"GET /api/v1/sources/{name}", view, a.getSource},
		{"POST /api/v1/sources/{name}", access.Push, a.pushValue},
		{"GET /api/v1/sources/{name}/history", view, a.getHistory},
		{"GET /api/v1/sources/{name}/polls", view, a.getPolls},
		{"GET /api/v1/sources/{name}/availability", view, a.getAvailability},
		{"POST /api/v1/sources/{name}/refresh", operate, a.refreshSource},
		{"POST /hooks/{hook}", public, a.takeDelivery},
		{"GET /badge/{file}", view, a.getBadge},
		{"GET /api/v1/stream", view, a.stream},
		{"GET /api/v1/jobs", view, a.listJobs},
		{"GET /api/v1/jobs/{job}", view, a.getJob},
		{"GET /api/v1/jobs/{job}/queue", view, a.getQueue},
		{"POST /api/v1/jobs/{job}/runs", operate, a.triggerRun},
		{"GET /api/v1/jobs/{job}/runs", view, a.listJobRuns},
		{"GET /api/v1/runs", view, a.listRuns},
		{"GET /api/v1/runs/{id}", view, a.getRun},
		{"GET /api/v1/runs/{id}/events", view, a.runEvents},
		{"GET /api/v1/runs/{id}/output", view, a.runOutput},
		{"GET /api/v1/runs/{id}/files/{name}", view, a.runFile},
		{"POST /api/v1/runs/{id}/cancel", operate, a.cancelRun},
		{"GET /api/v1/events", view, a.listEvents},
		{"GET /api/v1/alerts", view, a.listAlerts},
		{"POST /api/v1/alerts/acknowledge", view, a.acknowledge},
		{"GET /api/v1/silences", view, a.listSilences},
		{"POST /api/v1/silences", view, a.makeSilence},
		{"DELETE /api/v1/silences/{silence}", view, a.endSilence},
		{"POST /api/v1/config/reload", manage, a.reloadConfig},
		{"GET /api/v1/replicas", view, a.listReplicas},
		{"GET /metrics", view, scrape(a.deps.Metrics)},
		{"GET /metrics/values", view, scrape(a.deps.Values)},
		{"GET /openapi.json", public, openAPI},
		{"GET /schema.json", public, schema},
		{"GET /livez", public, live},
		{"GET /readyz", public, a.ready},
	}
}

// Routes returns what each route of the API requires of its callers, by its pattern as [http.ServeMux] has it.
func Routes() map[string]access.Verb { return verbs(new(API).routes()) }

// Pages returns what each page, and each route to which one of its forms posts, requires. They are for people, and no part of
// the API.
func Pages() map[string]access.Verb { return verbs(new(API).pages()) }

func verbs(routes []route) map[string]access.Verb {
	all := map[string]access.Verb{}
	for _, route := range routes {
		all[route.pattern] = route.verb
	}
	return all
}

// Handler returns what answers every request. A request without a route needs the permission to view, like most
// routes, so that callers without it learn nothing about which paths exist.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, route := range a.pages() {
		mux.HandleFunc(route.pattern, a.authorised(route, a.refusePage))
	}
	for _, route := range a.routes() {
		mux.HandleFunc(route.pattern, a.authorised(route, a.refuse))
	}
	unrouted := func(w http.ResponseWriter, r *http.Request) {
		if named := a.withWholeName(r); named != nil {
			mux.ServeHTTP(w, named)
			return
		}
		a.noRoute(mux, w, r)
	}
	others := a.authorised(route{rest, view, unrouted}, func(w http.ResponseWriter, r *http.Request) {
		if isOpened(r) {
			a.refusePage(w, r)
			return
		}
		a.refuse(w, r)
	})
	mux.HandleFunc(rest, others)
	// Nobody is signed in at a hook: whoever asks there in another way is told how, whether there is such a hook or not.
	mux.HandleFunc("/hooks/{hook}", func(w http.ResponseWriter, r *http.Request) { a.noRoute(mux, w, r) })
	routed := func(w http.ResponseWriter, r *http.Request) {
		if !inShortestForm(r.URL) { // the mux would redirect to it, but not below the path of the public address
			others(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}
	handler := a.belowBase(a.sameOrigin(a.authenticated(http.HandlerFunc(routed))))
	return a.logged(a.recovered(securityHeaders(a.knownHost(handler))))
}

// rest is the pattern of requests without a route.
const rest = "/"

// inShortestForm reports whether the path of u has no "//", "." or "..".
func inShortestForm(u *url.URL) bool {
	written := u.EscapedPath()
	shortest := path.Clean("/" + written)
	return written == shortest || shortest != "/" && written == shortest+"/"
}

// ofName matches the paths below the name of a source or a job that has two parts, such as pump/1, with the slash as it is.
var ofName = regexp.MustCompile(`^(/api/v1/sources/|/api/v1/jobs/|/sources/|/jobs/|/badge/)([^/]+)/([^/]+)(/.*)?$`)

// withWholeName returns r with the name that its path has as one segment, nil if there is no source or job of that name: a
// proxy that decodes paths makes pump/1 of pump%2F1.
func (a *API) withWholeName(r *http.Request) *http.Request {
	parts := ofName.FindStringSubmatch(r.URL.EscapedPath())
	if parts == nil {
		return nil
	}
	name, err := url.PathUnescape(parts[2] + "/" + parts[3])
	if err != nil {
		return nil
	}
	if strings.HasSuffix(parts[1], "jobs/") && a.deps.Jobs.Job(name) == nil ||
		!strings.HasSuffix(parts[1], "jobs/") && a.deps.Sources.Topic(strings.TrimSuffix(name, ".svg")) == nil && a.deps.Sources.Topic(name) == nil {
		return nil
	}
	named, address := *r, *r.URL
	address.RawPath = parts[1] + parts[2] + "%2F" + parts[3] + parts[4]
	named.URL = &address
	return &named
}

// isOpened reports whether a person has opened an address without a route, whose answer is a page.
func isOpened(r *http.Request) bool {
	return r.Method == http.MethodGet && asksForPage(r) && inShortestForm(r.URL) && strings.Count(r.URL.EscapedPath(), "/") <= web.Deepest
}

// noRoute answers a request without a route: with 405 if there is one for another method, otherwise with 404.
func (a *API) noRoute(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodDelete} {
		if !inShortestForm(r.URL) {
			break
		}
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := mux.Handler(other); strings.Contains(pattern, " ") { // it has a method
			allowed = append(allowed, method)
		}
	}
	switch {
	case allowed == nil && isOpened(r):
		a.gone(w, r, "There is nothing here", "Nothing of this gateway is at "+a.link(r.URL.Path)+".")
		return
	case allowed == nil:
		fail(w, r, http.StatusNotFound, fmt.Sprintf("there is nothing at %s: %s lists every path",
			r.URL.Path, a.link("/openapi.json")))
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	if isOpened(r) && !strings.HasPrefix(r.URL.Path, "/api/") && !isDelivery(r.URL.Path) { // such as the address to which a form was sent
		a.message(w, r, http.StatusMethodNotAllowed, web.Notice{Title: "Nothing to see here", Text: "This address takes what a button sends. The button is on the page before."})
		return
	}
	fail(w, r, http.StatusMethodNotAllowed, fmt.Sprintf("%s is not allowed here: use %s",
		r.Method, strings.Join(allowed, " or ")))
}
