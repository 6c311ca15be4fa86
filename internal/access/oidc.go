package access

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
)

// algorithms are the signature algorithms allowed for an ID token, all with a key pair. They exclude "none" and those
// with a shared secret, whatever the provider or the token says.
var algorithms = []string{
	oidc.RS256,
	oidc.RS384,
	oidc.RS512,
	oidc.PS256,
	oidc.PS384,
	oidc.PS512,
	oidc.ES256,
	oidc.ES384,
	oidc.ES512,
	oidc.EdDSA,
}

// A NoRoleError means that a person has signed in at the provider, but none of their groups has a role.
type NoRoleError struct {
	Name string
	ID   Identity
}

func (e *NoRoleError) Error() string {
	return fmt.Sprintf("none of the groups of %q has a role", e.Name)
}

// ErrNoOIDC means that no provider is configured.
var ErrNoOIDC = errors.New("no OpenID Connect provider is configured")

// A BusyError means that the maximum number of codes is being exchanged already. The sign-in is not used up: the same
// request may be repeated.
type BusyError struct{ After time.Duration }

func (e *BusyError) Error() string {
	return "too many sign-ins are in progress at the provider"
}

// A Visit describes how a person signs in at the provider.
type Visit struct {
	Return  string // the place on the page to return to; see [Guard.Complete]
	Another bool   // the person wants to choose another account at the provider
}

// Begin sends the browser to the provider to sign in (OpenID Connect Core §3.1): by the
// code flow with PKCE. The answer is written unless there is an error: [ErrNoOIDC] or an
// [*AwayError].
func (g *Guard) Begin(w http.ResponseWriter, r *http.Request, visit Visit) error {
	cfg, err := g.oidc()
	if err != nil {
		return err
	}
	ctx, cancel := asking(r)
	defer cancel()
	found, err := g.provider.discover(ctx, cfg.Issuer)
	if err != nil {
		return err
	}
	p := pending{
		Provider: idOf(cfg),
		State:    rand.Text(),
		Nonce:    rand.Text(),
		Verifier: oauth2.GenerateVerifier(),
		Redirect: g.callback(r),
		Return:   visit.Return,
		Until:    time.Now().Add(signInFor),
	}
	params := []oauth2.AuthCodeOption{oidc.Nonce(p.Nonce), oauth2.S256ChallengeOption(p.Verifier)}
	if prompt := promptOf(cfg, found, visit); prompt != "" {
		params = append(params, oauth2.SetAuthURLParam("prompt", prompt))
	}
	g.keep(w, r, p)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, relyingParty(cfg, found, p.Redirect).AuthCodeURL(p.State, params...), http.StatusSeeOther)
	return nil
}

// promptOf returns the prompt parameter (OpenID Connect Core §3.1.2.1); "" leaves the decision to the provider. All
// providers support "login", but not all can show a choice of accounts.
func promptOf(cfg *config.OIDC, found *oidc.Provider, visit Visit) string {
	const choose = "select_account"
	switch known := moreOf(found).Prompts; {
	case !visit.Another:
		return cfg.Prompt
	case known != nil && !slices.Contains(known, choose):
		return "login"
	}
	return choose
}

// Complete begins a session for the person that the provider sends back, and returns the place on the page to which
// that person returns. The error is a [*NotBegunError], a [*BusyError], an [*AwayError], a [*NoRoleError], or describes
// what is wrong with the provider's answer. A sign-in can be completed once. In any case the caller writes the answer.
func (g *Guard) Complete(w http.ResponseWriter, r *http.Request) (u *User, back string, err error) {
	cfg, err := g.oidc()
	if err != nil {
		return nil, "", err
	}
	p, cookie, err := g.kept(r, r.URL.Query().Get("state"))
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := asking(r)
	defer cancel()
	found, err := g.provider.discover(ctx, cfg.Issuer)
	if err != nil {
		return nil, "", err
	}
	from := g.Address(r)
	if !g.exchanges.begin(from) {
		return nil, "", &BusyError{time.Second}
	}
	defer g.exchanges.end(from)
	if !g.used.use(time.Now(), p.State) {
		return nil, "", &NotBegunError{"the sign-in was completed before"}
	}
	g.drop(w, r, cookie)
	who, hint, err := complete(ctx, cfg, found, p, r.URL.Query())
	if err != nil { // a provider may repeat what it was sent
		secrets := append(secret.OfBasic(cfg.ClientID, cfg.ClientSecret), r.URL.Query().Get("code"), p.Verifier)
		return nil, "", secret.New(secrets...).Error(err)
	}
	if grouped(who, cfg.Groups, config.RoleNone, credential{}) == Nobody {
		return nil, "", &NoRoleError{who.name, who.id()}
	}
	if len(hint) > maxHint {
		hint = ""
	}
	return g.begin(w, r, session{provider: idOf(cfg), person: who, hint: hint}), p.Return, nil
}

// complete identifies the person that the provider has sent back, and returns their ID token.
func complete(
	ctx context.Context,
	cfg *config.OIDC,
	found *oidc.Provider,
	p pending,
	query url.Values,
) (who person, raw string, err error) {
	switch {
	case time.Now().After(p.Until):
		return person{}, "", errors.New("the sign-in took too long")
	case p.Provider != idOf(cfg):
		return person{}, "", errors.New("the sign-in was begun at another provider")
	case query.Has("iss") && query.Get("iss") != cfg.Issuer: // RFC 9207 §2.4
		return person{}, "", errors.New("the answer comes from another provider")
	case query.Get("error") != "":
		return person{}, "", fmt.Errorf("the provider refused: %.100q", query.Get("error"))
	}
	tokens, err := relyingParty(
		cfg, found, p.Redirect).Exchange(ctx, query.Get("code"), oauth2.VerifierOption(p.Verifier))
	if err != nil {
		var refused *oauth2.RetrieveError // its text has the whole answer, which may contain anything
		if errors.As(err, &refused) {
			return person{}, "", fmt.Errorf(
				"the provider rejected the code: %d %.100q", refused.Response.StatusCode, refused.ErrorCode)
		}
		return person{}, "", fmt.Errorf("exchange the code: %w", err)
	}
	raw, ok := tokens.Extra("id_token").(string)
	if !ok {
		return person{}, "", errors.New("the provider's answer has no ID token")
	}
	id, err := found.Verifier(&oidc.Config{ClientID: cfg.ClientID, SupportedSigningAlgs: algorithms}).Verify(ctx, raw)
	if err != nil {
		return person{}, "", fmt.Errorf("verify the ID token: %w", err)
	}
	if subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(p.Nonce)) != 1 {
		return person{}, "", errors.New("verify the ID token: the nonce is not that of the sign-in")
	}
	var claims map[string]any
	if err := id.Claims(&claims); err != nil {
		return person{}, "", fmt.Errorf("read the ID token: %w", err)
	}
	// OpenID Connect Core §3.1.3.7, 4 and 5: a token for several clients must have been issued to this one.
	if party, given := claims["azp"]; len(id.Audience) > 1 && !given || given && party != cfg.ClientID {
		return person{}, "", errors.New("verify the ID token: it was issued to another client")
	}
	if err := addUserInfo(ctx, cfg, found, tokens, id.Subject, claims); err != nil {
		return person{}, "", err
	}
	return personOf(cfg.Issuer, id.Subject, claims, cfg.GroupsClaim), raw, nil
}

// addUserInfo requests the claims that the ID token lacks, the groups and the person's name, from the provider's
// userinfo endpoint (OpenID Connect Core §5.4). The groups are required, while the name is optional: failing to get
// only that is not an error.
func addUserInfo(
	ctx context.Context,
	cfg *config.OIDC,
	found *oidc.Provider,
	tokens *oauth2.Token,
	subject string,
	claims map[string]any,
) error {
	grouped, named := claims[cfg.GroupsClaim] != nil, nameOf(claims) != ""
	if grouped && named || found.UserInfoEndpoint() == "" {
		return nil
	}
	if grouped {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askForName)
		defer cancel()
	}
	err := func() error {
		info, err := found.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
		if err != nil {
			return fmt.Errorf("ask the provider for the groups: %w", err)
		}
		if info.Subject != subject { // §5.3.2
			return errors.New("the provider returned the groups of somebody else")
		}
		var more map[string]any
		if err := info.Claims(&more); err != nil {
			return fmt.Errorf("read the groups: %w", err)
		}
		for name, value := range more {
			if _, known := claims[name]; !known {
				claims[name] = value
			}
		}
		return nil
	}()
	if grouped {
		return nil
	}
	return err
}

// nameOf returns the name to show for a person, "" if the claims have none.
func nameOf(claims map[string]any) string {
	for _, claim := range []string{"preferred_username", "email", "name"} {
		if name, ok := claims[claim].(string); ok && isName(name) {
			return name
		}
	}
	return ""
}

// personOf reads the claims about a person.
func personOf(issuer, subject string, claims map[string]any, groupsClaim string) person {
	who := person{name: cmp.Or(nameOf(claims), subject), issuer: issuer, subject: subject}
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
	return nil, ErrNoOIDC
}

// relyingParty returns the gateway's registration at the provider.
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

// endSession returns the address that ends the session at the provider, for a session that has ended here (OpenID
// Connect RP-Initiated Logout §2); "" if there is no such session, or the provider does not support that.
func (g *Guard) endSession(r *http.Request, ended session) string {
	cfg, err := g.oidc()
	if err != nil || !cfg.EndSession || ended.provider != idOf(cfg) {
		return ""
	}
	found, _, known := g.provider.cached(cfg.Issuer)
	if !known || found == nil {
		return ""
	}
	to, err := url.Parse(moreOf(found).EndSession)
	if err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http" {
		return ""
	}
	query := to.Query()
	query.Set("client_id", cfg.ClientID)
	query.Set("post_logout_redirect_uri", g.absolute(r, "/"))
	if ended.hint != "" {
		query.Set("id_token_hint", ended.hint)
	}
	to.RawQuery = query.Encode()
	return to.String()
}

// callback returns the address to which the provider sends people back.
func (g *Guard) callback(r *http.Request) string { return g.absolute(r, "/auth/callback") }

// absolute returns the public address of a path of the gateway.
func (g *Guard) absolute(r *http.Request, path string) string {
	if public := g.current().PublicURL; public != nil {
		return public.Scheme + "://" + public.Host + Base(public) + path
	}
	if r.TLS != nil {
		return "https://" + r.Host + path
	}
	return "http://" + r.Host + path
}
