package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"

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
	a.drawSignIn(w, r, http.StatusOK, r.URL.Query().Get("return"), "")
}

// signIn begins a session with a token. The token comes as JSON, or from the form of a page: then the browser returns to the page that the form
// names, or gets the form again, with what was wrong.
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
		if media == formType {
			a.drawSignInAgain(w, r, err)
			return
		}
		a.failSignIn(w, r, err)
		return
	}
	a.signedIn(r, user, "token", nil)
	if media != jsonType {
		back := r.PostForm.Get("return")
		if !isPage(back) {
			back = "/"
		}
		a.redirect(w, back)
		return
	}
	answer(w, http.StatusOK, wire.SignedIn{Name: user.Name, Role: string(user.Role)})
}

// beginSignIn sends the browser to the OpenID Connect provider.
func (a *API) beginSignIn(w http.ResponseWriter, r *http.Request) {
	visit, wrong := visitOf(r.URL.Query())
	if wrong != "" {
		a.message(w, r, http.StatusBadRequest, web.Notice{Title: "This address is not right", Text: wrong})
		return
	}
	err := a.deps.Guard.Begin(w, r, visit)
	var away *access.AwayError
	switch {
	case err == nil:
	case errors.As(err, &away):
		a.providerUnavailable(w, r, away)
	default:
		a.noProvider(w, r)
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
	if !isPage(visit.Return) {
		return visit, fmt.Sprintf("return must be a page such as /, /?state=failing or /jobs/backup, in at most %d visible ASCII characters.", maxReturn)
	}
	return visit, ""
}

// page is the addresses of pages, below the path of the public address.
var page = regexp.MustCompile(`^/(?:(?:sources|jobs|runs|alerts)(?:/[\w-](?:[\w.@-]|%2[Ff])*){0,2})?(?:[?#][!-~]*)?$`)

// isPage reports whether the browser may be sent to an address after signing in.
func isPage(address string) bool { return len(address) <= maxReturn && page.MatchString(address) }

// redirect sends the browser to a page. It does not use http.Redirect, which takes dots of the fragment for those of a path.
func (a *API) redirect(w http.ResponseWriter, page string) {
	w.Header().Set("Location", a.link(page))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// drawSignInAgain answers a form whose token did not begin a session.
func (a *API) drawSignInAgain(w http.ResponseWriter, r *http.Request, err error) {
	status, text := http.StatusUnauthorized, "This token is not valid."
	if tooMany := new(access.TooManyError); errors.As(err, &tooMany) {
		status, text = http.StatusTooManyRequests, fmt.Sprintf("There were too many attempts. Try again in %d s.", seconds(tooMany.Wait))
		w.Header().Set("Retry-After", strconv.Itoa(seconds(tooMany.Wait)))
	} else {
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidewire", error="invalid_token"`)
	}
	a.drawSignIn(w, r, status, r.PostForm.Get("return"), text)
}

// noProvider answers a sign-in at a provider if none is configured.
func (a *API) noProvider(w http.ResponseWriter, r *http.Request) {
	a.message(w, r, http.StatusNotFound, web.Notice{
		Title: "There is no identity provider here", Text: "Sign in with a token.",
	})
}

// providerUnavailable answers a sign-in while the provider cannot be reached.
func (a *API) providerUnavailable(w http.ResponseWriter, r *http.Request, away *access.AwayError) {
	if away.New { // at most once in a while, however often somebody tries
		a.deps.Log.Warn("the OpenID Connect provider cannot be reached", "err", away)
	}
	w.Header().Set("Retry-After", strconv.Itoa(seconds(away.After)))
	a.message(w, r, http.StatusServiceUnavailable, web.Notice{
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
		a.redirect(w, back)
	case errors.Is(err, access.ErrNoOIDC):
		a.noProvider(w, r)
	case errors.As(err, &away):
		a.providerUnavailable(w, r, away)
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(seconds(busy.After)))
		a.message(w, r, http.StatusServiceUnavailable, web.Notice{
			Title: "Many people are signing in", Text: "Reload this page in a moment to go on.",
		})
	case errors.As(err, &notBegun): // any site can cause it: it is neither logged nor recorded
		a.message(w, r, http.StatusBadRequest, web.Notice{
			Title: "This sign-in was not begun here",
			Text: "It took longer than ten minutes, was completed before, or was begun in another browser or at another " +
				"address. Begin again.",
			Link: &web.Link{Text: "Sign in", To: "auth/oidc"},
		})
	case errors.As(err, &noRole):
		a.signedIn(r, nil, "oidc", err)
		a.message(w, r, http.StatusForbidden, web.Notice{
			Title: "You have no access",
			Text: fmt.Sprintf("You are signed in as %s, but none of your groups may use this gateway. "+
				"Its administrator can give one of them a role.", noRole.Name),
			Link: &web.Link{Text: "Use another account", To: "auth/oidc?prompt=select_account"},
		})
	default:
		a.signedIn(r, nil, "oidc", err)
		a.clients.Warn("sign-in failed", "method", "oidc", flood.Address, a.addressOf(r), "err", err)
		a.message(w, r, http.StatusBadRequest, web.Notice{
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
// answer has the address at which that ends. A form is answered with a page.
func (a *API) signOut(w http.ResponseWriter, r *http.Request) {
	if user := userOf(r); user.Identified() {
		a.recordMetered(r, "sign-out", user.ID)
	}
	provider := a.deps.Guard.SignOut(w, r)
	a.EndStreams()
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case media == formType && asksForPage(r) && provider == "":
		a.redirect(w, "/")
		return
	case media == formType && asksForPage(r):
		a.message(w, r, http.StatusOK, web.Notice{
			Title: "You are signed out", Text: "Your identity provider may sign you in again without asking, until you sign out there too.",
			Link: &web.Link{Text: "Sign out there too", Away: provider},
		})
		return
	}
	if provider != "" {
		answer(w, http.StatusOK, wire.SignedOut{EndSession: provider})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
