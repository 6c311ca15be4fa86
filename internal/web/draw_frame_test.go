package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/web"
)

// A page may be in a frame where the configuration says so, and only there; a browser learns of it when the page is the same.
func TestFrames(t *testing.T) {
	draw := func(origins ...string) http.Header {
		w := httptest.NewRecorder()
		web.Draw(w, httptest.NewRequest("GET", "/", nil), 200, "message", web.Page{Form: "embed", Embed: origins, Body: web.Notice{Title: "A", Text: "B"}})
		return w.Header()
	}
	none, some := draw(), draw("https://wiki.example.com", "http://plant:8080")
	for _, c := range []struct {
		head  http.Header
		frame string
		old   string
	}{{none, "frame-ancestors 'none';", "DENY"}, {some, "frame-ancestors 'self' https://wiki.example.com http://plant:8080;", ""}} {
		if got := c.head.Get("Content-Security-Policy"); !strings.Contains(got, c.frame) {
			t.Errorf("the policy is %q, want %s", got, c.frame)
		}
		if got := c.head.Get("X-Frame-Options"); got != c.old {
			t.Errorf("X-Frame-Options is %q, want %q", got, c.old)
		}
	}
	if none.Get("ETag") == some.Get("ETag") {
		t.Error("both have one ETag, so browsers would keep the policy that they have")
	}
}
