package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/value"
)

// A polled source is one that a test fetches.
type polled struct {
	kind.Fetcher
	last  any // its last value
	trace bytes.Buffer
}

// fetch fetches once, and remembers the value.
func (p *polled) fetch(ctx context.Context) (kind.Result, error) {
	got, err := p.Fetch(kind.WithTrace(ctx, kind.NewTrace(&p.trace, nil)))
	if err == nil {
		p.last = got.Value
		if c, ok := p.Fetcher.(kind.Confirmer); ok {
			c.Confirm()
		}
	}
	return got, err
}

// poll opens the source whose http is written as text, without its upstream, which is the server.
func poll(t *testing.T, server *httptest.Server, text string, variables ...string) *polled {
	t.Helper()
	upstream := &httpkind.Upstream{Name: "u", URL: parseURL(t, server.URL+"/base"), Header: http.Header{}, KeepAlive: true}
	var source kind.Source
	r := grammar.Read("f", []byte("http: {upstream: u, "+text+"}"), grammar.Options{}, func(root *grammar.Node) {
		section := httpkind.Kind.Section(kind.Reading{Where: "source", Upstream: func(*grammar.Node) kind.Upstream { return upstream }})
		root.Read("source", section.Keys)
		source = section.Source(root)
	})
	if problems := r.Problems(10); problems != nil {
		t.Fatal(problems)
	}
	p := new(polled)
	secrets := secret.New(source.Secrets().Said...)
	var err error
	p.Fetcher, err = source.Open(kind.Env{
		Secrets: secrets, Client: server.Client(), Parse: value.Format{Name: "json"}, Variables: variables, Last: func() any { return p.last },
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// echo answers with what it was sent.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("ETag", `"1"`)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"method": r.Method, "path": r.URL.EscapedPath(), "query": r.URL.RawQuery, "body": string(body), "type": r.Header.Get("Content-Type"),
		"conditional": r.Header.Get("If-None-Match") != "", "x": r.Header.Values("X-A"),
	})
}

func TestWhatIsSent(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	for _, tt := range []struct {
		text, method, path, query, body, contentType string
	}{
		{"path: /a", "GET", "/base/a", "", "", ""},
		{"path: /web/http://a//%2F/./é/", "GET", "/base/web/http://a//%2F/./%C3%A9/", "", "", ""},
		{"method: PUT", "PUT", "/base", "", "", ""},
		{`json: {a: 1, b: ["2", true, null, 1.5, +3], "c\"": "<é>", d: {}, e: []}`, "POST", "/base", "",
			`{"a":1,"b":["2",true,null,1.5,3],"c\"":"\u003cé\u003e","d":{},"e":[]}`, "application/json"},
		{`body: '{"a": "{b}"}'`, "POST", "/base", "", `{"a": "{b}"}`, "application/json"},
		{"method: REPORT, body: <a/>, headers: {Content-Type: text/xml}", "REPORT", "/base", "", "<a/>", "text/xml"},
		{"query: {z: 1, a: [2, 3]}", "GET", "/base", "z=1&a=2&a=3", "", ""},
		{`path: '/{x}/${jq: "a/b"}/c d', query: {now: "at ${jq: [1]}", none: "${jq: null}", empty: "x${jq: null}"}`, "GET", "/base/%7Bx%7D/a%2Fb/c%20d", "now=at+%5B1%5D&empty=x", "", ""},
		{`json: {a: "${jq: {b: 1} | .b + 1}", c: 'is ${jq: "\"q\""}', d: "${jq: {a: [null]}}"}`, "POST", "/base", "", `{"a":2,"c":"is \"q\"","d":{"a":[null]}}`, "application/json"},
		{`json: "${jq: [1, {a: .}]}"`, "POST", "/base", "", `[1,{"a":null}]`, "application/json"},
		{`body: 'a=${jq: "1&b=2"}', headers: {Content-Type: application/x-www-form-urlencoded}`, "POST", "/base", "", "a=1%26b%3D2", "application/x-www-form-urlencoded"},
		{`body: '<a>${jq: "<b/>"}</a>', headers: {Content-Type: text/xml}`, "POST", "/base", "", "<a>&lt;b/&gt;</a>", "text/xml"},
	} {
		got, err := poll(t, server, tt.text).fetch(t.Context())
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		v := got.Value.(map[string]any)
		if v["method"] != tt.method || v["path"] != tt.path || v["query"] != tt.query || v["body"] != tt.body || v["type"] != tt.contentType {
			t.Errorf("%s sends %v, want %+v", tt.text, v, tt)
		}
	}
}

// A cursor goes on from the last value, and a header that is null is left out.
func TestARequestGoesOnFromTheLastValue(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("after") == "2" {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		next := len(r.URL.Query().Get("after")) + len(r.Header.Values("X-A"))
		fmt.Fprintf(w, `{"next": %q, "has": %d, "x": %q}`, strings.Repeat("1", next+1), len(r.URL.Query()), r.Header.Get("X-A"))
	}))
	defer server.Close()
	p := poll(t, server, `query: {after: "${jq: .next}"}, headers: {X-A: "${jq: .x | if . == \"\" then \"seen\" else . end}"}`)
	for _, want := range []string{"map[has:0 next:1 x:]", "map[has:1 next:111 x:seen]"} {
		if got, err := p.fetch(t.Context()); err != nil || fmt.Sprint(got.Value) != want {
			t.Fatalf("fetch = %v, %v, want %s", got.Value, err, want)
		}
	}
	if !strings.Contains(p.trace.String(), "computed\n  ${jq: .next} = \"1\"\n") {
		t.Errorf("the trace is\n%s\nwant what the expressions gave", &p.trace)
	}
	p.last = map[string]any{"next": "2"}
	if _, err := p.fetch(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "/base: 503 Service Unavailable: busy") {
		t.Errorf("fetch = %v, want 503", err)
	}
	p.last = []any{}
	if _, err := p.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "/base: jq: .next: expected an object but got: array") {
		t.Errorf("fetch = %v, want the error of the expression", err)
	}
	p.last = map[string]any{"next": strings.Repeat("x", 20<<10)}
	if _, err := p.fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "the address of the request has ") {
		t.Errorf("fetch = %v, want that the address is too long", err)
	}
}

// Only a plain GET is asked for again by its validator.
func TestWhatIsRevalidated(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(echo))
	defer server.Close()
	for text, want := range map[string]bool{
		"path: /a": true, "json: {}": false, "method: GET, body: '1'": false, `query: {a: "${jq: 1}"}`: false, "pages: .next": false,
	} {
		for variable, keeps := range map[string]bool{"": true, "$status": false, "$headers": false, "$took": true, "$cert": true} {
			var variables []string
			if variable != "" {
				variables = []string{variable}
			}
			p := poll(t, server, text, variables...)
			var got kind.Result
			for range 2 {
				var err error
				if got, err = p.fetch(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			v, _ := got.Value.(map[string]any)
			if list, ok := got.Value.([]any); ok {
				v = list[0].(map[string]any)
			}
			if v["conditional"] != (want && keeps) {
				t.Errorf("%s with %q: the second request is conditional: %v, want %v", text, variable, v["conditional"], want && keeps)
			}
		}
	}
}

func TestVariablesOfAnAnswer(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("X-B", "1")
		w.Header().Add("X-B", "2")
		w.Header().Set("Content-Length", "20000000000")
		if r.Method == http.MethodHead {
			return
		}
		w.Header().Set("Content-Length", "4")
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, "null")
	}))
	defer server.Close()
	for text, status := range map[string]int{"method: HEAD": 200, "accept: [404]": 404} {
		p := poll(t, server, text, "$status", "$headers", "$took", "$cert")
		got, err := p.fetch(t.Context())
		if err != nil || got.Value != nil {
			t.Fatalf("%s: %v, %v, want null", text, got.Value, err)
		}
		cert := server.Certificate()
		want := map[string]any{
			"days": int(time.Until(cert.NotAfter).Hours() / 24), "expires": cert.NotAfter.UTC().Format(time.RFC3339),
			"issuer": "O=Acme Co", "subject": "O=Acme Co", "names": []any{"example.com", "*.example.com", "127.0.0.1", "::1"},
		}
		if got := got.Variables["$cert"]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: $cert = %v, want %v", text, got, want)
		}
		if got.Variables["$status"] != status || got.Variables["$headers"].(map[string]any)["x-b"] != "1, 2" {
			t.Errorf("%s: variables are %v", text, got.Variables)
		}
		if took := got.Variables["$took"].(float64); took <= 0 || took > 10 {
			t.Errorf("%s: $took = %v", text, took)
		}
		if !strings.Contains(p.trace.String(), "certificate of O=Acme Co by O=Acme Co, for ") {
			t.Errorf("the trace has no certificate:\n%s", &p.trace)
		}
	}
	plain := httptest.NewServer(http.HandlerFunc(echo))
	defer plain.Close()
	if got, err := poll(t, plain, "path: /a", "$cert").fetch(t.Context()); err != nil || !reflect.DeepEqual(got.Variables, map[string]any{"$cert": nil}) {
		t.Errorf("without TLS: %v, %v, want $cert null", got.Variables, err)
	}
	if got, err := poll(t, plain, "path: /a").fetch(t.Context()); err != nil || got.Variables != nil {
		t.Errorf("nobody wants variables: %v, %v", got.Variables, err)
	}
}

func TestPages(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.String())
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path + "?" + r.URL.RawQuery {
		case "/base/link?":
			w.Header().Set("Link", fmt.Sprintf(`<http://%s/base/link?page=2>; rel="next"`, r.Host))
		case "/base/rel?":
			fmt.Fprint(w, `{"n": 1, "next": "rel?page=2#top"}`)
			return
		case "/base/rel?page=2":
			fmt.Fprint(w, `{"n": 2, "next": ""}`)
			return
		case "/base/same?":
			fmt.Fprint(w, `{"next": "same?page=2"}`)
			return
		case "/base/same?page=2":
			fmt.Fprint(w, `{"next": "same"}`)
			return
		case "/base/away?":
			fmt.Fprint(w, `{"next": "http://example.com/key"}`)
			return
		case "/base/user?":
			fmt.Fprintf(w, `{"next": "http://me:other@%s/base/user?page=2"}`, r.Host)
			return
		case "/base/user?page=2":
			fmt.Fprintf(w, `{"next": null, "sent": %q}`, r.Header.Get("Authorization"))
			return
		case "/base/number?":
			fmt.Fprint(w, `{"next": 2}`)
			return
		case "/base/fails?":
			fmt.Fprint(w, `{"next": "fails?page=2"}`)
			return
		case "/base/fails?page=2":
			http.Error(w, "oh no", http.StatusInternalServerError)
			return
		}
		if strings.HasPrefix(r.URL.Path, "/base/more") {
			fmt.Fprintf(w, `{"next": %q}`, r.URL.Path+"x")
			return
		}
		if strings.HasPrefix(r.URL.Path, "/base/large") {
			fmt.Fprintf(w, `{"next": %q, "text": %q}`, r.URL.Path+"x", strings.Repeat("x", 1_500_000))
			return
		}
		if strings.HasPrefix(r.URL.Path, "/base/parts") {
			fmt.Fprintf(w, `{"next": %q, "list": [%s0]}`, r.URL.Path+"x", strings.Repeat("{},", 60_000))
			return
		}
		fmt.Fprintf(w, "[%q, %q]", r.URL.RawQuery, body)
	}))
	defer server.Close()
	const link = `pages: {next: '$headers.link | if . then capture("<(?<u>[^>]*)>; rel=\"next\"").u else null end'}`
	for _, tt := range []struct{ text, want, err string }{
		{"path: /link, " + link, `[["",""],["page=2",""]]`, ""},
		{`path: /link, json: {a: 1}, ` + link, `[["","{\"a\":1}"],["page=2","{\"a\":1}"]]`, ""},
		{"path: /rel, pages: .next", `[{"n":1,"next":"rel?page=2#top"},{"n":2,"next":""}]`, ""},
		{"path: /one, pages: 'null'", `[["",""]]`, ""},
		{"path: /same, pages: .next", "", "/base/same: page 2 names page 1 as the next one"},
		{"path: /away, pages: .next", "", "/base/away: the next page is at another origin, http://example.com: want one of its own upstream"},
		{"path: /number, pages: .next", "", "/base/number: the next page: .next gives neither an address nor null"},
		{"path: /one, pages: .next.x", "", "/base/one: the next page: jq: .next.x: expected an object but got: array ("},
		{"path: /fails, pages: .next", "", "/base/fails: 500 Internal Server Error: oh no"},
		{"path: /more, pages: {next: .next, max: 3}", "", "/base/morexx: there are more than 3 pages: ask for larger ones, or raise pages.max"},
		{"path: /large, pages: .next", "", "/base/largexx: the pages have more than 4 MiB in all"},
		{"path: /parts, pages: .next", "", "/base/partsx: too many elements and members: they would take more than 32 MiB of memory"},
	} {
		p := poll(t, server, tt.text)
		for range 2 { // the second time as well
			asked = nil
			got, err := p.fetch(t.Context())
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%s: %v, want %s", tt.text, err, tt.err)
				}
				continue
			}
			if data, _ := json.Marshal(got.Value); err != nil || string(data) != tt.want {
				t.Errorf("%s = %s, %v, want %s; asked %q", tt.text, data, err, tt.want, asked)
			}
		}
	}
	p := poll(t, server, "path: /user, pages: .next, headers: {X-Team: a}")
	if got, err := p.fetch(t.Context()); err != nil || got.Value.([]any)[1].(map[string]any)["sent"] != "" {
		t.Errorf("a page has named a user for the next one: %v, %v", got.Value, err)
	}
	p = poll(t, server, "path: /rel, pages: .next", "$status", "$took")
	got, err := p.fetch(t.Context())
	if err != nil || got.Variables["$status"] != 200 || got.Variables["$took"].(float64) <= 0 || got.Size != 54 {
		t.Errorf("fetch = %+v, %v", got, err)
	}
	if n := strings.Count(p.trace.String(), "\nrequest\n"); n != 2 {
		t.Errorf("the trace has %d requests, want 2:\n%s", n, &p.trace)
	}
}

// Between two pages a poll waits as its upstream's limits have it, but no longer than its own time.
func TestPagesWait(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"next": %q}`, r.URL.Path+"x")
	}))
	defer server.Close()
	tooLate := errors.New("the poll has timed out")
	ctx, cancel := context.WithCancelCause(t.Context())
	waits := 0
	again := func(ctx context.Context) error {
		if waits++; waits == 2 {
			cancel(tooLate)
			return context.Cause(ctx)
		}
		return nil
	}
	p := poll(t, server, "pages: .next")
	httpkind.SetAgain(p.Fetcher, again)
	if _, err := p.fetch(ctx); !errors.Is(err, tooLate) || waits != 2 {
		t.Errorf("fetch = %v after %d waits, want %v after 2", err, waits, tooLate)
	}
}

// What expressions make a credential of is hidden like one that is written.
func TestCredentialsThatAreComputed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		http.Error(w, fmt.Sprint(r.Header["Authorization"], r.URL.RawQuery, string(body)), http.StatusForbidden)
	}))
	defer server.Close()
	p := poll(t, server, `headers: {Authorization: "Basic ${jq: \"ann:\\(.word)\" | @base64}"}, query: {key: "k-${jq: .word}"}, json: {token: "${jq: .word | ascii_upcase}"}`)
	p.last = map[string]any{"word": "canary-c0ffee"}
	_, err := p.fetch(t.Context())
	all := fmt.Sprint(err) + p.trace.String()
	for _, hidden := range []string{"YW5uOmNhbmFyeS1jMGZmZWU", "k-canary", "CANARY-C0FFEE"} {
		if strings.Contains(all, hidden) {
			t.Errorf("%s is shown:\n%s", hidden, all)
		}
	}
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden") {
		t.Errorf("fetch = %v, want 403", err)
	}
}

func TestSecretsOfARequest(t *testing.T) {
	upstream := &httpkind.Upstream{Header: http.Header{}}
	r := httpkind.Request{
		Upstream: upstream, Header: http.Header{"X-A": {"north", "{x}"}, "X-Token": {"tok-1"}}, Query: []httpkind.Pair{{"key", "q-1"}, {"key", "{x}"}, {"city", "Perth"}},
		Body: `{"password": "pw-1", "name": "ann", "pin": {x}}`,
	}
	got := r.Secrets()
	for _, list := range []*[]string{&got.Said, &got.Values} {
		slices.Sort(*list)
	}
	if want := []string{"north", "pw-1", "q-1", "tok-1"}; !slices.Equal(got.Said, want) {
		t.Errorf("hidden in errors are %q, want %q", got.Said, want)
	}
	if want := []string{"pw-1", "q-1", "tok-1"}; !slices.Equal(got.Values, want) {
		t.Errorf("hidden in values are %q, want %q", got.Values, want)
	}
}
