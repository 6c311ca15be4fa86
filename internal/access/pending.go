package access

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	signInFor   = 10 * time.Minute // the time that a person may take at the provider
	maxPending  = 4                // sign-ins in progress per browser
	maxUsed     = 10_000           // used sign-ins that are remembered
	stateCookie = "-sign-in-"      // followed by the beginning of the state
	stateDigits = 8                // how many characters of the state
)

// A NotBegunError means that a browser's request does not belong to a sign-in that was begun here: another site may
// have caused it. It has no effect.
type NotBegunError struct{ why string }

func (e *NotBegunError) Error() string { return e.why }

// A pending sign-in is kept by the browser, sealed, while a person is at the provider: one cookie for each, so that
// several tabs do not interfere. The gateway stores nothing until the sign-in is used, so its memory cannot be filled.
type pending struct {
	Provider providerID
	State    string
	Nonce    string
	Verifier string // for PKCE (RFC 7636)
	Redirect string
	Return   string // the place on the page to return to
	Until    time.Time
}

// keep stores a sign-in in a cookie of the browser. It removes the oldest one when there are too many.
func (g *Guard) keep(w http.ResponseWriter, r *http.Request, p pending) {
	prefix := g.cookieName(r, stateCookie)
	type kept struct {
		name  string
		until time.Time
	}
	var others []kept
	for _, cookie := range r.Cookies() {
		if strings.HasPrefix(cookie.Name, prefix) {
			other, _ := g.open(cookie.Value) // one that cannot be opened counts as the oldest
			others = append(others, kept{cookie.Name, other.Until})
		}
	}
	slices.SortFunc(others, func(a, b kept) int { return b.until.Compare(a.until) })
	for i, other := range others {
		if i >= maxPending-1 || time.Now().After(other.until) {
			g.drop(w, r, other.name)
		}
	}
	// Lax, not Strict: the browser has to send it when it comes back from the provider.
	g.setCookie(w, r, &http.Cookie{
		Name:     prefix + p.State[:stateDigits],
		Value:    g.seal(p),
		MaxAge:   int(signInFor / time.Second),
		SameSite: http.SameSiteLaxMode,
	})
}

// kept returns the sign-in of a state, if the browser has it, and the name of its cookie. It changes nothing.
func (g *Guard) kept(r *http.Request, state string) (p pending, name string, err error) {
	if len(state) < stateDigits {
		return pending{}, "", &NotBegunError{"the answer has no state"}
	}
	name = g.cookieName(r, stateCookie) + state[:stateDigits]
	cookie, err := r.Cookie(name)
	if err != nil {
		return pending{}, "", &NotBegunError{
			"the browser has no such sign-in: it took too long, or was begun at another address",
		}
	}
	if p, err = g.open(cookie.Value); err != nil {
		return pending{}, "", err
	}
	if subtle.ConstantTimeCompare([]byte(p.State), []byte(state)) != 1 {
		return pending{}, "", &NotBegunError{"the state is not that of the sign-in that was begun"}
	}
	return p, name, nil
}

// drop removes a cookie of a sign-in from the browser.
func (g *Guard) drop(w http.ResponseWriter, r *http.Request, name string) {
	g.setCookie(w, r, &http.Cookie{Name: name, MaxAge: -1, SameSite: http.SameSiteLaxMode})
}

// usedStates are the sign-ins that were used, until they would expire anyway. The zero value has none.
type usedStates struct {
	mu    sync.Mutex // guards the fields below
	all   map[string]bool
	order []usedState // oldest first
}

type usedState struct {
	state string
	at    time.Time
}

// use records that a sign-in is used, and reports whether this is the first time.
func (u *usedStates) use(now time.Time, state string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all[state] {
		return false
	}
	for len(u.order) > 0 && (len(u.order) >= maxUsed || now.Sub(u.order[0].at) > signInFor) {
		delete(u.all, u.order[0].state)
		u.order = u.order[1:]
	}
	if u.all == nil {
		u.all = map[string]bool{}
	}
	u.all[state] = true
	u.order = append(u.order, usedState{state, now})
	return true
}

// seal encrypts a pending sign-in, so that the browser can neither read nor change it.
func (g *Guard) seal(p pending) string {
	plain, _ := json.Marshal(p) // cannot fail: text and a time can be encoded
	aead := *g.aead.Load()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, nil))
}

// open decrypts the result of seal. The error is a [*NotBegunError].
func (g *Guard) open(sealed string) (p pending, err error) {
	data, err := base64.RawURLEncoding.DecodeString(sealed)
	aead := *g.aead.Load()
	if n := aead.NonceSize(); err == nil && len(data) >= n {
		if data, err = aead.Open(nil, data[:n], data[n:], nil); err == nil {
			err = json.Unmarshal(data, &p)
		}
		if err == nil {
			return p, nil
		}
	}
	return pending{}, &NotBegunError{"the sign-in was not begun by this process"}
}
