package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/wire"
)

// me answers with who makes the request, what they may do, and how they could sign in.
func (a *API) me(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, a.userInfo(r))
}

// signInPage answers with the page to sign in at.
func (a *API) signInPage(w http.ResponseWriter, r *http.Request) {
	a.drawSignIn(w, r, http.StatusOK, "")
}

// signIn begins a session with a token. The token comes as JSON, or from a plain form, which is redirected to the page.
func (a *API) signIn(w http.ResponseWriter, r *http.Request) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	var body wire.SignIn
	var err error
	switch media {
	case jsonType:
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&body)
	case formType:
		err = r.ParseForm()
		body.Token = r.PostForm.Get("token")
	default:
		failMedia(w, r)
		return
	}
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		failBody(w, r, err, "")
		return
	case err != nil: // which might quote it
		fail(w, r, http.StatusBadRequest, `the body is neither {"token": "…"} nor a form with it`)
		return
	}
	user, err := a.deps.Guard.SignIn(w, r, body.Token)
	if err != nil {
		a.signedIn(r, nil, "token", err)
		a.failSignIn(w, r, err)
		return
	}
	a.signedIn(r, user, "token", nil)
	if media != jsonType {
		http.Redirect(w, r, a.link("/"), http.StatusSeeOther)
		return
	}
	answer(w, http.StatusOK, wire.SignedIn{Name: user.Name, Role: string(user.Role)})
}

// beginSignIn sends the browser to the OpenID Connect provider.
func (a *API) beginSignIn(w http.ResponseWriter, r *http.Request) {
	visit, wrong := visitOf(r.URL.Query())
	if wrong != "" {
		web.Message(w, r, http.StatusBadRequest, web.Notice{Title: "This address is not right", Text: wrong})
		return
	}
	err := a.deps.Guard.Begin(w, r, visit)
	var away *access.AwayError
	switch {
	case err == nil:
	case errors.As(err, &away):
		a.providerUnavailable(w, r, away)
	default:
		noProvider(w, r)
	}
}

// maxReturn bounds the address to which the browser returns, in bytes.
const maxReturn = 1000

// visitOf reads the options of a sign-in, or returns what is wrong with them. Afterwards the browser returns to the
// page and nowhere else: no link can use the gateway to send people to another site.
func visitOf(query url.Values) (visit access.Visit, wrong string) {
	switch prompt := query.Get("prompt"); prompt {
	case "":
	case "select_account":
		visit.Another = true
	default:
		return visit, "prompt can be select_account and nothing else."
	}
	visit.Return = query.Get("return")
	if visit.Return == "" {
		visit.Return = "/"
	}
	page := visit.Return == "/" || strings.HasPrefix(visit.Return, "/?") || strings.HasPrefix(visit.Return, "/#")
	hidden := func(c rune) bool { return c <= ' ' || c > '~' }
	if !page || len(visit.Return) > maxReturn || strings.ContainsFunc(visit.Return, hidden) {
		return visit, fmt.Sprintf(
			"return must be /, /?... or /#..., in at most %d visible ASCII characters.", maxReturn,
		)
	}
	return visit, ""
}

// noProvider answers a sign-in at a provider if none is configured.
func noProvider(w http.ResponseWriter, r *http.Request) {
	web.Message(w, r, http.StatusNotFound, web.Notice{
		Title: "There is no identity provider here", Text: "Sign in with a token.",
	})
}

// providerUnavailable answers a sign-in while the provider cannot be reached.
func (a *API) providerUnavailable(w http.ResponseWriter, r *http.Request, away *access.AwayError) {
	if away.New { // at most once in a while, however often somebody tries
		a.deps.Log.Warn("the OpenID Connect provider cannot be reached", "err", away)
	}
	w.Header().Set("Retry-After", strconv.Itoa(seconds(away.After)))
	web.Message(w, r, http.StatusServiceUnavailable, web.Notice{
		Title: "Sign-in is not possible now",
		Text:  "The identity provider cannot be reached. Try again in a moment, or sign in with a token.",
	})
}

// completeSignIn answers the browser that comes back from the provider.
func (a *API) completeSignIn(w http.ResponseWriter, r *http.Request) {
	user, back, err := a.deps.Guard.Complete(w, r)
	var (
		away     *access.AwayError
		busy     *access.BusyError
		notBegun *access.NotBegunError
		noRole   *access.NoRoleError
	)
	switch {
	case err == nil:
		a.signedIn(r, user, "oidc", nil)
		// Not by http.Redirect, which takes dots of the fragment for those of a path.
		w.Header().Set("Location", a.link("/")+strings.TrimPrefix(back, "/"))
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusSeeOther)
	case errors.Is(err, access.ErrNoOIDC):
		noProvider(w, r)
	case errors.As(err, &away):
		a.providerUnavailable(w, r, away)
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(seconds(busy.After)))
		web.Message(w, r, http.StatusServiceUnavailable, web.Notice{
			Title: "Many people are signing in", Text: "Reload this page in a moment to go on.",
		})
	case errors.As(err, &notBegun): // any site can cause it: it is neither logged nor recorded
		web.Message(w, r, http.StatusBadRequest, web.Notice{
			Title: "This sign-in was not begun here",
			Text: "It took longer than ten minutes, was completed before, or was begun in another browser or at another " +
				"address. Begin again.",
			Link: &web.Link{Text: "Sign in", To: "auth/oidc"},
		})
	case errors.As(err, &noRole):
		a.signedIn(r, nil, "oidc", err)
		web.Message(w, r, http.StatusForbidden, web.Notice{
			Title: "You have no access",
			Text: fmt.Sprintf("You are signed in as %s, but none of your groups may use this gateway. "+
				"Its administrator can give one of them a role.", noRole.Name),
			Link: &web.Link{Text: "Use another account", To: "auth/oidc?prompt=select_account"},
		})
	default:
		a.signedIn(r, nil, "oidc", err)
		a.clients.Warn("sign-in failed", "method", "oidc", flood.Address, a.addressOf(r), "err", err)
		web.Message(w, r, http.StatusBadRequest, web.Notice{
			Title: "The sign-in did not succeed",
			Text:  "Begin again. If that does not help, the log of the gateway says why.",
			Link:  &web.Link{Text: "Sign in", To: "auth/oidc"},
		})
	}
}

// signedIn records an attempt to sign in, unless there were too many.
func (a *API) signedIn(r *http.Request, user *access.User, method string, err error) {
	name, id, result := "", access.Identity{}, "ok"
	if user != nil {
		name, id = user.Name, user.ID
	}
	var noRole *access.NoRoleError
	switch {
	case errors.As(err, new(*access.TooManyError)):
		return
	case errors.As(err, &noRole):
		name, id, result = noRole.Name, noRole.ID, "no role"
	case err != nil:
		result = "refused"
	}
	a.recordMetered(r, "sign-in", id, slog.String("as", name), identityAttr("as_", id),
		slog.String("method", method), slog.String("result", result))
}

// signOut ends the session of the request and its streams. If the browser also has a session at the provider, the
// answer has the address at which that ends.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) {
	if user := userOf(r); user.Identified() {
		a.recordMetered(r, "sign-out", user.ID)
	}
	provider := a.deps.Guard.SignOut(w, r)
	a.EndStreams()
	if provider != "" {
		answer(w, http.StatusOK, wire.SignedOut{EndSession: provider})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
