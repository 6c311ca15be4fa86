// Package issuertest is an OpenID Connect provider for tests: it lets everybody in as the
// same person, and can be told to misbehave.
package issuertest

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

// ClientID is how the issuer calls its one client.
const ClientID = "tidewire"

// An Issuer is a provider at work. Its ID tokens are about ann, of the groups staff and
// ops, whose subject is 42.
type Issuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu    sync.Mutex // guards the fields below
	says  Behaviour
	codes map[string]grant
	asked map[string]int // requests by path
}

// Behaviour is what an issuer does other than it should. The zero value is right.
type Behaviour struct {
	Claims   map[string]any // of ID tokens, over what is right; nil values are left out
	Alg      string         // by which they are signed: "none", or "HS256" with the public key as the secret
	UserInfo map[string]any // what /userinfo answers
	Metadata map[string]any // of the discovery document, over what is right
	Hold     chan struct{}  // /token and /userinfo take from it before they answer
	Down     bool           // every answer is 502
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

// New starts an issuer, which ends with the test. Its URL is the issuer's name.
func New(t testing.TB) *Issuer {
	i := &Issuer{key: key(), codes: map[string]grant{}, asked: map[string]int{}}
	i.Server = httptest.NewServer(i)
	t.Cleanup(i.Close)
	return i
}

// Behave has the issuer do so from now on.
func (i *Issuer) Behave(says Behaviour) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.says = says
}

// Asked is how many requests there were for a path.
func (i *Issuer) Asked(path string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked[path]
}

// Permit signs a person in whose browser was sent to the address, and returns the
// address to which it is sent back.
func (i *Issuer) Permit(to string) *url.URL {
	u, err := url.Parse(to)
	if err != nil {
		panic(err)
	}
	return i.permit(u.Query())
}

func (i *Issuer) permit(q url.Values) *url.URL {
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		panic(err)
	}
	code := "canary-code-" + rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.codes[code] = grant{q.Get("code_challenge"), q.Get("nonce"), q.Get("redirect_uri")}
	back.RawQuery = url.Values{"code": {code}, "state": {q.Get("state")}}.Encode()
	return back
}

// ServeHTTP answers as a provider does.
// It is long because each endpoint has its case.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.asked[r.URL.Path]++
	says := i.says
	i.mu.Unlock()
	answer := func(status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	if says.Down {
		http.Error(w, "down", http.StatusBadGateway)
		return
	}
	if says.Hold != nil && (r.URL.Path == "/token" || r.URL.Path == "/userinfo") {
		select {
		case <-says.Hold:
		case <-r.Context().Done():
		}
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		metadata := map[string]any{
			"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"jwks_uri": i.URL + "/keys", "userinfo_endpoint": i.URL + "/userinfo",
			"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"},
		}
		maps.Copy(metadata, says.Metadata)
		answer(http.StatusOK, metadata)
	case "/keys":
		answer(http.StatusOK, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "kid": "k", "n": encode(i.key.N.Bytes()), "e": encode(big.NewInt(int64(i.key.E)).Bytes()),
		}}})
	case "/userinfo":
		answer(http.StatusOK, says.UserInfo)
	case "/authorize":
		http.Redirect(w, r, i.permit(r.URL.Query()).String(), http.StatusSeeOther)
	case "/token":
		verifier := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		i.mu.Lock()
		g, ok := i.codes[r.PostFormValue("code")]
		delete(i.codes, r.PostFormValue("code"))
		i.mu.Unlock()
		if !ok || g.challenge != encode(verifier[:]) || g.redirect != r.PostFormValue("redirect_uri") {
			answer(http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
			return
		}
		claims := map[string]any{
			"iss": i.URL, "aud": ClientID, "sub": "42",
			"preferred_username": "ann", "groups": []string{"staff", "ops"}, "nonce": g.nonce,
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
		}
		maps.Copy(claims, says.Claims)
		maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
		token := i.sign(claims, says.Alg)
		answer(
			http.StatusOK, map[string]any{"access_token": "canary-access", "token_type": "Bearer", "id_token": token},
		)
	default:
		http.NotFound(w, r)
	}
}

// sign makes a token of claims.
func (i *Issuer) sign(claims map[string]any, alg string) string {
	if alg == "" {
		alg = "RS256"
	}
	head, _ := json.Marshal(map[string]any{"alg": alg, "kid": "k"})
	body, _ := json.Marshal(claims)
	text := encode(head) + "." + encode(body)
	var signature []byte
	switch sum := sha256.Sum256([]byte(text)); alg {
	case "RS256":
		signature, _ = rsa.SignPKCS1v15(nil, i.key, crypto.SHA256, sum[:])
	case "HS256":
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&i.key.PublicKey))
		mac.Write([]byte(text))
		signature = mac.Sum(nil)
	}
	return text + "." + encode(signature)
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
