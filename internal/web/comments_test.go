package web_test

import (
	"regexp"
	"testing"

	"github.com/tidewire/tidewire/internal/web"
)

// Browsers get no comments, and everything else as it is written.
func TestCommentsStayHere(t *testing.T) {
	h := web.Handler()
	for target, resp := range assets(h) {
		if m := regexp.MustCompile(`(?m)^\s*(//|/\*).*`).FindString(resp.Body.String()); m != "" {
			t.Errorf("GET %s has the comment %q", target, m)
		}
	}
	module := get(h, "/tidewire.js").Body.String()
	for _, want := range []string{`export function subscribe(url, options = {}) {`, `"text/event-stream"`} {
		if !regexp.MustCompile(regexp.QuoteMeta(want)).MatchString(module) {
			t.Errorf("/tidewire.js has lost %s", want)
		}
	}
}
