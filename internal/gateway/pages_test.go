package gateway_test

import (
	"html"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// form is a form, with what a browser sends beside it.
func form(pairs ...string) (body string, header []string) {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return values.Encode(), []string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html,*/*;q=0.8"}
}

// Somebody without a script signs in at the page that they opened, returns to it, and signs out.
func TestPeopleSignInAndOutByForms(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	s.jar()
	s.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	status, _, page := s.do("GET", "/sources/a?over=7d", "")
	if status != 401 || !contains(page, `name="return" value="/sources/a?over=7d"`) {
		t.Fatalf("the page is %d\n%s\nwant one that leads back", status, page)
	}
	body, header := form("token", "wrong", "return", "/sources/a?over=7d")
	if status, head, page := s.do("POST", "/auth/token", body, header...); status != 401 || !contains(page, "This token is not valid.") ||
		!contains(page, `name="return" value="/sources/a?over=7d"`) || !contains(page, `aria-invalid="true"`) || head.Get("Set-Cookie") != "" {
		t.Errorf("a wrong token = %d %v\n%s\nwant the form again", status, head, page)
	}
	for _, back := range []string{"/sources/a?over=7d", "//evil.example", "https://evil.example/", "/auth/oidc", ""} {
		body, header := form("token", "operator-secret", "return", back)
		want := "/"
		if strings.HasPrefix(back, "/sources") {
			want = back
		}
		if status, head, _ := s.do("POST", "/auth/token", body, header...); status != 303 || head.Get("Location") != want {
			t.Errorf("signing in with return=%q = %d to %q, want 303 to %q", back, status, head.Get("Location"), want)
		}
	}
	if status, _, page := s.do("GET", "/sources/a", ""); status != 200 || !contains(page, `action="../auth/logout"`) {
		t.Errorf("signed in, the page = %d\n%s\nwant a form to sign out", status, page)
	}
	body, header = form()
	if status, head, _ := s.do("POST", "/auth/logout", body, header...); status != 303 || head.Get("Location") != "/" {
		t.Errorf("signing out = %d to %q, want 303 to /", status, head.Get("Location"))
	}
	if status, _, _ := s.do("GET", "/sources/a", ""); status != 401 {
		t.Errorf("signed out, the page = %d, want 401", status)
	}
}

// What a person opens is answered with a page, and what a program asks for with a problem.
func TestAnAddressWithoutAnythingIsAPageForPeople(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	people := []string{"Accept", "text/html"}
	for _, path := range []string{"/nowhere", "/sources/", "/a/b/c"} {
		if status, _, page := s.do("GET", path, "", people...); status != 401 || !contains(page, `<h1>Sign in</h1>`) {
			t.Errorf("GET %s by nobody = %d\n%.300s\nwant the page to sign in at", path, status, page)
		}
		status, head, page := s.do("GET", path, "", append(bearer("viewer"), people...)...)
		if status != 404 || !contains(page, `<h1>There is nothing here</h1>`) || !strings.HasPrefix(head.Get("Content-Type"), "text/html") {
			t.Errorf("GET %s = %d %v\n%.300s\nwant a page that says so", path, status, head, page)
		}
		if status, head, _ := s.do("GET", path, "", bearer("viewer")...); status != 404 || head.Get("Content-Type") != "application/problem+json" {
			t.Errorf("GET %s by a program = %d %v, want a problem", path, status, head)
		}
	}
}

// The configuration gives pages a title, a logo and a style; below the path of the public address too.
func TestPagesLookAsConfigured(t *testing.T) {
	cfg := guardedConfig(t, config.RoleViewer)
	cfg.PublicURL, _ = url.Parse("http://localhost/tide")
	cfg.Page = config.Page{
		Title: "Plant <7>",
		Logo:  &config.PageFile{Name: "/x/logo.svg", Type: "image/svg+xml", Data: []byte("<svg/>")},
		CSS:   &config.PageFile{Name: "/x/site.css", Type: "text/css; charset=utf-8", Data: []byte(":root { --accent: #a40 }")},
	}
	s := startConfig(t, cfg)
	_, _, page := s.do("GET", "/tide/sources/a", "")
	if !contains(page, "Plant &lt;7&gt;</title>") || !contains(page, "<span>Plant &lt;7&gt;</span>") {
		t.Errorf("the page is\n%.2000s\nwant its title", page)
	}
	for what, want := range map[string]string{`rel="stylesheet" href="../theme/`: ":root { --accent: #a40 }", `class="mark" src="../theme/`: "<svg/>"} {
		_, rest, found := strings.Cut(page, what)
		name, _, _ := strings.Cut(rest, `"`)
		status, head, body := s.do("GET", "/tide/theme/"+name, "")
		if !found || status != 200 || body != want || !contains(head.Get("Cache-Control"), "immutable") || !contains(head.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s%s = %d %v %q, want %q", what, name, status, head, body, want)
		}
	}
	if _, _, manifest := s.do("GET", "/tide/manifest.webmanifest", ""); !contains(manifest, `"name":"Plant \u003c7\u003e"`) {
		t.Errorf("the manifest is %s, want the title", manifest)
	}
}

// The page of all jobs shows what the overview shows of them, also an alert that is about something else than their newest run.
func TestThePageOfAllJobsHasTheirAlerts(t *testing.T) {
	s := start(t, "jobs: {work: {exec: [sleep, 1h], alert: {slow_after: 10ms}}}\n")
	s.json(202, "POST", "/api/v1/jobs/work/runs", "{}")
	for {
		_, head, job := s.do("GET", "/api/v1/jobs/work", "")
		if contains(job, `"state":"firing"`) {
			break
		}
		if status, _, _ := s.do("GET", "/api/v1/jobs/work", "", "If-None-Match", head.Get("ETag"), "Prefer", "wait=60"); status != 200 {
			t.Fatalf("waiting for the alert = %d", status)
		}
	}
	for _, path := range []string{"/", "/jobs"} {
		_, _, page := s.do("GET", path, "", "Accept", "text/html")
		row := page[strings.Index(page, `data-key="job/work"`):]
		if !strings.HasPrefix(row, `data-key="job/work" data-state="alert"`) {
			t.Errorf("%s has the row %.80s, want that of an alert", path, row)
		}
	}
}

// A page that asks for something is in no frame, whoever may show the others in one.
func TestWhatCanBeInAFrame(t *testing.T) {
	s := start(t, "page: {embed: [https://wiki.example]}\nsources: {a: {exec: [echo, a]}}\njobs: {hello: {exec: [echo, hello]}}\n")
	for path, want := range map[string]string{
		"/?embed=1": "https://wiki.example", "/sources/a?embed=1": "https://wiki.example", "/sources/a": "'none'",
		"/jobs/hello/run?embed=1": "'none'", "/alerts/silence?embed=1": "'none'",
	} {
		status, head, _ := s.do("GET", path, "", "Accept", "text/html")
		if policy := head.Get("Content-Security-Policy"); status != 200 || !contains(policy, "frame-ancestors ") || !contains(policy[strings.Index(policy, "frame-ancestors"):], want) {
			t.Errorf("%s = %d, %s, want %s among those who may show it", path, status, policy, want)
		}
	}
}

// The button that polls now leads to the page of the source, keeps a script where it is, and says why nothing was done.
func TestPollNow(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, a], every: 1h}}\n")
	s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	body, header := form()
	if status, head, _ := s.do("POST", "/sources/a/refresh", body, header...); status != 303 || head.Get("Location") != "/sources/a" {
		t.Errorf("a form = %d to %q, want 303 to /sources/a", status, head.Get("Location"))
	}
	if status, _, answer := s.do("POST", "/sources/a/refresh", body, header[0], header[1], "Accept", "application/json"); status != 200 || answer != "{}\n" {
		t.Errorf("a script = %d %s, want 200 and nowhere to go", status, answer)
	}
	if status, _, page := s.do("POST", "/sources/none/refresh", body, header...); status != 404 {
		t.Errorf("a source that is not there = %d %.200s, want 404", status, page)
	}
	s.stop()
}

var (
	tagOf      = regexp.MustCompile(`<(a|link|script|img|form)\b[^>]*>`)
	attributes = regexp.MustCompile(`\b(href|src|action|method)="([^"]*)"`)
	templateOf = regexp.MustCompile(`(?s)<template\b.*?</template>`)
)

// Every address in every page leads to something, below the path of the public address too, and whether a proxy removes that or not.
func TestEveryAddressInPagesLeadsSomewhere(t *testing.T) {
	cfg := load(t, `upstreams: {plant: {http: http://127.0.0.1:1}}
sources:
  a: {exec: [echo, '{"level": 95}'], every: 1h, section: Plant/Line 1, show: {value: level}, alert: {if: .level > 90}}
  b: {exec: ['false'], every: 1h, section: Plant}
  c: {http: {upstream: plant, path: /x}, every: 1h}
  d: {from: [a], pick: .a}
jobs:
  scan: {exec: [echo, '{subnet}'], section: Plant/Line 1, args: {subnet: {default: x}}}
  fail: {exec: ['false'], alert: {on: failed}}
`)
	for _, base := range []string{"", "/tide"} {
		if base != "" {
			cfg.PublicURL, _ = url.Parse("http://localhost" + base)
		}
		s := startConfig(t, cfg)
		var run string
		for _, job := range []string{"scan", "fail"} {
			run = s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", "{}")["id"].(string)
			s.do("GET", "/api/v1/runs/"+run+"/events", "") // to the end
		}
		for _, under := range slices.Compact([]string{"", base}) { // as with a proxy that removes the path, and as with one that does not
			pages := crawl(t, s, under+"/")
			for _, want := range []string{"/", "/jobs", "/alerts", "/sources/a", "/sources/d", "/jobs/scan", "/jobs/scan/run", "/runs/" + run, "/alerts/silence"} {
				if !pages[under+want] {
					t.Errorf("no page leads to %s%s: %v", under, want, slices.Sorted(maps.Keys(pages)))
				}
			}
		}
		s.stop()
	}
}

// crawl opens a page and all that its addresses lead to, and returns the pages.
func crawl(t *testing.T, s *server, first string) map[string]bool {
	t.Helper()
	pages, seen := map[string]bool{}, map[string]bool{}
	var open func(from, target string)
	open = func(from, target string) {
		u, _ := url.Parse(target)
		kind := u.Path + "?" + strings.Join(slices.Sorted(maps.Keys(u.Query())), "&") // values differ in what is shown alone
		if seen[kind] {
			return
		}
		seen[kind] = true
		status, head, body := s.do("GET", target, "", "Accept", "text/html")
		if status != 200 {
			t.Errorf("%s leads to %s, which is %d\n%.200s", from, target, status, body)
			return
		}
		if !strings.HasPrefix(head.Get("Content-Type"), "text/html") {
			return
		}
		pages[target] = true
		at, _ := url.Parse(target)
		for _, tag := range tagOf.FindAllString(templateOf.ReplaceAllString(body, ""), -1) {
			is := map[string]string{}
			for _, m := range attributes.FindAllStringSubmatch(tag, -1) {
				is[m[1]] = html.UnescapeString(m[2])
			}
			address := is["href"] + is["src"] + is["action"]
			to, err := at.Parse(address)
			if err != nil {
				t.Errorf("%s has the address %q: %v", target, address, err)
				continue
			}
			if to.Fragment = ""; address == "" || to.Host != "" || is["method"] == "post" || is["method"] == "dialog" {
				continue
			}
			open(target, to.String())
		}
	}
	open("", first)
	return pages
}

// A form that its sender may not send is answered with a page: nobody can sign in there, and returns to where the form was.
func TestFormsThatAreRefusedAreAnsweredWithPages(t *testing.T) {
	for _, nobody := range []config.Role{config.RoleNone, config.RoleViewer} {
		cfg := guardedConfig(t, nobody)
		cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
		s := startConfig(t, cfg)
		back := map[string]string{
			"/sources/a/refresh": "/sources/a", "/jobs/scan/run": "/jobs/scan", "/alerts/silence": "/alerts", "/alerts/acknowledge": "/alerts", "/alerts/unsilence": "/alerts",
		}
		form := []string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html,*/*;q=0.8"}
		for path, to := range back {
			status, head, body := s.do("POST", path, "of=source/a&for=1h", form...)
			if status != 401 || !contains(head.Get("Content-Type"), "text/html") || !contains(body, `name="return" value="`+to+`"`) {
				t.Errorf("POST %s by nobody = %d %s\n%s\nwant a page to sign in that returns to %s", path, status, head.Get("Content-Type"), body, to)
			}
			status, head, body = s.do("POST", path, "of=source/a&for=1h", append(form, bearer("viewer")...)...)
			if status != 403 || !contains(head.Get("Content-Type"), "text/html") || !contains(body, "who may not do that") {
				t.Errorf("POST %s by a viewer = %d %s\n%s\nwant a page that says no", path, status, head.Get("Content-Type"), body)
			}
		}
		s.stop()
		if lines := auditLines(t, cfg.Audit); len(lines) != len(back) || lines[0]["action"] != "denied" || lines[0]["method"] != "POST" {
			t.Errorf("audited %v, want each form that was denied", lines)
		}
	}
}

// A form about something that is gone meanwhile is answered with a page.
func TestFormsAboutNothingAreAnsweredWithPages(t *testing.T) {
	s := startConfig(t, guardedConfig(t, config.RoleNone))
	header := append([]string{"Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html,*/*;q=0.8"}, bearer("admin")...)
	for _, path := range []string{"/sources/gone/refresh", "/runs/gone/cancel", "/jobs/gone/run", "/alerts/silence", "/alerts/acknowledge"} {
		status, head, body := s.do("POST", path, "of=source/gone&for=1h", header...)
		if status != 404 || !contains(head.Get("Content-Type"), "text/html") || !contains(body, "removed from the configuration") && !contains(body, "nothing is kept of it") {
			t.Errorf("POST %s = %d %s\n%s\nwant a page that says that it is gone", path, status, head.Get("Content-Type"), body)
		}
	}
}
