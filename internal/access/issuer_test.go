package access_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"
)

// An issuer is an OpenID Connect provider that can be told to misbehave.
type issuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu       sync.Mutex // guards the fields below
	codes    map[string]grant
	claims   map[string]any // of the next ID token, over what is right
	alg      string         // by which it is signed
	userInfo map[string]any
	down     bool
	asked    map[string]int // requests by path
}

// A grant is what a code stands for.
type grant struct{ challenge, nonce, redirect string }

// key is one for all issuers: making one takes a while.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func newIssuer(t *testing.T) *issuer {
	i := &issuer{key: key(), codes: map[string]grant{}, alg: "RS256", asked: map[string]int{}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

// set changes the issuer.
func (i *issuer) set(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked[r.URL.Path]++
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v)
	}
	if i.down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token", "jwks_uri": i.URL + "/keys",
			"userinfo_endpoint": i.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"},
		})
	case "/keys":
		answer(map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "kid": "k", "n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
		}}})
	case "/userinfo":
		answer(i.userInfo)
	case "/token":
		code, verifier := r.PostFormValue("code"), sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		g, ok := i.codes[code]
		delete(i.codes, code)
		if !ok || g.challenge != encode(verifier[:]) || g.redirect != r.PostFormValue("redirect_uri") {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			answer(map[string]any{"error": "invalid_grant"})
			return
		}
		claims := map[string]any{
			"iss": i.URL, "aud": "tidewire", "sub": "42", "preferred_username": "ann", "groups": []string{"staff", "ops"}, "nonce": g.nonce,
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}
		maps.Copy(claims, i.claims)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
		answer(map[string]any{"access_token": "canary-access", "token_type": "Bearer", "id_token": i.sign(claims)})
	default:
		http.NotFound(w, r)
	}
}

// sign makes a token of claims.
func (i *issuer) sign(claims map[string]any) string {
	head, _ := json.Marshal(map[string]any{"alg": i.alg, "kid": "k"})
	body, _ := json.Marshal(claims)
	text := encode(head) + "." + encode(body)
	var signature []byte
	switch sum := sha256.Sum256([]byte(text)); i.alg {
	case "RS256":
		signature, _ = rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, sum[:])
	case "HS256": // with the public key as the secret
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&i.key.PublicKey))
		mac.Write([]byte(text))
		signature = mac.Sum(nil)
	}
	return text + "." + encode(signature)
}

// permit signs a person in who was sent to the address, and returns the query with which
// the browser goes back.
func (i *issuer) permit(t *testing.T, to string) url.Values {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Path != "/authorize" || q.Get("response_type") != "code" || q.Get("client_id") != "tidewire" || q.Get("code_challenge_method") != "S256" ||
		q.Get("nonce") == "" || q.Get("state") == "" || q.Get("scope") != "openid profile" {
		t.Fatalf("sent to %s, want the code flow with PKCE, a nonce and a state", to)
	}
	code := rand.Text()
	i.set(func(i *issuer) { i.codes[code] = grant{q.Get("code_challenge"), q.Get("nonce"), q.Get("redirect_uri")} })
	return url.Values{"code": {code}, "state": {q.Get("state")}}
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
