package config_test

import (
	"encoding/json"
	"fmt"
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
		r, err := j.Request(t.Context(), values)
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

// The value of an argument is escaped also where it stands in no string of JSON, and in XML.
func TestAnArgumentIsEscapedForItsPlace(t *testing.T) {
	c := load(t, `
version: 1
upstreams: {u: {http: "http://h"}}
jobs:
  xml: {http: {upstream: u, headers: {Content-Type: text/xml}, body: "<a b='{n}'>{n}</a>"}, args: {n: {allow_dash: true}}}
  json: {http: {upstream: u, body: '{"n": {n}, "i": {i}, "on": {on}}'}, args: {n: {allow_dash: true}, i: {type: int}, on: {type: bool}}}
`)
	const value = `</a> 1, "x": "2'`
	for i, want := range []string{
		`<a b='&lt;/a&gt; 1, &#34;x&#34;: &#34;2&#39;'>&lt;/a&gt; 1, &#34;x&#34;: &#34;2&#39;</a>`,
		`{"n": "\u003c/a\u003e 1, \"x\": \"2'", "i": 3, "on": true}`,
	} {
		given := map[string]any{"n": value}
		if i == 1 {
			given["i"], given["on"] = 3.0, true
		}
		values, wrong := c.Jobs[i].Bind(given)
		if wrong != nil {
			t.Fatal(wrong)
		}
		if r, err := c.Jobs[i].Request(t.Context(), values); err != nil || string(r.Body) != want {
			t.Errorf("the body of %s is %s, %v, want %s", c.Jobs[i].Name, r.Body, err, want)
		}
	}
}

// A header keeps its parameters, a cookie its cookies and a body its language, whatever the values are.
func TestAnArgumentDoesNotChangeAHeader(t *testing.T) {
	c, problems := config.Load("f", []byte(`
version: 1
upstreams: {u: {http: "https://api.example.com"}}
jobs:
  j:
    http: {upstream: u, headers: {Content-Disposition: 'attachment; filename="{a}"', cookie: "sid=x; lang={a}"}}
    args: {a: {allow_dash: true}}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	r, err := c.Jobs[0].Request(t.Context(), map[string]any{"a": `en"; admin="1`})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Header.Get("Content-Disposition"), `attachment; filename="en\"; admin=\"1"`; got != want {
		t.Errorf("Content-Disposition: %s, want %s", got, want)
	}
	if got, want := r.Header.Get("Cookie"), "sid=x; lang=en%22%3B%20admin=%221"; got != want {
		t.Errorf("Cookie: %s, want %s", got, want)
	}
}

func TestAPlaceholderThatCouldChangeAHeaderIsRefused(t *testing.T) {
	for header, want := range map[string]string{
		`Content-Type: "application/{a}+json"`:            `5:72: header Content-Type: {a} could change how the other values are escaped, write it without a placeholder`,
		`Content-Disposition: "attachment; filename={a}"`: `5:88: header Content-Disposition: {a} could begin another parameter, write "{a}", with the quotes`,
	} {
		for _, kind := range []string{"jobs:\n  j: {http: {upstream: u,         headers: {%s}}, args: {a: {}}}\n", "notify:\n  j: {http: {url: 'http://h/',    headers: {%s}}}\n"} {
			if strings.HasPrefix(kind, "notify") {
				header, want = strings.ReplaceAll(header, "{a}", "{title}"), strings.ReplaceAll(want, "{a}", "{title}")
			}
			_, problems := config.Load("f", []byte("version: 1\nupstreams: {u: {http: http://h}}\nsources: {s: {exec: [a]}}\n"+strings.Replace(kind, "%s", header, 1)))
			if len(problems) != 1 || fmt.Sprint(problems[0].Line, ":", problems[0].Column, ": ", problems[0].What, ", ", problems[0].Want) != want {
				t.Errorf("%s has the problems %v, want %s", header, problems, want)
			}
		}
	}
}
