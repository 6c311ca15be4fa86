package web_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/web"
)

// get serves one GET of target by h.
func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	return do(h, "GET", target, header...)
}

func do(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

var (
	assetInPage = regexp.MustCompile(`(?:src|href)="(static/[^"]*)"`)
	importInJS  = regexp.MustCompile(`\b(?:from|import) ?"([^"]+)"`)
	hashedName  = regexp.MustCompile(`^/static/[a-z0-9-]+\.[0-9a-f]{12}\.(js|css|svg|png)$`)
)

// assets returns every path that the page needs: what the HTML names, and
// what the modules import, each by following its name as a browser does.
func assets(h http.Handler) map[string]*httptest.ResponseRecorder {
	all := map[string]*httptest.ResponseRecorder{}
	for _, script := range scripts {
		needs(h, drawn(script, "")+drawn(script, "kiosk"), all)
	}
	return all
}

// scripts are the modules of pages.
var scripts = []string{"overview.js", "jobs-page.js", "run-page.js", "source-page.js", "alerts-page.js", "start.js"}

// drawn is a page that has a module.
func drawn(script, form string) string {
	w := httptest.NewRecorder()
	web.Draw(w, httptest.NewRequest("GET", "/", nil), 200, "message", web.Page{Tab: "overview", Form: form, Script: script, Body: web.Notice{}})
	return w.Body.String()
}

// needs adds what a page needs.
func needs(h http.Handler, page string, all map[string]*httptest.ResponseRecorder) {
	var follow func(string)
	follow = func(target string) {
		if all[target] != nil {
			return
		}
		resp := get(h, target)
		all[target] = resp
		if !strings.HasSuffix(target, ".js") {
			return
		}
		for _, m := range importInJS.FindAllStringSubmatch(resp.Body.String(), -1) {
			follow(path.Join(path.Dir(target), m[1]))
		}
	}
	for _, m := range assetInPage.FindAllStringSubmatch(page, -1) {
		follow("/" + m[1])
	}
}

func TestEveryAssetHasHashedNameAndIsImmutable(t *testing.T) {
	h := web.Handler()
	all := assets(h)
	types := map[string]string{
		".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
	}
	count := map[string]int{}
	for target, resp := range all {
		count[path.Ext(target)]++
		if resp.Code != 200 {
			t.Errorf("GET %s: status %d, want 200", target, resp.Code)
		}
		if !hashedName.MatchString(target) {
			t.Errorf("the page needs %s, want a name that matches %s", target, hashedName)
		}
		if got, want := resp.Header().Get("Cache-Control"), "public, max-age=31536000, immutable"; got != want {
			t.Errorf("GET %s: Cache-Control %q, want %q", target, got, want)
		}
		if got, want := resp.Header().Get("Content-Type"), types[path.Ext(target)]; got != want {
			t.Errorf("GET %s: Content-Type %q, want %q", target, got, want)
		}
	}
	if count[".js"] < 10 || count[".css"] < 2 || count[".svg"] != 1 {
		t.Errorf("the pages need %v assets by extension, want at least 10 modules, some style sheets, one icon", count)
	}
}

// What the overview loads before it is whole has a bound, as it is and as it is sent.
func TestFilesAreSmall(t *testing.T) {
	h := web.Handler()
	all := map[string]*httptest.ResponseRecorder{}
	needs(h, drawn("overview.js", ""), all)
	raw, sent := 0, 0
	for target, resp := range all {
		if path.Ext(target) == ".png" {
			continue // of a home screen: the page does not load it
		}
		raw += resp.Body.Len()
		sent += get(h, target, "Accept-Encoding", "gzip").Body.Len()
	}
	t.Logf("%d files: %d bytes, %d compressed", len(all), raw, sent)
	if raw > 160_000 || sent > 45_000 {
		t.Errorf("the overview loads %d bytes, %d compressed, want at most 160,000 and 45,000", raw, sent)
	}
}

// Every module that is imported is preloaded, so that the page needs one
// round trip for its code and not one for each level of imports.
func TestModulesArePreloaded(t *testing.T) {
	h := web.Handler()
	for _, script := range scripts {
		page, all := drawn(script, ""), map[string]*httptest.ResponseRecorder{}
		own := regexp.MustCompile(`src="static/` + strings.TrimSuffix(script, ".js") + `\.[^"]*"`).FindString(page)
		needs(h, own, all)
		for target := range all {
			if strings.HasSuffix(target, ".js") && !strings.Contains(page, `"`+target[1:]+`"`) {
				t.Errorf("the page of %s does not name %s, want a modulepreload", script, target)
			}
		}
	}
}

func TestPlainNamesAreNotServed(t *testing.T) {
	h := web.Handler()
	for _, target := range []string{
		"/static/overview.js", "/static/tidewire.js", "/static/page.css", "/static/", "/static/overview.000000000000.js", "/old",
		"/index.html", "/other", "/static/../web.go",
	} {
		if got := get(h, target).Code; got == 200 {
			t.Errorf("GET %s: status %d, want none of 2xx", target, got)
		}
	}
}

func TestTheModuleIsRevalidatedByETag(t *testing.T) {
	isRevalidated(t, web.Handler(), "/tidewire.js", "text/javascript; charset=utf-8")
}

// isRevalidated checks that target keeps its name, and has an ETag that names its content.
func isRevalidated(t *testing.T, h http.Handler, target, contentType string) {
	t.Helper()
	first := get(h, target)
	if got, want := first.Header().Get("Cache-Control"), "no-cache"; got != want {
		t.Errorf("GET %s: Cache-Control %q, want %q", target, got, want)
	}
	if got := first.Header().Get("Content-Type"); got != contentType {
		t.Errorf("GET %s: Content-Type %q, want %q", target, got, contentType)
	}
	tag := first.Header().Get("ETag")
	if !regexp.MustCompile(`^"[0-9a-f]{16}"$`).MatchString(tag) {
		t.Fatalf("GET %s: ETag %q, want a strong one", target, tag)
	}
	for given, want := range map[string]int{tag: 304, `W/` + tag: 304, `"other"`: 200} {
		resp := get(h, target, "If-None-Match", given)
		if resp.Code != want {
			t.Errorf("GET %s with If-None-Match %s: status %d, want %d", target, given, resp.Code, want)
		}
		if got := resp.Header().Get("ETag"); got != tag {
			t.Errorf("GET %s with If-None-Match %s: ETag %s, want %s", target, given, got, tag)
		}
	}
	if again := get(web.Handler(), target).Header().Get("ETag"); again != tag {
		t.Errorf("a second Handler has ETag %s, want %s", again, tag)
	}
}

// Pages of any origin can import the module: it is readable for them, needs no other
// file, and is the one that the page itself uses.
func TestTheModuleStandsAlone(t *testing.T) {
	h := web.Handler()
	resp := get(h, "/tidewire.js")
	if got := resp.Header().Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("GET /tidewire.js: Access-Control-Allow-Origin %q, want *", got)
	}
	if m := regexp.MustCompile(`(?m)^\s*import\b|\bimport\(`).FindString(resp.Body.String()); m != "" {
		t.Errorf("/tidewire.js contains %q, want no other file needed", m)
	}
	for target, asset := range assets(h) {
		if strings.HasPrefix(target, "/static/tidewire.") && asset.Body.String() == resp.Body.String() {
			return
		}
	}
	t.Error("the page uses another module than /tidewire.js")
}

func TestSecurityHeaders(t *testing.T) {
	h := web.Handler()
	want := map[string]string{
		"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
			"img-src 'self' data:; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; " +
			"require-trusted-types-for 'script'; trusted-types 'none'",
		"X-Content-Type-Options":     "nosniff",
		"X-Frame-Options":            "DENY",
		"Referrer-Policy":            "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin",
	}
	targets := []string{"/tidewire.js", "/missing", "/static/missing.js"}
	for target := range assets(h) {
		targets = append(targets, target)
	}
	for _, target := range targets {
		resp := get(h, target)
		for name, value := range want {
			if got := resp.Header().Get(name); got != value {
				t.Errorf("GET %s: %s %q, want %q", target, name, got, value)
			}
		}
	}
}

// The policy forbids what the files must therefore not contain.
func TestFilesHaveNothingInline(t *testing.T) {
	h := web.Handler()
	page := drawn("overview.js", "") + drawn("overview.js", "kiosk")
	for _, bad := range []string{"<style", " style=", " onclick=", " onload=", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q, which its policy forbids", bad)
		}
	}
	if m := regexp.MustCompile(`<script[^>]*>[^<]`).FindString(page); m != "" {
		t.Errorf("the page contains the inline script %q, which its policy forbids", m)
	}
	sinks := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc`)
	for target, resp := range assets(h) {
		if m := sinks.FindString(resp.Body.String()); m != "" {
			t.Errorf("%s contains %s, which turns text into markup or code", target, m)
		}
	}
}

func TestOtherMethodsAreNotAllowed(t *testing.T) {
	h := web.Handler()
	targets := []string{"/tidewire.js"}
	for target := range assets(h) {
		targets = append(targets, target)
	}
	for _, target := range targets {
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			resp := do(h, method, target)
			if got, want := resp.Code, 405; got != want {
				t.Errorf("%s %s: status %d, want %d", method, target, got, want)
			}
			if got, want := resp.Header().Get("Allow"), "GET, HEAD"; got != want {
				t.Errorf("%s %s: Allow %q, want %q", method, target, got, want)
			}
		}
		head := do(h, "HEAD", target)
		if head.Code != 200 || head.Body.String() != "" {
			t.Errorf("HEAD %s: status %d and a body, want 200 and none", target, head.Code)
		}
	}
}

func TestMessageIsPlainText(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/auth/callback", nil)
	web.Message(w, r, 403, web.Notice{Title: "You have no access", Text: "<b>&\"name\"</b>", Link: &web.Link{Text: "<i>", To: "auth/oidc?a=b"}})
	body := w.Body.String()
	if w.Code != 403 || !strings.Contains(body, "&lt;b&gt;") || strings.Contains(body, "<b>&") || !strings.Contains(body, `<a href="../auth/oidc?a=b">&lt;i&gt;</a>`) {
		t.Errorf("Message = %d\n%s\nwant 403 and its text escaped", w.Code, body)
	}
	if got := w.Header().Get("Content-Security-Policy"); got != get(web.Handler(), "/tidewire.js").Header().Get("Content-Security-Policy") {
		t.Errorf("Message has the policy %q, want the page's", got)
	}
	style := regexp.MustCompile(`href="\.\.(/static/page\.[^"]+)"`).FindStringSubmatch(body)
	if style == nil || get(web.Handler(), style[1]).Code != 200 {
		t.Errorf("Message names the style %q, want one that is there", style)
	}
}

// The address of a page has a depth, from which all others lead to the same files.
func TestPagesReachTheirFilesFromEachDepth(t *testing.T) {
	for target, want := range map[string]string{"/": "./", "/jobs": "./", "/sources/tank": "../", "/a/b/c": "../../"} {
		w := httptest.NewRecorder()
		web.Draw(w, httptest.NewRequest("GET", target, nil), 200, "message", web.Page{Title: "T", Body: web.Notice{}})
		if body := w.Body.String(); !strings.Contains(body, `data-root="`+want+`"`) || !strings.Contains(body, `href="`+strings.TrimPrefix(want, "./")+`static/page.`) {
			t.Errorf("the page at %s is\n%.900s\nwant its root to be %s", target, body, want)
		}
	}
}

// A client that has a page is told so, and one that accepts gzip gets it compressed.
func TestPagesAreRevalidatedAndCompressed(t *testing.T) {
	draw := func(header ...string) *httptest.ResponseRecorder {
		w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		web.Draw(w, r, 200, "message", web.Page{Title: "T", Body: web.Notice{}})
		return w
	}
	plain, zipped := draw(), draw("Accept-Encoding", "br, gzip;q=0.5")
	if zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Body.Len() >= plain.Body.Len() {
		t.Errorf("compressed it has %d bytes and %v, want fewer than %d", zipped.Body.Len(), zipped.Header(), plain.Body.Len())
	}
	for _, encoding := range []string{"", "br", "gzip;q=0", "gzip; q=0.0"} {
		if w := draw("Accept-Encoding", encoding); w.Header().Get("Content-Encoding") != "" {
			t.Errorf("for Accept-Encoding %q it is compressed", encoding)
		}
	}
	tag := plain.Header().Get("ETag")
	if w := draw("If-None-Match", tag, "Accept-Encoding", "gzip"); tag == "" || tag != zipped.Header().Get("ETag") || w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("with If-None-Match %s = %d, want 304", tag, w.Code)
	}
}

// A name means one template: of two with the same name, the one that is read last would be drawn for both.
func TestTemplatesHaveNamesOfTheirOwn(t *testing.T) {
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	in := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\{\{-?\s*define "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			if other := in[m[1]]; other != "" {
				t.Errorf("%s defines %q, as %s does", file, m[1], other)
			}
			in[m[1]] = file
		}
	}
}
