package http_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// A guardian checks Digest as RFC 7616 has it: each nonce is its own, each number of its use is used once, and the hash
// must be right for exactly this request. It computes that by itself.
type guardian struct {
	algorithm string // "MD5", "SHA-256" or "", which means MD5
	qop       string // "auth", "auth-int" or ""
	lives     int    // how often a nonce may be used before it is stale; 0: for ever
	silent    bool   // it does not say that a nonce is stale

	mu     sync.Mutex // guards the fields below
	nonces map[string]map[string]bool
	issued int
	asked  int // requests in all
	passed int
	wrong  []string
	bodies []string
}

var parameters = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^,]*))`)

func (g *guardian) hash(parts ...string) string {
	var h hash.Hash = md5.New()
	if g.algorithm == "SHA-256" {
		h = sha256.New()
	}
	io.WriteString(h, strings.Join(parts, ":"))
	return hex.EncodeToString(h.Sum(nil))
}

func (g *guardian) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	stale, why := g.checkLocked(r, string(body))
	if why == "" {
		g.passed++
		g.bodies = append(g.bodies, string(body))
		fmt.Fprintf(w, `{"passed": %d}`, g.passed)
		return
	}
	g.wrong = append(g.wrong, why)
	g.issued++
	nonce := fmt.Sprintf("n%d,=", g.issued)
	g.nonces[nonce] = map[string]bool{}
	challenge := `Digest realm="the plant, line \"1\"", nonce="` + nonce + `", opaque="o p"`
	if g.algorithm != "" {
		challenge += ", algorithm=" + g.algorithm
	}
	if g.qop != "" {
		challenge += `, qop="` + g.qop + `"`
	}
	if stale && !g.silent {
		challenge += ", stale=true"
	}
	w.Header().Set("WWW-Authenticate", challenge)
	http.Error(w, strings.Repeat("who are you? ", 100), http.StatusUnauthorized)
}

// checkLocked returns why a request does not pass, and whether only its nonce is to blame.
func (g *guardian) checkLocked(r *http.Request, body string) (stale bool, why string) {
	header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	if !ok {
		return false, "no credential"
	}
	p := map[string]string{}
	for _, m := range parameters.FindAllStringSubmatch(strings.ReplaceAll(header, `\"`, "'"), -1) {
		p[m[1]] = m[2] + m[3]
	}
	used, known := g.nonces[p["nonce"]]
	const realm = `the plant, line "1"`
	switch {
	case p["uri"] != r.URL.RequestURI() || p["realm"] != strings.ReplaceAll(realm, `"`, "'") || p["opaque"] != "o p":
		return false, fmt.Sprintf("it is for another request: %v", p)
	case !known:
		return false, "unknown nonce"
	case g.qop != "" && p["qop"] != g.qop || g.algorithm != "" && p["algorithm"] != g.algorithm:
		return false, fmt.Sprintf("another way: %v", p)
	}
	a2 := []string{r.Method, p["uri"]}
	if g.qop == "auth-int" {
		a2 = append(a2, g.hash(body))
	}
	parts := []string{g.hash("ann", realm, "s3cret"), p["nonce"]}
	if g.qop != "" {
		parts = append(parts, p["nc"], p["cnonce"], p["qop"])
	}
	if p["response"] != g.hash(append(parts, g.hash(a2...))...) {
		return false, "wrong hash"
	}
	if g.qop == "" { // the nonce is for one request
		delete(g.nonces, p["nonce"])
		return false, ""
	}
	n, err := strconv.ParseUint(p["nc"], 16, 32)
	switch {
	case err != nil || len(p["nc"]) != 8 || p["cnonce"] == "":
		return false, "bad count " + p["nc"]
	case used[p["nc"]]:
		return false, "replayed"
	case g.lives > 0 && int(n) > g.lives:
		return true, "stale"
	}
	used[p["nc"]] = true
	return false, ""
}

func (g *guardian) start(t *testing.T, password string) (*httpkind.Upstream, *http.Client) {
	t.Helper()
	g.nonces = map[string]map[string]bool{}
	h := serve(t, "", g.ServeHTTP)
	u := upstreamOf(t, "{http: "+h.URL.String()+", auth: {digest: {user: ann, password: "+password+"}}}")
	return u, open(t, u)
}

func TestDigest(t *testing.T) {
	for _, g := range []*guardian{
		{qop: "auth"}, {algorithm: "MD5", qop: "auth"}, {algorithm: "SHA-256", qop: "auth"}, {algorithm: "SHA-256", qop: "auth-int"},
		{qop: "auth", lives: 2}, {qop: "auth", lives: 2, silent: true},
	} {
		u, client := g.start(t, "s3cret")
		get := ask(t, u, client, "/api/a b")
		get.URL.RawQuery = "x=1&y=%2F"
		for i := range 6 {
			v, err := get.Fetch(t.Context())
			if err != nil {
				t.Errorf("%+v: Fetch %d: %v", g, i, err)
			} else if got := v.(map[string]any)["passed"]; got != float64(i+1) {
				t.Errorf("%+v: Fetch %d = %v", g, i, got)
			}
		}
		want := 1 // challenges
		if g.lives > 0 {
			want = 3
		}
		if g.issued != want || g.asked != 6+want {
			t.Errorf("%s %s: %d requests with %d challenges, want %d and %d: %v", g.algorithm, g.qop, g.asked, g.issued, 6+want, want, g.wrong)
		}
	}
}

// Without qop, as RFC 2069 had it, a nonce of this server is for one request.
func TestDigestWithoutCounts(t *testing.T) {
	g := &guardian{}
	u, client := g.start(t, "s3cret")
	for range 3 {
		if _, err := ask(t, u, client, "/").Fetch(t.Context()); err != nil {
			t.Fatal(err, g.wrong)
		}
	}
}

// A job sends its body with the credential, whole, however often that takes.
func TestDigestWithABody(t *testing.T) {
	g := &guardian{qop: "auth-int", lives: 1}
	u, client := g.start(t, "s3cret")
	for i := range 4 {
		body := bytes.Repeat([]byte{'a' + byte(i)}, 100_000)
		answer, err := httpkind.Call{Client: client, Method: "PUT", URL: u.URL.JoinPath("/x"), Body: body}.Do(t.Context())
		if err != nil || answer.Code != 200 || g.bodies[i] != string(body) {
			t.Fatalf("Do = %+v, %v, want 200 and the body", answer, err)
		}
	}
}

// Many at once share challenges: no number is used twice, and none of them fails.
func TestDigestOfManyAtOnce(t *testing.T) {
	g := &guardian{qop: "auth", lives: 40}
	u, client := g.start(t, "s3cret")
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 20 {
				if _, err := ask(t, u, client, "/").Fetch(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if g.passed != 400 {
		t.Errorf("%d requests passed, want 400", g.passed)
	}
	for _, why := range g.wrong {
		if why != "no credential" && why != "stale" {
			t.Errorf("a request was refused: %s", why)
		}
	}
}

// A password that is wrong is tried once a request, so that no account is locked, and the error is the server's.
func TestDigestWithAWrongPassword(t *testing.T) {
	g := &guardian{qop: "auth"}
	u, client := g.start(t, "wr0ng")
	for i := range 3 {
		_, err := ask(t, u, client, "/x").Fetch(t.Context())
		if got := said(err); !strings.HasPrefix(got, "401 Unauthorized: who are you?") {
			t.Errorf("the error is %q, want 401 with what the server says", got)
		}
		if tried := strings.Count(strings.Join(g.wrong, " "), "wrong hash"); tried != i+1 {
			t.Errorf("%d passwords were tried by %d requests", tried, i+1)
		}
	}
}

// What a server asks for instead is said.
func TestNoDigest(t *testing.T) {
	for challenge, want := range map[string]string{
		"Basic realm=x": "401 Unauthorized: the server asks for Basic, not for digest",
		`Digest realm="x", nonce="y", algorithm=MD5-sess, qop="auth"`: "401 Unauthorized: the server asks for digest with MD5-sess auth, which is not supported",
		`Digest "`: "401 Unauthorized: the challenge for digest cannot be read",
		"":         "401 Unauthorized: no",
	} {
		h := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
			if challenge != "" {
				w.Header().Set("WWW-Authenticate", challenge)
			}
			http.Error(w, "no", http.StatusUnauthorized)
		})
		u := upstreamOf(t, "{http: "+h.URL.String()+", auth: {digest: {user: ann, password: s3cret}}}")
		_, err := ask(t, u, open(t, u), "/").Fetch(t.Context())
		if got := said(err); got != want {
			t.Errorf("asked for %q the error is %q, want %q", challenge, got, want)
		}
	}
}

// A server that challenges for ever is not asked for ever.
func TestDigestIsBounded(t *testing.T) {
	asked := 0
	h := serve(t, "", func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Digest realm="x", nonce="%d", qop="auth", stale=true`, asked))
		w.WriteHeader(http.StatusUnauthorized)
	})
	u := upstreamOf(t, "{http: "+h.URL.String()+", auth: {digest: {user: ann, password: s3cret}}}")
	if _, err := ask(t, u, open(t, u), "/").Fetch(t.Context()); said(err) != "401 Unauthorized" || asked != 3 {
		t.Errorf("after %d requests the error is %v, want 401 after 3", asked, err)
	}
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="x", nonce="y", qop="auth"`)
	f.Add("Basic realm=x")
	f.Add(`Digest realm="\`)
	f.Fuzz(func(t *testing.T, challenge string) {
		sent := 0
		d := httpkind.NewDigest("ann", "s3cret")
		req, _ := http.NewRequest("GET", "http://h/x", nil)
		resp, err := d(req, func(r *http.Request) (*http.Response, error) {
			if sent++; sent > 3 {
				t.Fatal("sent more than three times")
			}
			if strings.Contains(r.Header.Get("Authorization"), "s3cret") {
				t.Errorf("the challenge %q gets the password itself", challenge)
			}
			return &http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {challenge}}, Body: io.NopCloser(strings.NewReader(""))}, nil
		})
		if err == nil && resp.StatusCode != 401 {
			t.Errorf("the answer to %q is %v", challenge, resp)
		}
	})
}
