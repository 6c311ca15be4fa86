package access

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/httpclient"
)

const (
	signInFor   = 10 * time.Minute // a person may take at the provider
	askFor      = 10 * time.Second // a request to the provider may take
	askAgain    = 10 * time.Second // after the provider could not be reached
	maxAnswer   = 1 << 20          // bytes of an answer of the provider
	stateCookie = "-sign-in"
)

// algorithms are those by which an ID token may be signed: with a key pair. "none" and
// those with a shared secret are not among them, whatever the provider or the token says.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// A NoRoleError says that somebody has signed in at the provider, but that none of
// their groups has a role.
type NoRoleError struct{ Name string }

func (e *NoRoleError) Error() string {
	return fmt.Sprintf("none of the groups of %q has a role", e.Name)
}

// ErrAway says that the provider could not be reached just now, and was not asked again.
var ErrAway = errors.New("the provider could not be reached a moment ago")

// errNoOIDC says that there is no provider.
var errNoOIDC = errors.New("no OpenID Connect provider is configured")

// A providerID names the provider at which a session began, and us there.
type providerID struct{ Issuer, Client string }

func idOf(cfg *config.OIDC) providerID { return providerID{cfg.Issuer, cfg.ClientID} }

// provider is what is known of the OpenID Connect provider. Nothing is asked of it until
// somebody signs in: the gateway starts without it, and tokens work.
type provider struct {
	turn chan struct{} // of 1: whoever fills it asks the provider

	mu     sync.Mutex // guards the fields below
	of     string     // the issuer that they are about
	found  *oidc.Provider
	failed time.Time // when it could not be reached
}

// discover returns the provider, which is asked for its addresses if it is not known
// yet: by one request at a time, and not again for askAgain after it failed.
func (p *provider) discover(ctx context.Context, issuer string) (*oidc.Provider, error) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	of, found, failed := p.of, p.found, p.failed
	p.mu.Unlock()
	switch {
	case of != issuer:
	case found != nil:
		return found, nil
	case time.Since(failed) < askAgain:
		return nil, ErrAway
	}
	found, err := oidc.NewProvider(ctx, issuer)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.of, p.found, p.failed = issuer, found, time.Now()
	return found, err
}

// client asks the provider.
var client = &http.Client{
	Timeout:   askFor,
	Transport: bounded{httpclient.New(httpclient.Options{})},
	CheckRedirect: func(*http.Request, []*http.Request) error {
		return errors.New("the provider redirects, which its addresses may not")
	},
}

// asking is the context of questions to the provider. It outlives a request that was
// given up: what is learned, or that nothing could be, is remembered for the next.
func asking(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(oidc.ClientContext(context.WithoutCancel(r.Context()), client), askFor)
}

// bounded cuts answers off after maxAnswer bytes.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		body := resp.Body
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(body, maxAnswer), body}
	}
	return resp, err
}

// A pending sign-in is what the browser keeps, sealed, while a person is at the
// provider. The gateway remembers nothing of it, so nobody can fill its memory.
type pending struct {
	Provider providerID
	State    string
	Nonce    string
	Verifier string // of PKCE (RFC 7636)
	Redirect string
	Until    time.Time
}

// Begin sends the browser to the provider to sign in (OpenID Connect Core §3.1): by the
// code flow with PKCE. The answer is written unless there is an error.
func (g *Guard) Begin(w http.ResponseWriter, r *http.Request) error {
	cfg, err := g.oidc()
	if err != nil {
		return err
	}
	ctx, cancel := asking(r)
	defer cancel()
	found, err := g.provider.discover(ctx, cfg.Issuer)
	if err != nil {
		return fmt.Errorf("ask the provider for its addresses: %w", err)
	}
	p := pending{
		Provider: idOf(cfg),
		State:    rand.Text(),
		Nonce:    rand.Text(),
		Verifier: oauth2.GenerateVerifier(),
		Redirect: g.callback(r),
		Until:    time.Now().Add(signInFor),
	}
	to := relyingParty(cfg, found, p.Redirect).AuthCodeURL(p.State, oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier))
	// Lax, not Strict: the browser has to bring it when the provider sends it back.
	g.setCookie(w, r, &http.Cookie{Name: g.cookieName(r, stateCookie), Value: g.seal(p), MaxAge: int(signInFor / time.Second), SameSite: http.SameSiteLaxMode})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// Complete begins a session for the person that the provider sends back. The error is a
// [*NoRoleError], a [*TooManyError], or says what is wrong with what the browser or the
// provider brought. The caller answers, in any case.
func (g *Guard) Complete(w http.ResponseWriter, r *http.Request) (*User, error) {
	cfg, err := g.oidc()
	if err != nil {
		return nil, err
	}
	from, now := g.Address(r), time.Now()
	if wait := g.attempts.wait(now, from); wait > 0 {
		return nil, &TooManyError{wait}
	}
	who, err := g.complete(r, cfg)
	// Whatever has become of it, it does not count a second time.
	g.setCookie(w, r, &http.Cookie{Name: g.cookieName(r, stateCookie), MaxAge: -1, SameSite: http.SameSiteLaxMode})
	if err != nil {
		g.attempts.failed(now, from, nil)
		return nil, err
	}
	if grouped(who, cfg.Groups, config.RoleNone, credential{}) == Nobody {
		return nil, &NoRoleError{who.name}
	}
	return g.begin(w, r, session{provider: idOf(cfg), person: who}), nil
}

// complete finds out whom the provider has sent back.
func (g *Guard) complete(r *http.Request, cfg *config.OIDC) (person, error) {
	query := r.URL.Query()
	cookie, err := r.Cookie(g.cookieName(r, stateCookie))
	if err != nil {
		return person{}, errors.New("the browser brought no sign-in that was begun here: it took too long, or was begun at another address")
	}
	p, err := g.open(cookie.Value)
	switch {
	case err != nil:
		return person{}, err
	case time.Now().After(p.Until):
		return person{}, errors.New("the sign-in took too long")
	case p.Provider != idOf(cfg):
		return person{}, errors.New("the sign-in was begun at another provider")
	case subtle.ConstantTimeCompare([]byte(p.State), []byte(query.Get("state"))) != 1:
		return person{}, errors.New("the state is not that of the sign-in that was begun")
	case query.Has("iss") && query.Get("iss") != cfg.Issuer: // RFC 9207 §2.4
		return person{}, errors.New("the answer comes from another provider")
	case query.Get("error") != "":
		return person{}, fmt.Errorf("the provider refused: %.100q", query.Get("error"))
	}
	ctx, cancel := asking(r)
	defer cancel()
	found, err := g.provider.discover(ctx, cfg.Issuer)
	if err != nil {
		return person{}, fmt.Errorf("ask the provider for its addresses: %w", err)
	}
	tokens, err := relyingParty(cfg, found, p.Redirect).Exchange(ctx, query.Get("code"), oauth2.VerifierOption(p.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError // prints the whole answer, in which anything may be
		if errors.As(err, &refused) {
			return person{}, fmt.Errorf("the provider does not take the code: %d %.100q", refused.Response.StatusCode, refused.ErrorCode)
		}
		return person{}, fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return person{}, errors.New("the provider gave no ID token")
	}
	id, err := found.Verifier(&oidc.Config{ClientID: cfg.ClientID, SupportedSigningAlgs: algorithms}).Verify(ctx, raw)
	if err != nil {
		return person{}, fmt.Errorf("verify the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(p.Nonce)) != 1 {
		return person{}, errors.New("verify the ID token: the nonce is not that of the sign-in that was begun")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return person{}, fmt.Errorf("read the ID token: %w", err)
	}
	// OpenID Connect Core §3.1.3.7, 4 and 5: meant for several, it must have been given to us.
	if party, given := claims["azp"]; len(id.Audience) > 1 && !given || given && party != cfg.ClientID {
		return person{}, errors.New("verify the ID token: it was given to another client")
	}
	if claims[cfg.GroupsClaim] == nil && found.UserInfoEndpoint() != "" { // some providers say it only there
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
		if err != nil {
			return person{}, fmt.Errorf("ask the provider for the groups: %w", err)
		}
		if info.Subject != id.Subject { // §5.3.2
			return person{}, errors.New("the provider told the groups of somebody else")
		}
		var more map[string]any
		if err := info.Claims(&more); err != nil {
			return person{}, fmt.Errorf("read the groups: %w", err)
		}
		for name, value := range more {
			if _, known := claims[name]; !known {
				claims[name] = value
			}
		}
	}
	return personOf(id.Subject, claims, cfg.GroupsClaim), nil
}

// personOf reads the claims about a person.
func personOf(subject string, claims map[string]any, groupsClaim string) person {
	who := person{name: subject, subject: subject}
	for _, claim := range []string{"preferred_username", "email", "name"} {
		if name, ok := claims[claim].(string); ok && isName(name) {
			who.name = name
			break
		}
	}
	switch groups := claims[groupsClaim].(type) {
	case string:
		who.groups = []string{groups}
	case []any:
		for _, group := range groups {
			if name, ok := group.(string); ok {
				who.groups = append(who.groups, name)
			}
		}
	}
	return who
}

// oidc returns the provider of the configuration.
func (g *Guard) oidc() (*config.OIDC, error) {
	if access := g.current().Access; access != nil && access.OIDC != nil {
		return access.OIDC, nil
	}
	return nil, errNoOIDC
}

// relyingParty is us, as the provider knows us.
func relyingParty(cfg *config.OIDC, found *oidc.Provider, redirect string) *oauth2.Config {
	scopes := cfg.Scopes
	if !slices.Contains(scopes, oidc.ScopeOpenID) {
		scopes = append([]string{oidc.ScopeOpenID}, scopes...)
	}
	return &oauth2.Config{
		ClientID:     cfg.ClientID,
		ClientSecret: cfg.ClientSecret,
		Endpoint:     found.Endpoint(),
		RedirectURL:  redirect,
		Scopes:       scopes,
	}
}

// callback is the address to which the provider sends people back.
func (g *Guard) callback(r *http.Request) string {
	const path = "/auth/callback"
	if public := g.current().PublicURL; public != nil {
		return public.Scheme + "://" + public.Host + Base(public) + path
	}
	if r.TLS != nil {
		return "https://" + r.Host + path
	}
	return "http://" + r.Host + path
}

// seal encrypts a pending sign-in, so that the browser can neither read nor change it.
func (g *Guard) seal(p pending) string {
	plain, _ := json.Marshal(p) // text and a time encode
	nonce := make([]byte, g.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(g.aead.Seal(nonce, nonce, plain, nil))
}

// open reads what seal made.
func (g *Guard) open(sealed string) (p pending, err error) {
	data, err := base64.RawURLEncoding.DecodeString(sealed)
	if err == nil && len(data) >= g.aead.NonceSize() {
		n := g.aead.NonceSize()
		if data, err = g.aead.Open(nil, data[:n], data[n:], nil); err == nil {
			err = json.Unmarshal(data, &p)
		}
		if err == nil {
			return p, nil
		}
	}
	return pending{}, errors.New("the sign-in was not begun by this process")
}
