package gateway_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A guarded upstream wants a certificate and a token, and notes what it was asked.
type guarded struct {
	*httptest.Server
	files string // of the keys of tls

	asking, most atomic.Int64 // how many requests are in progress, without those for tokens, and how many were at most

	mu    sync.Mutex // guards the fields below
	asked []string
}

func newGuarded(t *testing.T) *guarded {
	t.Helper()
	g := new(guarded)
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(g.answer))
	g.Config.ErrorLog = log.New(io.Discard, "", 0)
	g.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	g.StartTLS()
	t.Cleanup(g.Close)
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(g.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: g.Certificate().Raw}, keyFile: {Type: "PRIVATE KEY", Bytes: key}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g.files = fmt.Sprintf("ca: %s, cert: %s, key: %s", cert, cert, keyFile)
	return g
}

func (g *guarded) answer(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.URL.Path != "/token" {
		defer g.asking.Add(-1)
		if n := g.asking.Add(1); n > g.most.Load() {
			g.most.Store(n)
		}
		time.Sleep(5 * time.Millisecond) // so that others overlap if they may
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.Method+" "+r.RequestURI+" "+string(body))
	if r.URL.Path != "/token" && r.Header.Get("Authorization") != "Bearer t0ken-of-the-plant" {
		http.Error(w, "who are you with "+r.Header.Get("Authorization"), http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/token":
		fmt.Fprint(w, `{"access_token": "t0ken-of-the-plant", "expires_in": 3600}`)
	case "/start":
		w.Header().Set("Operation-Location", "/operations/1")
		w.WriteHeader(http.StatusAccepted)
	case "/operations/1":
		fmt.Fprintf(w, `{"status": "succeeded", "result": {"by": %q}}`, r.Header.Get("Authorization"))
	case "/api/hook/Tank":
	default:
		fmt.Fprint(w, `{"level": 95}`)
	}
}

// times counts the requests that begin so.
func (g *guarded) times(begin string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, asked := range g.asked {
		if strings.HasPrefix(asked, begin) {
			n++
		}
	}
	return n
}

// Sources, jobs with what they follow, and webhooks take the way of their upstream: one token, one certificate.
func TestSourcesJobsAndWebhooksGoTheWayOfTheirUpstream(t *testing.T) {
	g := newGuarded(t)
	s := start(t, fmt.Sprintf(`
upstreams:
  plant:
    http: %s/
    tls: {%s}
    auth: {oauth2: {token_url: %q, client_id: tidewire, client_secret: s3cret-of-tidewire}}
    max_inflight: 1
sources:
  tank:
    title: Tank
    http: {upstream: plant, path: /now}
    pick: {level: .level}
    alert: {if: .level > 90, notify: [ops, lead]}
notify:
  ops: {http: {upstream: plant, path: "/api/hook/{title}", query: {level: "{value}", tag: [a b, c]}, body: "{state}"}}
  lead: {http: {upstream: plant, path: /other}}
jobs:
  scan: {http: {upstream: plant, path: /start, follow: operation-location}}
`, g.URL, g.files, g.URL+"/token"))
	s.source("tank", "ok")
	run := s.ended(of(s.json(202, "POST", "/api/v1/jobs/scan/runs", `{}`), "id"))
	if run["status"] != "succeeded" || fmt.Sprint(run["result"]) != "map[by:Bearer ***]" {
		t.Errorf("the run is %v, want its result, with the token hidden", run)
	}
	shows(t, "the run", run, "t0ken", "s3cret-of")
	for deadline := time.Now().Add(10 * time.Second); g.times("POST /other") == 0 || g.times("POST /api/hook/Tank") == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("the webhooks were not called: %v", g.asked)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if most := g.most.Load(); most != 1 {
		t.Errorf("%d requests were in progress at once, want one: max_inflight is for webhooks, too", most)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if want := "POST /api/hook/Tank?level=95&tag=a+b&tag=c firing"; !slices.Contains(g.asked, want) {
		t.Errorf("the requests are %q, want %s among them", g.asked, want)
	}
	tokens := slices.DeleteFunc(slices.Clone(g.asked), func(s string) bool { return !strings.HasPrefix(s, "POST /token") })
	if len(tokens) != 1 {
		t.Errorf("%d tokens were requested, want one for all: %v", len(tokens), tokens)
	}
}

// A reload that changes the credential of an upstream changes it for its sources, jobs and webhooks.
func TestAReloadChangesTheWay(t *testing.T) {
	var key string
	u := newUpstream(t, "")
	u.does(func(w http.ResponseWriter, r *http.Request) {
		key = r.URL.Query().Get("key")
		fmt.Fprintf(w, "%d", len(key))
	})
	config := func(key string) string {
		return fmt.Sprintf("upstreams: {plant: {http: %q, auth: {api_key: {query: key, key: %s}}}}\nsources: {a: {http: {upstream: plant}, every: 1h}}\njobs: {b: {http: {upstream: plant}}}\n", u.URL, key)
	}
	s := startFile(t, config("first"), 0)
	if got := s.source("a", "ok")["value"]; got != 5.0 || key != "first" {
		t.Errorf("the upstream got the key %q, and the value is %v", key, got)
	}
	s.reload(config("the-second"))
	s.ended(of(s.json(202, "POST", "/api/v1/jobs/b/runs", `{}`), "id"))
	if key != "the-second" {
		t.Errorf("after a reload the upstream got the key %q", key)
	}
}
