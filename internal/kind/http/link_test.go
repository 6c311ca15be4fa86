package http_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	"github.com/tidewire/tidewire/internal/secret"
)

// upstreamOf reads one upstream, whose keys are in text.
func upstreamOf(t testing.TB, text string) *httpkind.Upstream {
	t.Helper()
	c, problems := config.Load("tidewire.yaml", []byte("version: 1\nupstreams:\n  plant: "+text+"\nsources: {a: {http: {upstream: plant}}}\n"))
	if problems != nil {
		t.Fatal(problems)
	}
	return c.Upstreams[0].Spec.(*httpkind.Upstream)
}

// open opens an upstream for the time of the test, and returns its client.
func open(t testing.TB, u *httpkind.Upstream) *http.Client {
	t.Helper()
	link, err := u.Open(kind.UpstreamEnv{Secrets: secretsOf(u), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if link == nil {
		t.Fatal("the upstream has no way of its own")
	}
	t.Cleanup(func() { _ = link.Close() })
	return httpkind.ClientOf(link, nil)
}

func secretsOf(u *httpkind.Upstream) *secret.Redactor { return secret.New(u.Secrets().Said...) }

// ask returns a request of u, to a path, as a source makes it.
func ask(t testing.TB, u *httpkind.Upstream, client *http.Client, path string) httpkind.Exchange {
	t.Helper()
	at := *u.URL.JoinPath(path)
	return httpkind.Exchange{Client: client, URL: &at, Header: u.Header, Secrets: secretsOf(u)}
}

// said returns the text of an error without what was asked.
func said(err error) string {
	if err == nil {
		return "no error"
	}
	return kind.Cause(err)
}

// Upstreams that need no way of their own share connections with all others.
func TestPlainUpstreamsHaveNoLink(t *testing.T) {
	for _, text := range []string{
		"{http: https://example.com}", "{http: https://example.com, bearer: s3cret}",
		"{http: https://example.com, auth: {basic: {user: ann, password: s3cret}}}",
		"{http: https://example.com, auth: {api_key: {header: x-key, key: s3cret}}}",
		"{http: https://example.com, limit: 5/s, max_inflight: 2}",
	} {
		if link, err := upstreamOf(t, text).Open(kind.UpstreamEnv{}); link != nil || err != nil {
			t.Errorf("Open of %s = %v, %v, want nothing", text, link, err)
		}
	}
	u := upstreamOf(t, "{http: https://example.com, auth: {basic: {user: ann, password: s3cret}}}")
	if got, want := u.Header.Get("Authorization"), "Basic YW5uOnMzY3JldA=="; got != want {
		t.Errorf("basic sends %q, want %q", got, want)
	}
	u = upstreamOf(t, "{http: https://example.com, auth: {api_key: {header: x-key, key: word}}}")
	if got, want := u.Header.Get("X-Key"), "word"; got != want {
		t.Errorf("api_key sends %q, want %q", got, want)
	}
	if text := secret.New(u.Secrets().Values...).Text("a word"); text != "a ***" {
		t.Errorf("a key that looks like a word is shown in values: %q", text)
	}
}

// A key in the query is in each request, and in no URL that anybody sees.
func TestAKeyInTheQuery(t *testing.T) {
	var got string
	h := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		if got = r.URL.RawQuery; r.URL.Path == "/moved" {
			http.Redirect(w, r, "/now?x=2;3&flag&a%70pid=old&b=%2F", http.StatusFound)
			return
		}
		http.Error(w, "no "+r.URL.String(), http.StatusTeapot)
	})
	u := upstreamOf(t, "{http: "+h.URL.String()+", auth: {api_key: {query: appid, key: s3cr+t/key}}}")
	get := ask(t, u, open(t, u), "/moved")
	_, err := get.Fetch(t.Context())
	if want := "x=2;3&flag&b=%2F&appid=s3cr%2Bt%2Fkey"; got != want {
		t.Errorf("the request after a redirect has the query %s, want %s", got, want)
	}
	if text := err.Error(); strings.Contains(text, "s3cr") || !strings.Contains(text, "appid=***") {
		t.Errorf("the error is %s, want the key hidden", text)
	}
}

// A link asks its upstream alone, whoever makes the request: a credential is for one origin.
func TestALinkAsksItsUpstreamAlone(t *testing.T) {
	other := serve(t, "/", func(w http.ResponseWriter, r *http.Request) { t.Errorf("another host was asked with %v", r.Header) })
	u := upstreamOf(t, "{http: http://127.0.0.1:1, auth: {digest: {user: ann, password: s3cret}}}")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, other.URL.String(), io.NopCloser(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := open(t, u).Do(req); err == nil || !strings.Contains(err.Error(), "upstream plant is at another place") {
		t.Errorf("a request to another host = %v, %v, want a refusal", resp, err)
	}
}

// A closed link still works, for a run that has begun with it, and keeps no connection.
func TestAClosedLinkKeepsNoConnection(t *testing.T) {
	var closes []bool
	h := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		closes = append(closes, r.Close)
		_, _ = io.WriteString(w, "1")
	})
	u := upstreamOf(t, "{http: "+h.URL.String()+", proxy: none}")
	link, err := u.Open(kind.UpstreamEnv{})
	if err != nil {
		t.Fatal(err)
	}
	get := ask(t, u, httpkind.ClientOf(link, nil), "/")
	for range 2 {
		if v, err := get.Fetch(context.Background()); v != 1.0 || err != nil {
			t.Fatalf("Fetch = %v, %v, want 1", v, err)
		}
		_ = link.Close()
	}
	if len(closes) != 2 || closes[0] || !closes[1] {
		t.Errorf("the connections were to be closed after the requests: %v, want only that of the closed link", closes)
	}
}
