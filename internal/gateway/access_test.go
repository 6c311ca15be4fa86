package gateway_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/access/issuertest"
	"github.com/tidewire/tidewire/internal/api"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
)

// guardedConfig has a source, two jobs, and tokens named after what they are for, whose
// text is their name and "-secret".
func guardedConfig(t testing.TB, anonymous config.Role) *config.Config {
	cfg := load(t, `
sources: {a: {exec: [echo, '1'], every: 1h, show: {history: 1h}}}
jobs: {scan: {exec: [sleep, 60]}, other: {exec: ['true']}}
`)
	cfg.Access = &config.Access{Anonymous: anonymous}
	token := func(name string, role config.Role, jobs ...string) {
		cfg.Access.Tokens = append(cfg.Access.Tokens, &config.Token{Name: name, SHA256: sha256.Sum256([]byte(name + "-secret")), Role: role, Jobs: jobs})
	}
	token("viewer", config.RoleViewer)
	token("operator", config.RoleOperator)
	token("scanner", config.RoleOperator, "scan")
	token("stranger", config.RoleOperator, "other")
	token("admin", config.RoleAdmin)
	return cfg
}

// bearer is the header with the token of that name; "" is nobody.
func bearer(name string) []string {
	if name == "" {
		return nil
	}
	return []string{"Authorization", "Bearer " + name + "-secret"}
}

// What each caller may do, by class of routes.
var classes = map[string]string{
	"public":  "nobody viewer operator scanner stranger admin",
	"view":    "viewer operator scanner stranger admin",
	"operate": "operator admin",         // what is about no job
	"scan":    "operator scanner admin", // what is about the job scan
	"manage":  "admin",
}

// Every route has a row here: its class, a request that works, and the status of that. SCAN stands for the id of a run
// of the job scan. A route without a row fails the test: decide who may use it, and write that down.
var matrix = map[string]struct {
	class, path, body string
	status            int
}{
	"GET /{$}":                                {"view", "/", "", 200},
	"GET /jobs":                               {"view", "/jobs", "", 200},
	"GET /alerts":                             {"view", "/alerts", "", 200},
	"GET /replicas":                           {"view", "/replicas", "", 200},
	"GET /alerts/silence":                     {"operate", "/alerts/silence", "", 200},
	"POST /alerts/silence":                    {"operate", "/alerts/silence", "", 422},     // the form is empty
	"POST /alerts/acknowledge":                {"operate", "/alerts/acknowledge", "", 422}, // this one, too
	"POST /alerts/unsilence":                  {"operate", "/alerts/unsilence", "", 200},   // there is none
	"GET /sources/{name}":                     {"view", "/sources/a", "", 200},
	"GET /jobs/{job}":                         {"view", "/jobs/scan", "", 200},
	"GET /runs/{id}":                          {"view", "/runs/SCAN", "", 200},
	"GET /manifest.webmanifest":               {"public", "/manifest.webmanifest", "", 200},
	"GET /jobs/{job}/run":                     {"scan", "/jobs/scan/run", "", 200},
	"POST /jobs/{job}/run":                    {"scan", "/jobs/scan/run", "", 200},
	"POST /runs/{id}/cancel":                  {"scan", "/runs/SCAN/cancel", "", 200},
	"POST /sources/{name}/refresh":            {"operate", "/sources/a/refresh", "", 200},
	"GET /theme/{name}":                       {"public", "/theme/none", "", 404},
	"GET /tidewire.js":                        {"public", "/tidewire.js", "", 200},
	"GET /static/{name}":                      {"public", "/static/none.js", "", 404},
	"GET /auth/login":                         {"public", "/auth/login", "", 200},
	"POST /auth/token":                        {"public", "/auth/token", `{"token":"viewer-secret"}`, 200},
	"GET /auth/oidc":                          {"public", "/auth/oidc", "", 404},     // there is no provider
	"GET /auth/callback":                      {"public", "/auth/callback", "", 404}, // nor here
	"POST /auth/logout":                       {"public", "/auth/logout", "", 204},
	"GET /api/v1/me":                          {"public", "/api/v1/me", "", 200},
	"GET /livez":                              {"public", "/livez", "", 200},
	"GET /readyz":                             {"public", "/readyz", "", 200},
	"GET /openapi.json":                       {"public", "/openapi.json", "", 200},
	"GET /schema.json":                        {"public", "/schema.json", "", 200},
	"GET /metrics":                            {"view", "/metrics", "", 404}, // nobody counts here
	"GET /metrics/values":                     {"view", "/metrics/values", "", 404},
	"GET /api/v1/sources":                     {"view", "/api/v1/sources", "", 200},
	"GET /api/v1/trends":                      {"view", "/api/v1/trends", "", 200},
	"GET /api/v1/sources/{name}":              {"view", "/api/v1/sources/a", "", 200},
	"GET /api/v1/sources/{name}/history":      {"view", "/api/v1/sources/a/history", "", 200},
	"GET /api/v1/sources/{name}/polls":        {"view", "/api/v1/sources/a/polls", "", 200},
	"GET /api/v1/sources/{name}/availability": {"view", "/api/v1/sources/a/availability", "", 200},
	"POST /api/v1/sources/{name}/refresh":     {"operate", "/api/v1/sources/a/refresh", "", 202},
	"POST /api/v1/sources/{name}":             {"operate", "/api/v1/sources/a", "1", 409}, // it has no push
	"POST /hooks/{hook}":                      {"public", "/hooks/none", "{}", 404},
	"GET /api/v1/events":                      {"view", "/api/v1/events", "", 200},
	"GET /badge/{file}":                       {"view", "/badge/a.svg", "", 200},
	"GET /api/v1/stream":                      {"view", "/api/v1/stream", "", 200},
	"GET /api/v1/jobs":                        {"view", "/api/v1/jobs", "", 200},
	"GET /api/v1/jobs/{job}":                  {"view", "/api/v1/jobs/scan", "", 200},
	"GET /api/v1/jobs/{job}/queue":            {"view", "/api/v1/jobs/scan/queue", "", 200},
	"POST /api/v1/jobs/{job}/runs":            {"scan", "/api/v1/jobs/scan/runs", "{}", 202},
	"GET /api/v1/jobs/{job}/runs":             {"view", "/api/v1/jobs/scan/runs", "", 200},
	"GET /api/v1/runs":                        {"view", "/api/v1/runs", "", 200},
	"GET /api/v1/runs/{id}":                   {"view", "/api/v1/runs/SCAN", "", 200},
	"GET /api/v1/runs/{id}/events":            {"view", "/api/v1/runs/SCAN/events", "", 200},
	"GET /api/v1/runs/{id}/output":            {"view", "/api/v1/runs/SCAN/output", "", 200},
	"GET /api/v1/runs/{id}/files/{name}":      {"view", "/api/v1/runs/SCAN/files/none", "", 404},
	"GET /api/v1/alerts":                      {"view", "/api/v1/alerts", "", 200},
	"GET /api/v1/replicas":                    {"view", "/api/v1/replicas", "", 200},
	"POST /api/v1/alerts/acknowledge":         {"scan", "/api/v1/alerts/acknowledge", `{"of":"job/scan"}`, 409}, // it does not fire
	"GET /api/v1/silences":                    {"view", "/api/v1/silences", "", 200},
	"POST /api/v1/silences":                   {"scan", "/api/v1/silences", `{"of":"job/scan","for":"1h"}`, 201},
	"DELETE /api/v1/silences/{silence}":       {"operate", "/api/v1/silences/none", "", 404},
	"POST /api/v1/config/reload":              {"manage", "/api/v1/config/reload", "", 409}, // there is no file
	"POST /api/v1/runs/{id}/cancel":           {"scan", "/api/v1/runs/SCAN/cancel", "", 202},
}

// Every route with every caller: who may gets the answer, who is nobody 401, who is known 403.
func TestEveryRouteIsGuarded(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for pattern := range everyRoute() {
		row, ok := matrix[pattern]
		if !ok {
			t.Errorf("the route %q has no row in matrix: who may use it?", pattern)
			continue
		}
		method, _, _ := strings.Cut(pattern, " ")
		for caller := range strings.SplitSeq(classes["public"], " ") {
			// With each request there is a run in progress, which the request may end.
			run := s.json(202, "POST", runs, "{}", bearer("admin")...)["id"].(string)
			header := append(bearer(strings.TrimPrefix(caller, "nobody")), "Accept", "application/json")
			status, head, body := s.do(method, strings.ReplaceAll(row.path, "SCAN", run), row.body, header...)
			want := 403
			switch {
			case contains(" "+classes[row.class]+" ", " "+caller+" "):
				want = row.status
			case caller == "nobody":
				want = 401
			}
			if status != want {
				t.Errorf("%s by %s = %d, want %d:\n%s", pattern, caller, status, want, body)
			}
			if status == row.status && contains(row.path, "cancel") {
				s.do("GET", "/api/v1/runs/"+run+"/events", "", bearer("admin")...) // to the end
			}
			if got := head.Get("WWW-Authenticate"); (got != "") != (status == 401) {
				t.Errorf("%s by %s = %d with WWW-Authenticate %q, want it with 401 alone", pattern, caller, status, got)
			}
			for name, value := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"} {
				if got := head.Get(name); got != value {
					t.Errorf("%s: %s %q, want %q", pattern, name, got, value)
				}
			}
			if !contains(head.Get("Content-Security-Policy"), "frame-ancestors 'none'") || head.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: headers %v, want a policy against frames, and no CORS with credentials", pattern, head)
			}
		}
	}
	for pattern := range matrix {
		if _, ok := everyRoute()[pattern]; !ok {
			t.Errorf("matrix has a row for %q, which is no route", pattern)
		}
	}
}

// everyRoute is the routes of the API and those of pages.
func everyRoute() map[string]access.Verb {
	all := api.Routes()
	maps.Copy(all, api.Pages())
	return all
}

// Nobody gets the page to sign in at instead of each other page, whether there is something at its address or not.
func TestPagesOfNobodyAreThatToSignIn(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	pages := map[string]bool{}
	for _, path := range []string{"/sources/a", "/sources/none", "/jobs/scan", "/jobs/none", "/runs/none"} {
		status, head, body := s.do("GET", path, "")
		if status != 401 || head.Get("ETag") != "" || head.Get("Cache-Control") != "no-store" || !contains(body, `action="../auth/token"`) {
			t.Errorf("GET %s = %d %v\n%s\nwant 401 and a form to sign in", path, status, head, body)
		}
		pages[regexp.MustCompile(` data-now="[^"]*"| name="return" value="[^"]*"`).ReplaceAllString(body, "")] = true
	}
	if len(pages) != 1 {
		t.Errorf("there are %d pages to sign in at, want one", len(pages))
	}
}

// Whatever the method and the path: nobody gets no more than a row of the matrix gives,
// and the answer does not tell whether there is anything.
func TestNobodyLearnsNothing(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	run := s.json(202, "POST", runs, "{}", bearer("admin")...)["id"].(string)
	paths := []string{"/api/v1/none", "/api/v1/sources/none", "/api/v1/jobs/none/runs", "/api/v1/runs/none", "/metricz", "/api", "/auth/none"}
	for pattern, row := range matrix {
		if _, page := api.Pages()[pattern]; row.class != "public" && !page {
			paths = append(paths, strings.ReplaceAll(row.path, "SCAN", run))
		}
	}
	for _, path := range paths {
		bodies := map[string]string{}
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "BREW"} {
			status, head, body := s.do(method, path, "")
			if status != 401 || head.Get("Allow") != "" || head.Get("ETag") != "" {
				t.Errorf("%s %s = %d, Allow %q, ETag %q, want 401 and neither", method, path, status, head.Get("Allow"), head.Get("ETag"))
			}
			bodies[strings.ReplaceAll(body, path, "PATH")] = method
		}
		delete(bodies, "") // of HEAD
		if len(bodies) != 1 || !contains(oneOf(bodies), `"sign in`) {
			t.Errorf("%s: the answers %q, want one and the same", path, bodies)
		}
	}
}

func oneOf(m map[string]string) string {
	for key := range m {
		return key
	}
	return ""
}

// A path that is not in its shortest form is no path: a redirect to that form would lead past the path of the public address,
// and is in no description of the API.
func TestNoPathIsRedirectedToItsShortestForm(t *testing.T) {
	cfg := guardedConfig(t, config.RoleNone)
	cfg.PublicURL, _ = url.Parse("https://plant.example/tide/")
	s := startConfig(t, cfg)
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, path := range []string{"//", "//api/v1/sources", "/api/v1//sources", "/api/v1/./sources", "/api/v1/jobs/../sources", "/tide//api/v1/sources", "/api/v1//jobs/scan/runs"} {
		for _, method := range []string{"GET", "POST"} {
			if status, _, body := s.do(method, path, "{}", bearer("admin")...); status != 404 || !contains(body, `"there is nothing at `) {
				t.Errorf("%s %s = %d %s, want 404 and a problem", method, path, status, body)
			}
			if status, _, _ := s.do(method, path, "{}"); status != 401 {
				t.Errorf("%s %s = %d without a token, want 401", method, path, status)
			}
		}
	}
}

func TestAnonymousViewers(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleViewer))
	if got := len(s.json(200, "GET", "/api/v1/sources", "")["sources"].([]any)); got != 1 {
		t.Errorf("%d sources, want 1", got)
	}
	s.json(401, "POST", runs, "{}")
	s.json(404, "GET", "/api/v1/sources/none", "")
	// Who says something wrong is not taken for somebody who says nothing.
	s.json(401, "GET", "/api/v1/sources", "", bearer("wrong")...)
	s.json(200, "GET", "/api/v1/sources", "", "Authorization", "Basic d3Jvbmc6d3Jvbmc=") // a proxy's business
}

// The roles of a job say from which role on it is operated; the list of jobs says who may.
func TestRolesOfAJob(t *testing.T) {
	cfg := guardedConfig(t, config.RoleViewer)
	cfg.Jobs[0].Roles = []config.Role{config.RoleAdmin}
	cfg.Jobs[1].Roles = []config.Role{config.RoleViewer}
	s := startConfig(t, cfg)
	for caller, want := range map[string][2]bool{
		"": {false, true}, "viewer": {false, true}, "operator": {false, true}, "scanner": {false, false}, "stranger": {false, true}, "admin": {true, true},
	} {
		for i, job := range s.json(200, "GET", "/api/v1/jobs", "", bearer(caller)...)["jobs"].([]any) {
			if got := job.(object)["allowed"]; got != want[i] {
				t.Errorf("job %d is allowed to %q: %v, want %v", i, caller, got, want[i])
			}
			status, _, _ := s.do("POST", "/api/v1/jobs/"+job.(object)["name"].(string)+"/runs", "{}", bearer(caller)...)
			if (status == 202) != want[i] || !want[i] && status != 401 && status != 403 {
				t.Errorf("%q starts job %d: %d, want it allowed: %v", caller, i, status, want[i])
			}
		}
	}
}

func TestWithoutAccessEverybodyIsAdmin(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true']}}\n")
	me := s.json(200, "GET", "/api/v1/me", "")
	if me["name"] != "anonymous" || me["role"] != "admin" || me["sign_in"] != nil || len(me["methods"].([]any)) != 0 {
		t.Errorf("me = %v, want anonymous, admin, and no way to sign in", me)
	}
}

// A jar has s keep cookies from now on, as a browser does.
func (s *server) jar() {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar}
}

func TestASession(t *testing.T) {
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	s := startConfig(t, cfg)
	s.jar()
	me := s.json(200, "GET", "/api/v1/me", "")
	if me["role"] != "none" || me["name"] != "" || me["sign_in"] != "/auth/login" || len(me["methods"].([]any)) != 1 {
		t.Errorf("me = %v, want nobody, who can sign in with a token", me)
	}
	s.do("POST", "/auth/logout", "") // by nobody, of which no line is made
	s.json(401, "POST", "/auth/token", `{"token":"wrong"}`)
	s.json(400, "POST", "/auth/token", `{"token":["canary-in-the-body"]}`)
	s.json(415, "POST", "/auth/token", `token=operator-secret`, "Content-Type", "text/plain")

	status, head, _ := s.do("POST", "/auth/token", `{"token":"operator-secret"}`)
	cookie := head.Get("Set-Cookie")
	if status != 200 || !strings.HasPrefix(cookie, "tidewire=") || !contains(cookie, "HttpOnly") || !contains(cookie, "SameSite=Strict") || contains(cookie, "Secure") {
		t.Errorf("sign-in = %d, %q, want a cookie for this site and no script", status, cookie)
	}
	if me := s.json(200, "GET", "/api/v1/me", ""); me["name"] != "operator" || me["role"] != "operator" || me["known"] != true {
		t.Errorf("me = %v, want operator", me)
	}
	s.json(202, "POST", runs, "{}")

	// Another browser with a copy of the cookie has the session, until it is ended.
	stolen, _, _ := strings.Cut(cookie, ";")
	thief := &server{t: t, url: s.url, client: http.DefaultClient}
	thief.json(200, "GET", "/api/v1/sources", "", "Cookie", stolen)
	opened, reason := make(chan bool, 9), make(chan string)
	go func() {
		var last sse.Event
		thief.events("/api/v1/stream", "", func(ev sse.Event) bool { last = ev; opened <- true; return true }, "Cookie", stolen)
		reason <- last.Name + " " + string(last.Data)
	}()
	<-opened
	if status, _, _ := s.do("POST", "/auth/logout", ""); status != 204 {
		t.Errorf("sign-out = %d, want 204", status)
	}
	if got, want := <-reason, `bye {"reason":"session"}`; got != want {
		t.Errorf("the open stream ends with %q, want %q", got, want)
	}
	thief.json(401, "GET", "/api/v1/sources", "", "Cookie", stolen)
	s.json(401, "GET", "/api/v1/sources", "")

	// A form without scripts, and a new session beside the one that the browser brings.
	status, head, _ = s.do("POST", "/auth/token", "token=viewer-secret", "Content-Type", "application/x-www-form-urlencoded", "Cookie", stolen)
	if fresh, _, _ := strings.Cut(head.Get("Set-Cookie"), ";"); fresh == stolen && status != 303 {
		t.Errorf("a form = %d with the cookie %q, want 303 and a new one", status, fresh)
	}
	if me := s.json(200, "GET", "/api/v1/me", ""); me["role"] != "viewer" {
		t.Errorf("me = %v, want viewer", me)
	}
	s.json(403, "POST", runs, "{}")
	s.stop()

	var did []string
	for _, line := range auditLines(t, cfg.Audit) {
		if line["action"] != "run-ended" {
			did = append(did, strings.TrimSpace(line["action"].(string)+" "+str(line["result"])))
		}
	}
	if got, want := strings.Join(did, ", "), "sign-in refused, sign-in ok, trigger, sign-out, sign-in ok, denied"; got != want {
		t.Errorf("audited %q, want %q", got, want)
	}
	if log := s.log.String(); contains(log, "secret") || contains(log, "canary") {
		t.Errorf("a token is in the log:\n%s", log)
	}
}

func str(v any) string {
	text, _ := v.(string)
	return text
}

// Guessing has its limit; who knows a token is not held up by a program that knows an old one.
func TestGuessingIsLimited(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	for range 30 {
		s.json(401, "GET", "/api/v1/sources", "", bearer("old")...)
	}
	s.json(200, "GET", "/api/v1/sources", "", bearer("viewer")...)
	for i := 0; ; i++ {
		status, head, _ := s.do("POST", "/auth/token", `{"token":"guess"}`)
		if status == 429 && head.Get("Retry-After") != "" {
			break
		}
		if status != 401 || i > 100 {
			t.Fatalf("guess %d = %d, Retry-After %q, want 401, and 429 soon", i, status, head.Get("Retry-After"))
		}
	}
	s.json(429, "GET", "/api/v1/sources", "", bearer("guess")...)
}

func TestProxyHeaders(t *testing.T) {
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	cfg.Access.Proxy = &config.Proxy{
		Trust: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, UserHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups",
		Groups: map[string]config.Role{"ops": config.RoleOperator}, Role: config.RoleViewer,
	}
	s := startConfig(t, cfg)
	if me := s.json(200, "GET", "/api/v1/me", "", "X-Forwarded-User", "ann"); me["name"] != "ann" || me["role"] != "viewer" {
		t.Errorf("me = %v, want ann, viewer", me)
	}
	s.json(403, "POST", runs, "{}", "X-Forwarded-User", "ann", "X-Forwarded-Groups", "cooks")
	s.json(202, "POST", runs, "{}", "X-Forwarded-User", "ann", "X-Forwarded-Groups", "cooks, ops", "X-Forwarded-For", "6.6.6.6, 10.1.2.3, 127.0.0.9")
	s.stop()
	lines := auditLines(t, cfg.Audit)
	if got := lines[1]; got["user"] != "ann" || got["address"] != "10.1.2.3" {
		t.Errorf("audited %v, want ann from 10.1.2.3", got)
	}

	cfg = guardedConfig(t, config.RoleNone)
	cfg.Access.Proxy = &config.Proxy{Trust: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, UserHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups", Role: config.RoleAdmin}
	s = startConfig(t, cfg)
	s.json(401, "GET", "/api/v1/sources", "", "X-Forwarded-User", "ann", "X-Forwarded-For", "10.1.2.3")
}

// Below a path: with it, as a proxy passes it on, or without.
func TestPublicURL(t *testing.T) {
	cfg := guardedConfig(t, config.RoleViewer)
	cfg.PublicURL, _ = url.Parse("https://plant.example/tide/")
	s := startConfig(t, cfg)
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, base := range []string{"/tide", ""} {
		status, head, body := s.do("POST", base+runs, "{}", append(bearer("admin"), "Host", "plant.example", "Origin", "https://plant.example", "Sec-Fetch-Site", "same-site")...)
		run := decode(t, []byte(body))
		if where := "/tide/api/v1/runs/" + str(run["id"]); status != 202 || head.Get("Location") != where || run["events"] != where+"/events" {
			t.Errorf("a trigger below %q = %d, Location %q, events %v, want both below /tide", base, status, head.Get("Location"), run["events"])
		}
	}
	for path, want := range map[string]string{"/tide/nothing": "/tide/nothing", "/nothing": "/tide/nothing"} {
		if got := s.json(404, "GET", path, "", bearer("viewer")...)["instance"]; got != want {
			t.Errorf("the problem at %s has the instance %v, want %s", path, got, want)
		}
	}
	if status, head, _ := s.do("GET", "/tide", ""); status != 308 || head.Get("Location") != "/tide/" {
		t.Errorf("GET /tide = %d to %q, want 308 to /tide/", status, head.Get("Location"))
	}
	if status, _, body := s.do("GET", "/tide/", ""); status != 200 || !contains(body, "<title>Tidewire") {
		t.Errorf("GET /tide/ = %d, want the page", status)
	}
	if got := s.json(200, "GET", "/tide/api/v1/me", "")["sign_in"]; got != "/tide/auth/login" {
		t.Errorf("sign_in = %v, want it below /tide", got)
	}
	_, head, _ := s.do("POST", "/tide/auth/token", `{"token":"viewer-secret"}`)
	if cookie := head.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Secure-tidewire=") || !contains(cookie, "Path=/tide/;") || !contains(cookie, "Secure") {
		t.Errorf("cookie %q, want a secure one for /tide/", cookie)
	}
	for host, want := range map[string]int{"plant.example": 200, "PLANT.example:443": 200, "evil.example": 421, "evil.plant.example": 421, "192.0.2.7": 421} {
		if status, _, _ := s.do("GET", "/api/v1/jobs", "", "Host", host); status != want {
			t.Errorf("Host %s = %d, want %d", host, status, want)
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/tide/livez", "/tide/readyz"} {
		if status, _, _ := s.do("GET", path, "", "Host", "10.0.0.3:8480"); status != 200 { // a balancer names the host as it likes
			t.Errorf("GET %s with another Host = %d, want 200", path, status)
		}
	}
	if status, _, _ := s.do("GET", "/livez/x", "", "Host", "evil.example"); status != 421 {
		t.Errorf("GET /livez/x with another Host = %d, want 421", status)
	}
	for _, c := range []struct {
		header []string
		want   int
	}{
		{bearer("viewer"), 200}, // no site knows a token
		{bearer("wrong"), 401},  // and what is wrong is nobody
		{[]string{"Authorization", "Basic eDp5"}, 421},
	} {
		if status, _, _ := s.do("GET", "/api/v1/jobs", "", append(c.header, "Host", "tidewire.monitoring:8480")...); status != c.want {
			t.Errorf("another Host with %q = %d, want %d", c.header, status, c.want)
		}
	}
	if status, _, _ := s.do("POST", runs, "{}", append(bearer("admin"), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")...); status != 403 {
		t.Errorf("a trigger from another origin = %d, want 403", status)
	}
}

// ask sends a GET that is not answered at once, and returns when it is written: should
// a sign-out overtake it, it finds no session either. The status comes with the answer.
func (s *server) ask(path string, header ...string) <-chan int {
	s.t.Helper()
	status := make(chan int)
	asked := make(chan bool, 1)
	go func() {
		ctx := httptrace.WithClientTrace(s.t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { asked <- true }})
		req, _ := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := s.client.Do(req)
		if err != nil {
			s.t.Error(err)
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-asked
	return status
}

// The long poll of somebody whose session ends meanwhile brings nothing.
func TestALongPollEndsWithTheSession(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	s.jar()
	s.json(200, "POST", "/auth/token", `{"token":"viewer-secret"}`)
	_, head, _ := s.do("GET", "/api/v1/jobs", "")
	status := s.ask("/api/v1/jobs", "If-None-Match", head.Get("ETag"), "Prefer", "wait=50")
	s.do("POST", "/auth/logout", "")
	if got := <-status; got != 401 {
		t.Errorf("the long poll = %d after the sign-out, want 401", got)
	}
}

// Nor does the output that somebody waits for.
func TestWaitingForOutputEndsWithTheSession(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	id := str(s.json(202, "POST", runs, "{}", bearer("admin")...)["id"])
	s.jar()
	s.json(200, "POST", "/auth/token", `{"token":"viewer-secret"}`)
	status := s.ask("/api/v1/runs/"+id+"/output", "Prefer", "wait=50")
	s.do("POST", "/auth/logout", "")
	s.json(202, "POST", "/api/v1/runs/"+id+"/cancel", "", bearer("admin")...)
	if got := <-status; got != 401 {
		t.Errorf("the output = %d after the sign-out, want 401", got)
	}
}

// FuzzNobody asks for anything at all, by nobody.
func FuzzNobody(f *testing.F) {
	for _, row := range matrix {
		f.Add("GET", row.path, "X-Forwarded-User", "admin")
		f.Add("POST", "/"+row.path, "X-HTTP-Method-Override", "GET")
	}
	f.Add("GET", "/static/..%2f..%2fapi/v1/jobs", "Cookie", "tidewire=x; tidewire-sign-in=y")
	f.Add("GET", "/api/v1/jobs?token=admin-secret", "Authorization", "Bearer ")
	f.Add("POST", "/auth/token", "Content-Type", "application/json")
	handler, stop := gateway.NewHandler(f, guardedConfig(f, config.RoleNone))
	f.Cleanup(stop)
	public := map[string]bool{}
	for _, row := range matrix {
		if row.class == "public" {
			public[row.path] = true
		}
	}
	f.Fuzz(func(t *testing.T, method, target, name, value string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Skip()
		}
		w := &recorder{header: http.Header{}}
		r := (&http.Request{
			Method: method, URL: u, Host: "localhost", RequestURI: target, RemoteAddr: "192.0.2.1:80", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: http.Header{http.CanonicalHeaderKey(name): {value}}, Body: http.NoBody,
		}).WithContext(context.Background())
		handler.ServeHTTP(w, r)
		if w.status == 500 {
			t.Errorf("%s %q with %q: %q = 500", method, target, name, value)
		}
		if w.status < 300 && !public[u.Path] && !strings.HasPrefix(u.Path, "/static/") {
			t.Errorf("%s %q with %q: %q = %d, want nobody to get nothing", method, target, name, value, w.status)
		}
	})
}

// A recorder notes the status of an answer.
type recorder struct {
	header http.Header
	status int
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return len(p), nil
}

// From the button to the page, as a browser goes; who has no role is told so.
func TestSigningInAtAProvider(t *testing.T) {
	issuer := issuertest.New(t)
	audit := filepath.Join(t.TempDir(), "audit.jsonl")
	s := start(t, fmt.Sprintf(`
audit: %s
sources: {a: {exec: [echo, '1'], every: 1h}}
access:
  oidc: {issuer: %s, client_id: tidewire, client_secret: canary-client, groups: {ops: operator}}
`, audit, issuer.URL))
	s.jar()
	status, _, body := s.do("GET", "/auth/oidc", "")
	if me := s.json(200, "GET", "/api/v1/me", ""); status != 200 || !contains(body, "<title>Tidewire") || me["name"] != "ann" || me["role"] != "operator" {
		t.Errorf("signing in ends with %d and me = %v, want the page and ann, operator", status, me)
	}
	s.do("POST", "/auth/logout", "")
	s.json(401, "GET", "/api/v1/sources", "")

	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"groups": []string{"cooks"}}})
	if status, _, body = s.do("GET", "/auth/oidc", ""); status != 403 || !contains(body, "You are signed in as ann, but none of your groups") {
		t.Errorf("signing in without a role ends with %d, want 403 and a page that says so:\n%s", status, body)
	}
	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"aud": "canary-other"}})
	if status, _, body = s.do("GET", "/auth/oidc", ""); status != 400 || contains(body, "canary") {
		t.Errorf("signing in with somebody else's token ends with %d, want 400 and nothing of it:\n%s", status, body)
	}
	s.json(401, "GET", "/api/v1/sources", "")
	s.stop()
	var did []string
	for _, line := range auditLines(t, audit) {
		did = append(did, strings.Join(strings.Fields(str(line["action"])+" "+str(line["as"])+" "+str(line["result"])), " "))
	}
	if got, want := strings.Join(did, ", "), "sign-in ann ok, sign-out, sign-in ann no role, sign-in refused"; got != want {
		t.Errorf("audited %q, want %q", got, want)
	}
	if log := s.log.String(); contains(log, "canary-code") || contains(log, "canary-client") || contains(log, "canary-access") || !contains(log, "sign-in failed") {
		t.Errorf("the log is\n%s\nwant why a sign-in failed, and no secret", log)
	}
}

// The page says when the provider is away, and when to try again; callbacks that were not begun here leave no trace.
func TestAProviderThatIsAway(t *testing.T) {
	issuer := issuertest.New(t)
	issuer.Behave(issuertest.Behaviour{Down: true})
	audit := filepath.Join(t.TempDir(), "audit.jsonl")
	s := start(t, fmt.Sprintf(`
audit: %s
sources: {a: {exec: [echo, '1'], every: 1h}}
access: {oidc: {issuer: %s, client_id: tidewire, groups: {ops: operator}}}
`, audit, issuer.URL))
	for range 3 {
		status, head, body := s.do("GET", "/auth/oidc", "")
		if status != 503 || head.Get("Retry-After") != "10" || !contains(body, "cannot be reached") {
			t.Errorf("GET /auth/oidc = %d, Retry-After %q, want 503 and 10:\n%s", status, head.Get("Retry-After"), body)
		}
	}
	if got := strings.Count(s.log.String(), "level=WARN"); got != 1 || !contains(s.log.String(), "cannot be reached") {
		t.Errorf("%d warnings, want one, that the provider cannot be reached:\n%s", got, s.log)
	}
	for i := range 30 {
		if status, _, _ := s.do("GET", fmt.Sprintf("/auth/callback?code=x&state=somebody-%d", i), "", "Cookie", "tidewire-sign-in-somebody=x"); status != 400 {
			t.Fatalf("a callback that was not begun here = %d, want 400", status)
		}
	}
	s.stop()
	if lines := auditLines(t, audit); len(lines) != 0 || strings.Count(s.log.String(), "level=WARN") != 1 {
		t.Errorf("callbacks that were not begun here leave %v and\n%s\nwant nothing", lines, s.log)
	}
}

// The way back leads to the page, wherever an address wants it to lead.
func TestSigningInLeadsBackToThePage(t *testing.T) {
	issuer := issuertest.New(t)
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Access.OIDC = &config.OIDC{Issuer: issuer.URL, ClientID: "tidewire", GroupsClaim: "groups", Groups: map[string]config.Role{"ops": config.RoleOperator}}
	cfg.PublicURL, _ = url.Parse("http://localhost/tide")
	s := startConfig(t, cfg)
	for _, bad := range []string{"//evil.example", "/\\evil.example", "https://evil.example", "evil", "/auth/oidc", "/api/v1/jobs", "/sources/../auth/oidc", "/sources/..", "/sources/a/b/c", "/jobs//evil", "/?a\r\nb", "/?" + strings.Repeat("x", 1000)} {
		s.jar()
		if status, head, _ := s.do("GET", "/auth/oidc?return="+url.QueryEscape(bad), ""); status != 400 || head.Get("Location") != "" {
			t.Errorf("return=%.40q = %d, want 400", bad, status)
		}
	}
	for back, want := range map[string]string{"": "/tide/", "/": "/tide/", "/?q=a%20b#../../x": "/tide/?q=a%20b#../../x", "/#//evil.example": "/tide/#//evil.example",
		"/jobs": "/tide/jobs", "/runs/EYR2BWO5LCDQ3TN576Z5YC4U45#L8": "/tide/runs/EYR2BWO5LCDQ3TN576Z5YC4U45#L8", "/sources/a?over=7d": "/tide/sources/a?over=7d"} {
		s.jar()
		s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, head, _ := s.do("GET", "/auth/oidc?return="+url.QueryEscape(back), "")
		status, head, _ := s.do("GET", "/auth/callback?"+issuer.Permit(head.Get("Location")).RawQuery, "", "Cookie", cookiesOf(head))
		if got := head.Get("Location"); status != 303 || got != want {
			t.Errorf("return=%q leads to %d %q, want 303 %q", back, status, got, want)
		}
	}
}

// cookiesOf is the cookies that an answer sets, as a request brings them.
func cookiesOf(head http.Header) string {
	var all []string
	for _, line := range head.Values("Set-Cookie") {
		pair, _, _ := strings.Cut(line, ";")
		all = append(all, pair)
	}
	return strings.Join(all, "; ")
}

// A person at the provider, a token and a proxy's person of the same name are three: in the audit log, and each with
// Idempotency-Keys of their own.
func TestUsersOfTheSameName(t *testing.T) {
	issuer := issuertest.New(t)
	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"preferred_username": "operator", "groups": []string{"ops"}}})
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	cfg.Access.OIDC = &config.OIDC{Issuer: issuer.URL, ClientID: "tidewire", GroupsClaim: "groups", Groups: map[string]config.Role{"ops": config.RoleOperator}}
	cfg.Access.Proxy = &config.Proxy{
		Trust: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, UserHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups", Role: config.RoleOperator,
	}
	s := startConfig(t, cfg)
	trigger := func(want int, header ...string) object {
		return s.json(want, "POST", "/api/v1/jobs/other/runs", "{}", append(header, "Idempotency-Key", "k", "Prefer", "wait=10")...)
	}
	s.jar()
	s.do("GET", "/auth/oidc", "")
	runs := []object{trigger(200), trigger(200, bearer("operator")...)}
	s.client = http.DefaultClient
	runs = append(runs, trigger(200, "X-Forwarded-User", "operator"), trigger(200, "X-Forwarded-User", "operator"))
	if runs[0]["id"] == runs[1]["id"] || runs[1]["id"] == runs[2]["id"] || runs[2]["id"] != runs[3]["id"] {
		t.Errorf("one key of three users leads to the runs %v, %v, %v, %v, want three, and the last one again", runs[0]["id"], runs[1]["id"], runs[2]["id"], runs[3]["id"])
	}
	s.stop()
	var who []string
	for _, line := range auditLines(t, cfg.Audit) {
		if line["action"] == "trigger" {
			who = append(who, strings.Join([]string{str(line["user"]), str(line["kind"]), str(line["issuer"]), str(line["subject"])}, " "))
		}
	}
	want := []string{"operator oidc " + issuer.URL + " 42", "operator token  operator", "operator proxy  operator"}
	if !slices.Equal(who, want) {
		t.Errorf("audited %q, want %q", who, want)
	}
}

// Where people are told that they have no access, another account is offered; signing out ends the provider's session.
func TestAnotherAccount(t *testing.T) {
	issuer := issuertest.New(t)
	metadata := map[string]any{"end_session_endpoint": "https://id.example/logout"}
	issuer.Behave(issuertest.Behaviour{Metadata: metadata, Claims: map[string]any{"groups": []string{"cooks"}}})
	s := start(t, fmt.Sprintf("sources: {a: {exec: [echo, '1'], every: 1h}}\naccess: {oidc: {issuer: %s, client_id: tidewire, groups: {ops: operator}}}\n", issuer.URL))
	s.jar()
	if status, _, body := s.do("GET", "/auth/oidc", ""); status != 403 || !contains(body, `href="../auth/oidc?prompt=select_account"`) {
		t.Errorf("without a role: %d, want 403 and the way to another account:\n%s", status, body)
	}
	issuer.Behave(issuertest.Behaviour{Metadata: metadata})
	s.do("GET", "/auth/oidc?prompt=select_account", "")
	leave, _ := url.Parse(str(s.json(200, "POST", "/auth/logout", "")["end_session"]))
	if leave.Host != "id.example" || leave.Query().Get("id_token_hint") == "" {
		t.Errorf("signing out leads to %v, want the provider, with the ID token", leave)
	}
	if status, _, _ := s.do("POST", "/auth/logout", ""); status != 204 {
		t.Errorf("signing out again = %d, want 204", status)
	}
	s.json(401, "GET", "/api/v1/sources", "")
}

// What a new configuration takes away ends at once, streams included.
func TestATokenThatIsWithdrawn(t *testing.T) {
	with := func(names ...string) string {
		text := "sources: {a: {exec: [echo, '1'], every: 1h}}\naccess:\n  tokens:\n"
		for _, name := range names {
			text += fmt.Sprintf("    %s: {sha256: \"%x\", role: admin}\n", name, sha256.Sum256([]byte(name+"-secret")))
		}
		return text
	}
	s := startFile(t, with("stays", "goes"), 0)
	opened, last := make(chan bool, 9), make(chan string)
	go func() {
		var ev sse.Event
		s.events("/api/v1/stream", "", func(next sse.Event) bool { ev = next; opened <- true; return true }, bearer("goes")...)
		last <- ev.Name + " " + string(ev.Data)
	}()
	<-opened
	s.write(with("stays"))
	s.json(200, "POST", "/api/v1/config/reload", "", bearer("goes")...)
	if got, want := <-last, `bye {"reason":"session"}`; got != want {
		t.Errorf("the stream ends with %q, want %q", got, want)
	}
	s.json(401, "GET", "/api/v1/sources", "", bearer("goes")...)
	s.json(200, "GET", "/api/v1/sources", "", bearer("stays")...)
}

// A silence takes the permission for what it is of, to make and to end it.
func TestWhoMaySilence(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	for _, tt := range []struct{ of, who string }{
		{"job/scan", "operator scanner admin"}, {"source/a", "operator admin"}, {"all", "operator admin"},
	} {
		for caller := range strings.SplitSeq("viewer operator scanner stranger admin", " ") {
			may := contains(" "+tt.who+" ", " "+caller+" ")
			made, ended, body := 403, 403, fmt.Sprintf(`{"of":%q,"for":"1h"}`, tt.of)
			if may {
				made, ended = 201, 204
			}
			if status, _, text := s.do("POST", "/api/v1/silences", body, bearer(caller)...); status != made || may && !contains(text, `"by":"`+caller+`"`) {
				t.Errorf("%s silences %s = %d %s, want %d", caller, tt.of, status, text, made)
			}
			id := str(s.json(201, "POST", "/api/v1/silences", body, bearer("admin")...)["id"])
			if status, _, text := s.do("DELETE", "/api/v1/silences/"+id, "", bearer(caller)...); status != ended {
				t.Errorf("%s ends the silence of %s = %d %s, want %d", caller, tt.of, status, text, ended)
			}
		}
	}
}
