package access

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
)

// ErrUnknownToken means that a token is not one of those in the configuration.
var ErrUnknownToken = errors.New("this token is not valid")

// A TooManyError means that too many attempts from an address have failed.
type TooManyError struct{ Wait time.Duration }

func (e *TooManyError) Error() string {
	return "too many attempts failed: try again in " + clock.Words(e.Wait)
}

// kind is a way of identifying a user.
type kind string

const (
	byNothing kind = "anonymous"
	byToken   kind = "token"   // a token in the request
	bySession kind = "session" // the cookie of a session
	byProxy   kind = "proxy"
)

// A credential is what identified a user; it is kept to revalidate the user.
type credential struct {
	kind   kind
	hash   [sha256.Size]byte // of the token or the session's id
	person person            // named by a proxy
}

// A person is a user named by another service.
type person struct {
	name    string
	issuer  string // the OpenID Connect provider; "" for a proxy
	subject string // the provider's "sub", which never changes; "" of a proxy
	groups  []string
}

// id returns the identity of a person, which is unique.
func (p person) id() Identity {
	if p.issuer != "" {
		return Identity{Kind: ByOIDC, Issuer: p.issuer, Subject: p.subject}
	}
	return Identity{Kind: ByProxy, Subject: p.name}
}

// A Guard identifies the users of requests. It lives as long as the process: sessions outlive a change of the
// configuration, while their rights follow it. Its methods may be called from any goroutine; it owns no goroutine.
type Guard struct {
	current     func() *config.Config
	sessions    sessions
	wrongTokens limiter
	provider    provider
	exchanges   exchanges
	used        usedStates
	aead        atomic.Pointer[cipher.AEAD] // seals the state that a browser keeps while it is at the provider
}

// New returns a guard. current returns the configuration in effect and is called for each request; only Access,
// Forwarded and PublicURL are used.
func New(current func() *config.Config) *Guard {
	g := &Guard{current: current, provider: provider{discovering: make(chan struct{}, 1)}}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	g.Seal(key)
	return g
}

// Identify returns the user of a request, which may be the anonymous one or [Nobody]. A wrong bearer token makes it
// Nobody, whatever the anonymous user may do, and is an error: [ErrUnknownToken], or a [*TooManyError] after too many
// of them. Identify removes the headers by which a proxy names people from r, unless they come from a trusted proxy.
func (g *Guard) Identify(r *http.Request) (*User, error) {
	access := g.current().Access
	if access == nil {
		return Everybody, nil
	}
	trusted := trustedProxy(access.Proxy, r)
	if access.Proxy != nil && !trusted {
		r.Header.Del(access.Proxy.UserHeader)
		r.Header.Del(access.Proxy.GroupsHeader)
	}
	if token, ok := bearer(r); ok {
		hash := sha256.Sum256([]byte(token))
		if err := g.check(access, r, hash, &hash); err != nil {
			return Nobody, err
		}
		return g.user(access, credential{kind: byToken, hash: hash}), nil
	}
	if cookie, err := r.Cookie(g.cookieName(r, "")); err == nil {
		by := credential{kind: bySession, hash: sha256.Sum256([]byte(cookie.Value))}
		u := g.user(access, by)
		if u == Nobody && g.sessions.seek(r.Context(), by.hash) {
			u = g.user(access, by)
		}
		if u != Nobody {
			g.sessions.touch(time.Now(), by.hash)
			return u, nil
		}
	}
	if trusted {
		if p, ok := named(access.Proxy, r); ok {
			return g.user(access, credential{kind: byProxy, person: p}), nil
		}
	}
	return g.user(access, credential{kind: byNothing}), nil
}

// ByToken reports whether a request is authorised only by a token that it carries, so that its sender must have the
// token.
func (g *Guard) ByToken(r *http.Request) bool {
	_, ok := bearer(r)
	return ok && g.current().Access != nil
}

// Revalidate returns the user for the same credential now: [Nobody] once the token, the session or the trust in the
// proxy has ended. It does not count as use of a session.
func (g *Guard) Revalidate(u *User) *User {
	access := g.current().Access
	if access == nil {
		return Everybody
	}
	return g.user(access, u.by)
}

// Methods returns the ways in which people can sign in: "token", "oidc".
func (g *Guard) Methods() []string {
	methods := []string{}
	if access := g.current().Access; access != nil {
		if len(access.Tokens) > 0 {
			methods = append(methods, "token")
		}
		if access.OIDC != nil {
			methods = append(methods, "oidc")
		}
	}
	return methods
}

// user returns the user of a credential according to the configuration.
func (g *Guard) user(access *config.Access, by credential) *User {
	switch by.kind {
	case byToken:
		return tokenUser(access, by)
	case bySession:
		s, ok := g.sessions.find(time.Now(), by.hash)
		switch {
		case !ok:
			return Nobody
		case s.provider == (providerID{}):
			u := *tokenUser(access, credential{hash: s.token})
			if u.Role == config.RoleNone {
				return Nobody
			}
			u.by = by
			return &u
		case access.OIDC == nil || s.provider != idOf(access.OIDC):
			return Nobody
		default:
			return grouped(s.person, access.OIDC.Groups, config.RoleNone, by)
		}
	case byProxy:
		if access.Proxy == nil {
			return Nobody
		}
		return grouped(by.person, access.Proxy.Groups, access.Proxy.Role, by)
	case byNothing:
		if access.Anonymous == config.RoleNone {
			return Nobody
		}
		return &User{Name: Everybody.Name, ID: Everybody.ID, Role: access.Anonymous, by: by}
	default:
		return Nobody
	}
}

// tokenUser returns the user of a token. It compares every token, in constant time.
func tokenUser(access *config.Access, by credential) *User {
	found := Nobody
	for _, token := range access.Tokens {
		if subtle.ConstantTimeCompare(token.SHA256[:], by.hash[:]) == 1 {
			found = &User{
				Name: token.Name,
				ID:   Identity{Kind: ByToken, Subject: token.Name},
				Role: token.Role,
				Jobs: token.Jobs,
				Push: token.Push,
				by:   by,
			}
		}
	}
	return found
}

// grouped returns the user for a person with the highest role of their groups, at least the given one.
func grouped(p person, groups map[string]config.Role, least config.Role, by credential) *User {
	role := least
	for _, group := range p.groups {
		if rank(groups[group]) > rank(role) {
			role = groups[group]
		}
	}
	if role == config.RoleNone {
		return Nobody
	}
	return &User{Name: p.name, ID: p.id(), Role: role, by: by}
}

// check returns an error unless a token is valid. A valid token is never limited, whatever else came from its address.
// A wrong one counts against the address, but a repetition of the last wrong one, if again is given, does not.
func (g *Guard) check(access *config.Access, r *http.Request, hash [sha256.Size]byte, again *[sha256.Size]byte) error {
	if tokenUser(access, credential{hash: hash}) != Nobody {
		return nil
	}
	if wait := g.wrongTokens.take(time.Now(), g.Address(r), again); wait > 0 {
		return &TooManyError{wait}
	}
	return ErrUnknownToken
}

// bearer returns the token of a request (RFC 6750 §2.1). Other schemes are ignored: a proxy in front may have asked for
// a password.
func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}
