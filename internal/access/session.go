package access

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

const (
	idleFor        = 12 * time.Hour     // a session ends after so long without a request
	longest        = 7 * 24 * time.Hour // and in any case so long after it began
	maxOwnSessions = 100                // per token or person; beyond that their oldest session ends
	maxSessions    = 10_000             // beyond that the owner of the most sessions loses the oldest
)

// A session belongs to a cookie. It does not contain its rights: they are taken from the configuration each time.
type session struct {
	token    [sha256.Size]byte // the hash of the token that began it
	provider providerID        // the provider at which it began instead, or zero
	person   person            // according to the provider
	hint     string            // the ID token from the provider
	begun    time.Time
	used     time.Time
	kept     time.Time // the use that the store knows of
}

// over reports whether the session has expired.
func (s *session) over(now time.Time) bool {
	return now.Sub(s.used) >= idleFor || now.Sub(s.begun) >= longest
}

// An owner is a token or a person. An owner can displace only their own sessions.
type owner struct {
	token   [sha256.Size]byte
	at      providerID
	subject string
}

func (s *session) owner() owner { return owner{s.token, s.provider, s.person.subject} }

// sessions holds the sessions that have not ended, by the hash of their id. The zero value has none.
type sessions struct {
	mu  sync.Mutex // guards the fields below
	all map[[sha256.Size]byte]*session
	of  map[owner][][sha256.Size]byte // oldest first

	kept Sessions // where they are kept beyond the process; nil: nowhere
}

// begin adds a session and returns its id: 256 random bits.
func (s *sessions) begin(now time.Time, begun session) (id string) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	id = base64.RawURLEncoding.EncodeToString(random[:])
	begun.begun, begun.used, begun.kept = now, now, now
	hash, of := sha256.Sum256([]byte(id)), begun.owner()

	var displaced [][sha256.Size]byte
	defer func() { s.keepNoMore(displaced...) }() // may wait for the disk
	s.mu.Lock()
	defer s.mu.Unlock()
	s.initLocked()
	if len(s.of[of]) >= maxOwnSessions {
		displaced = s.displaceLocked(now, of)
	}
	if len(s.all) >= maxSessions {
		displaced = append(displaced, s.displaceLocked(now, s.mostLocked())...)
	}
	s.addLocked(hash, &begun)
	s.keepLocked(hash, &begun)
	return id
}

func (s *sessions) initLocked() {
	if s.all == nil {
		s.all, s.of = map[[sha256.Size]byte]*session{}, map[owner][][sha256.Size]byte{}
	}
}

// addLocked adds a session behind the others of its owner.
func (s *sessions) addLocked(hash [sha256.Size]byte, begun *session) {
	s.all[hash] = begun
	s.of[begun.owner()] = append(s.of[begun.owner()], hash)
}

// mostLocked returns the owner of the most sessions.
func (s *sessions) mostLocked() (most owner) {
	for owner, hashes := range s.of {
		if len(hashes) > len(s.of[most]) {
			most = owner
		}
	}
	return most
}

// displaceLocked ends the expired sessions of an owner, or else the one that has been unused for longest. It returns which.
func (s *sessions) displaceLocked(now time.Time, of owner) (ended [][sha256.Size]byte) {
	var oldest [sha256.Size]byte
	since := now
	for _, hash := range slices.Clone(s.of[of]) {
		if own := s.all[hash]; own.over(now) {
			s.endLocked(hash)
			ended = append(ended, hash)
		} else if own.used.Before(since) || oldest == [sha256.Size]byte{} {
			oldest, since = hash, own.used
		}
	}
	if ended == nil {
		s.endLocked(oldest)
		ended = append(ended, oldest)
	}
	return ended
}

// find returns the session whose id has the given hash.
func (s *sessions) find(now time.Time, hash [sha256.Size]byte) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.all[hash]
	if found == nil || found.over(now) {
		return session{}, false
	}
	return *found, true
}

// touch records that a session was used.
func (s *sessions) touch(now time.Time, hash [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.all[hash]; found != nil {
		found.used = now
		s.keepUseLocked(hash, found)
	}
}

// end removes the session whose id has the given hash and returns it. It returns when the store does not keep it any more.
func (s *sessions) end(hash [sha256.Size]byte) session {
	s.mu.Lock()
	ended, ok := s.endLocked(hash)
	s.mu.Unlock()
	if ok {
		s.keepNoMore(hash)
	}
	return ended
}

func (s *sessions) endLocked(hash [sha256.Size]byte) (session, bool) {
	ended := s.all[hash]
	if ended == nil {
		return session{}, false
	}
	delete(s.all, hash)
	of := ended.owner()
	s.of[of] = slices.DeleteFunc(s.of[of], func(other [sha256.Size]byte) bool { return other == hash })
	if len(s.of[of]) == 0 {
		delete(s.of, of)
	}
	return *ended, true
}

// SignIn begins a session with a token, replacing the one that the browser had. The error is [ErrUnknownToken] or a
// [*TooManyError].
func (g *Guard) SignIn(w http.ResponseWriter, r *http.Request, token string) (*User, error) {
	access := g.current().Access
	if access == nil {
		return nil, ErrUnknownToken
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(token)))
	if err := g.check(access, r, hash, nil); err != nil {
		return nil, err
	}
	if tokenUser(access, credential{hash: hash}).Role == config.RoleNone {
		return nil, fmt.Errorf("%w for signing in: it may only send values", ErrUnknownToken)
	}
	return g.begin(w, r, session{token: hash}), nil
}

// SignOut ends the session of a request, if it has one, here and in the browser. It returns the address that ends the
// session at the provider, "" if there is none.
func (g *Guard) SignOut(w http.ResponseWriter, r *http.Request) (provider string) {
	name := g.cookieName(r, "")
	if cookie, err := r.Cookie(name); err == nil {
		ended := g.sessions.end(sha256.Sum256([]byte(cookie.Value)))
		provider = g.endSession(r, ended)
	}
	g.setCookie(w, r, &http.Cookie{Name: name, MaxAge: -1, SameSite: http.SameSiteStrictMode})
	return provider
}

// begin gives the browser a new session, never one that it sent: so its id cannot have been planted in advance (session
// fixation).
func (g *Guard) begin(w http.ResponseWriter, r *http.Request, begun session) *User {
	name := g.cookieName(r, "")
	if cookie, err := r.Cookie(name); err == nil {
		g.sessions.end(sha256.Sum256([]byte(cookie.Value)))
	}
	id := g.sessions.begin(time.Now(), begun)
	g.sessions.stored(r.Context())
	g.setCookie(
		w,
		r,
		&http.Cookie{Name: name, Value: id, MaxAge: int(longest / time.Second), SameSite: http.SameSiteStrictMode},
	)
	return g.user(g.current().Access, credential{kind: bySession, hash: sha256.Sum256([]byte(id))})
}

// cookieName returns the name of a cookie of the gateway, where possible with the prefix that keeps other hosts of the
// domain from setting it (RFC 6265bis §4.1.3).
func (g *Guard) cookieName(r *http.Request, what string) string {
	switch {
	case !g.secure(r):
		return "tidewire" + what
	case g.cookiePath() == "/":
		return "__Host-tidewire" + what
	default:
		return "__Secure-tidewire" + what
	}
}

// setCookie sets a cookie that scripts cannot read, for the gateway's own path.
func (g *Guard) setCookie(w http.ResponseWriter, r *http.Request, cookie *http.Cookie) {
	cookie.Path, cookie.HttpOnly, cookie.Secure = g.cookiePath(), true, g.secure(r)
	http.SetCookie(w, cookie)
}

// secure reports whether browsers reach the gateway by https.
func (g *Guard) secure(r *http.Request) bool {
	public := g.current().PublicURL
	return r.TLS != nil || public != nil && public.Scheme == "https"
}

func (g *Guard) cookiePath() string {
	return Base(g.current().PublicURL) + "/"
}

// Base returns the path of a public address, below which everything is served, without a trailing slash: "" for the
// root, and for nil.
func Base(public *url.URL) string {
	if public == nil {
		return ""
	}
	return strings.TrimRight(public.EscapedPath(), "/")
}
