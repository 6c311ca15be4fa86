package http_test

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	httpkind "github.com/tidewire/tidewire/internal/kind/http"
)

// A guardian checks Digest as RFC 7616 has it: each nonce is its own, each number of its use is used once, and the hash
// must be right for exactly this request. It computes that by itself.
type guardian struct {
	algorithm string // "MD5", "SHA-256" or "", which means MD5; with -sess or without
	qop       string // a list of "auth" and "auth-int", the one that is used first; or ""
	lives     int    // how often a nonce may be used before it is stale; 0: for ever
	silent    bool   // it does not say that a nonce is stale
	next      bool   // each answer has the nonce of the next request, and no nonce can be used twice
	beside    string // other challenges: before and behind %s in one line, or in several lines

	mu     sync.Mutex // guards the fields below
	nonces map[string]*nonce
	issued int // nonces
	asks   int // challenges
	asked  int // requests in all
	passed int
	wrong  []string
	bodies []string
}

// A nonce is one that was issued.
type nonce struct {
	used  map[string]bool // counts
	prime [2]string       // with -sess: the nonce and the cnonce with which the session began; empty: it has not
}

var parameters = regexp.MustCompile(`(\w+)=(?:"([^"]*)"|([^,]*))`)

func (g *guardian) hash(parts ...string) string {
	var h hash.Hash = md5.New()
	if strings.HasPrefix(g.algorithm, "SHA-256") {
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
	stale, was, why := g.checkLocked(r, string(body))
	if why == "" {
		g.passed++
		g.bodies = append(g.bodies, string(body))
		if g.next {
			g.issued++
			next := fmt.Sprintf("n%d,=", g.issued)
			g.nonces[next] = &nonce{used: map[string]bool{}, prime: was.prime}
			w.Header().Set("Authentication-Info", `qop=auth, rspauth="a, nextnonce=b", nextnonce = "`+next+`"`)
		}
		fmt.Fprintf(w, `{"passed": %d}`, g.passed)
		return
	}
	g.wrong = append(g.wrong, why)
	g.asks++
	g.issued++
	fresh := fmt.Sprintf("n%d,=", g.issued)
	g.nonces[fresh] = &nonce{used: map[string]bool{}}
	challenge := `Digest realm="the plant, line \"1\"", nonce="` + fresh + `", opaque="o p"`
	if g.algorithm != "" {
		challenge += ", algorithm=" + g.algorithm
	}
	if g.qop != "" {
		challenge += `, qop="` + g.qop + `"`
	}
	if stale && !g.silent {
		challenge += ", stale=true"
	}
	for line := range strings.Lines(fmt.Sprintf(cmp.Or(g.beside, "%s"), challenge)) {
		w.Header().Add("WWW-Authenticate", strings.TrimSpace(line))
	}
	http.Error(w, strings.Repeat("who are you? ", 100), http.StatusUnauthorized)
}

// checkLocked returns why a request does not pass, and whether only its nonce is to blame.
func (g *guardian) checkLocked(r *http.Request, body string) (stale bool, of *nonce, why string) {
	header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Digest ")
	if !ok {
		return false, nil, "no credential"
	}
	p := map[string]string{}
	for _, m := range parameters.FindAllStringSubmatch(strings.ReplaceAll(header, `\"`, "'"), -1) {
		p[m[1]] = m[2] + m[3]
	}
	of = g.nonces[p["nonce"]]
	const realm = `the plant, line "1"`
	qop := "auth"
	if !slices.Contains(strings.Split(strings.ReplaceAll(g.qop, " ", ""), ","), qop) {
		qop = g.qop
	}
	switch {
	case p["uri"] != r.URL.RequestURI() || p["realm"] != strings.ReplaceAll(realm, `"`, "'") || p["opaque"] != "o p":
		return false, nil, fmt.Sprintf("it is for another request: %v", p)
	case of == nil:
		return false, nil, "unknown nonce"
	case p["qop"] != qop || p["algorithm"] != g.algorithm:
		return false, nil, fmt.Sprintf("another way: %v", p)
	}
	a1 := g.hash("ann", realm, "s3cret")
	if strings.HasSuffix(g.algorithm, "-sess") {
		if of.prime[0] == "" {
			of.prime = [2]string{p["nonce"], p["cnonce"]}
		}
		a1 = g.hash(a1, of.prime[0], of.prime[1])
	}
	a2 := []string{r.Method, p["uri"]}
	if qop == "auth-int" {
		a2 = append(a2, g.hash(body))
	}
	parts := []string{a1, p["nonce"]}
	if g.qop != "" {
		parts = append(parts, p["nc"], p["cnonce"], p["qop"])
	}
	if p["response"] != g.hash(append(parts, g.hash(a2...))...) {
		return false, nil, "wrong hash"
	}
	if g.qop == "" || g.next { // the nonce is for one request
		delete(g.nonces, p["nonce"])
	}
	if g.qop == "" {
		return false, of, ""
	}
	n, err := strconv.ParseUint(p["nc"], 16, 32)
	switch {
	case err != nil || len(p["nc"]) != 8 || p["cnonce"] == "" || g.next && n != 1:
		return false, nil, "bad count " + p["nc"]
	case of.used[p["nc"]]:
		return false, nil, "replayed"
	case g.lives > 0 && int(n) > g.lives:
		return true, nil, "stale"
	}
	of.used[p["nc"]] = true
	return false, of, ""
}

func (g *guardian) start(t *testing.T, password string) (*httpkind.Upstream, *http.Client) {
	t.Helper()
	g.nonces = map[string]*nonce{}
	h := serve(t, "", g.ServeHTTP)
	u := upstreamOf(t, "{http: "+h.URL.String()+", auth: {digest: {user: ann, password: "+password+"}}}")
	return u, open(t, u)
}

func TestDigest(t *testing.T) {
	for _, g := range []*guardian{
		{qop: "auth"}, {algorithm: "MD5", qop: "auth"}, {algorithm: "SHA-256", qop: "auth"}, {algorithm: "SHA-256", qop: "auth-int"},
		{qop: "auth", lives: 2}, {qop: "auth", lives: 2, silent: true},
		{algorithm: "MD5-sess", qop: "auth"}, {algorithm: "SHA-256-sess", qop: "auth-int, auth"}, {algorithm: "SHA-256-sess", qop: "auth", lives: 2},
		{qop: "auth", next: true}, {algorithm: "MD5-sess", qop: "auth", next: true},
		{qop: "auth", beside: `Basic realm="a, Digest b=\"c\"", %s, Bearer`}, {qop: "auth", beside: "Negotiate, NTLM TlRM==,, %s\nBasic realm=x"},
		{algorithm: "MD5-sess", qop: "auth", beside: `Digest realm="x", nonce="y", algorithm=TOKEN, %s`},
		{qop: "auth", beside: "Digest realm=\"x\", nonce=\"y\", algorithm=MD5-sess\n%s\nDigest realm=\"x\", nonce=\"y\""},
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
		if g.asks != want || g.asked != 6+want {
			t.Errorf("%s %s: %d requests with %d challenges, want %d and %d: %v", g.algorithm, g.qop, g.asked, g.asks, 6+want, want, g.wrong)
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
		`Digest realm="x", nonce="y", algorithm=MD5-sess`: "401 Unauthorized: the server asks for digest with MD5-sess, which is not supported",
		`Digest realm="x", nonce="y", qop="auth-conf", Basic realm=x, Digest realm="x", nonce="y", algorithm=AKAv1-MD5, qop="auth,auth-int"`: "401 Unauthorized: " +
			"the server asks for digest with auth-conf or AKAv1-MD5 auth,auth-int, which is not supported",
		`Basic realm="a, b", Negotiate`: "401 Unauthorized: the server asks for Basic or Negotiate, not for digest",
		`Digest "`:                      "401 Unauthorized: the challenge for digest cannot be read",
		"":                              "401 Unauthorized: no",
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

// The examples of RFC 7616 §3.9, whose second one is as erratum 4897 has it.
func TestTheExamplesOfDigest(t *testing.T) {
	const first = `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=%s, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", ` +
		`opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
	const cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
	sha256, md5 := fmt.Sprintf(first, "SHA-256"), fmt.Sprintf(first, "MD5")
	for _, tt := range []struct {
		lines                          []string
		user, password, cnonce, target string
		has                            []string
	}{
		{[]string{sha256, md5}, "Mufasa", "Circle of Life", cnonce, "http://www.example.org/dir/index.html",
			[]string{`response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"`, "algorithm=SHA-256", "nc=00000001", "qop=auth",
				`uri="/dir/index.html"`, `opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`, `username="Mufasa"`, `cnonce="` + cnonce + `"`}},
		{[]string{md5 + ", " + sha256}, "Mufasa", "Circle of Life", cnonce, "http://www.example.org/dir/index.html",
			[]string{`response="8ca523f5e9506fed4657c9700eebdbec"`, "algorithm=MD5"}},
		{[]string{`Digest realm="api@example.org", qop="auth", algorithm=SHA-512-256, nonce="5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK", ` +
			`opaque="HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS", charset=UTF-8, userhash=true`},
			"Jäsøn Doe", "Secret, or not?", "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", "http://api.example.org/doe.json",
			[]string{`username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"`, "userhash=true",
				`response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"`}},
	} {
		got := httpkind.AnswerDigest(http.Header{"Www-Authenticate": tt.lines}, tt.user, tt.password, tt.cnonce, tt.target)
		for _, has := range tt.has {
			if !strings.Contains(got, has) {
				t.Errorf("the answer to %s is %s, want it to have %s", tt.lines[0], got, has)
			}
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

// Challenges that are written into one line, with whatever is quoted in them, are read as they were.
func FuzzChallenges(f *testing.F) {
	f.Add("Digest", `a, Basic b="c`, "Negotiate", "x==")
	f.Add("digest", `\`, "Basic", "")
	f.Fuzz(func(t *testing.T, first, quoted, second, token string) {
		for _, scheme := range []string{first, second} {
			if !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(scheme) {
				return
			}
		}
		if !regexp.MustCompile(`^[A-Za-z0-9]*=*$`).MatchString(token) || strings.HasPrefix(token, "=") || strings.ContainsAny(quoted, "\r\n") {
			return
		}
		quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(quoted)
		want := []string{first + ` realm="` + quoted + `", nonce="` + quoted + `"`, strings.TrimSpace(second + " " + token), first, second + " a=b"}
		for _, lines := range [][]string{want, {strings.Join(want, ",")}, {", " + strings.Join(want, " , ,\t"), ""}} {
			if got := httpkind.ChallengesOf(http.Header{"Www-Authenticate": lines}); !slices.Equal(got, want) {
				t.Errorf("of %q the challenges are %q, want %q", lines, got, want)
			}
		}
		if nonce := httpkind.NextNonce(http.Header{"Authentication-Info": {`rspauth="` + quoted + `", nextnonce="n"`}}); nonce != "n" {
			t.Errorf("the next nonce beside %q is %q, want n", quoted, nonce)
		}
	})
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
