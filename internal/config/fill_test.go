package config_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

const fillFile = `
version: 1
upstreams: {u: {http: "https://api.example.com/base"}}
jobs:
  j:
    http:
      upstream: u
      path: /items/{a}/parts
      query: {fixed: "1", q: "before {a} after"}
      headers: {X-A: "is {a}"}
      body: '{"a": "{a}", "n": {n}}'
    args: {a: {allow_dash: true}, n: {type: int, default: 3}}
`

// Whatever the value of an argument is, the request goes to the same host, its path has as
// many segments, its query as many parameters, and its body is one JSON object of the same
// members; and all of them say the value.
func FuzzRequest(f *testing.F) {
	for _, v := range []string{"x", "a/b", "..", ".", "%2e%2e", "?q=1#f", `"}, "m": {"`, "a&b=c", "\u2028", "@evil.example", "{n}", "\\", "\xff"} {
		f.Add(v)
	}
	c, problems := config.Load("f", []byte(fillFile))
	if problems != nil {
		f.Fatal(problems)
	}
	j := c.Jobs[0]
	f.Fuzz(func(t *testing.T, v string) {
		values, wrong := j.Bind(map[string]any{"a": v})
		if wrong != nil {
			return
		}
		r, err := j.Request(values)
		if err != nil {
			if v != "." && v != ".." {
				t.Errorf("Request(%q) = %v, want a request", v, err)
			}
			return
		}
		u, parseErr := url.Parse(r.URL.String())
		if parseErr != nil || u.Scheme != "https" || u.Host != "api.example.com" || u.User != nil || u.Fragment != "" {
			t.Fatalf("Request(%q) goes to %s, %v", v, r.URL, parseErr)
		}
		segments := strings.Split(u.EscapedPath(), "/")
		if len(segments) != 5 {
			t.Fatalf("Request(%q) has the path %s, want 4 segments", v, u.EscapedPath())
		}
		if got, _ := url.PathUnescape(segments[3]); got != v || segments[4] != "parts" {
			t.Errorf("Request(%q) has %q in its path, and %q after it", v, got, segments[4])
		}
		query, parseErr := url.ParseQuery(u.RawQuery)
		if parseErr != nil || len(query) != 2 || query.Get("fixed") != "1" || query.Get("q") != "before "+v+" after" {
			t.Errorf("Request(%q) has the query %s, %v", v, u.RawQuery, parseErr)
		}
		if got := r.Header["X-A"]; len(got) != 1 || got[0] != "is "+v {
			t.Errorf("Request(%q) has the header %q", v, got)
		}
		var body map[string]any
		if err := json.Unmarshal(r.Body, &body); err != nil || len(body) != 2 || body["a"] != v || body["n"] != 3.0 {
			t.Errorf("Request(%q) has the body %s, %v", v, r.Body, err)
		}
	})
}
