package api

import (
	"cmp"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/wire"
)

// A page of the gateway shows what its routes answer, to the same people. Each collects what it is about, and has it drawn:
// see package web.

// draw answers with a page for the user of a request.
func (a *API) draw(w http.ResponseWriter, r *http.Request, status int, name string, p web.Page) {
	p.Me, p.Now, p.Here, p.Brand = a.userInfo(r), a.deps.Clock.Wall(), here(r), a.brand().Brand
	switch form := formOf(r); {
	case form == "embed" && status == http.StatusOK && !strings.HasSuffix(name, "-form"): // what asks for something is never in a frame
		p.Form, p.Embed = form, a.deps.Config().Page.Embed
	case form == "kiosk" && name == "overview":
		p.Form = form
	}
	web.Draw(w, r, status, name, p)
}

// formOf returns the form in which a request asks for a page. In a frame there is nothing to press, so a page around it cannot have its
// visitors press something else than they think.
func formOf(r *http.Request) string {
	switch query := r.URL.Query(); {
	case query.Get("embed") == "1":
		return "embed"
	case query.Get("kiosk") == "1":
		return "kiosk"
	}
	return ""
}

// message answers a request for a page with a message instead.
func (a *API) message(w http.ResponseWriter, r *http.Request, status int, notice web.Notice) {
	w.Header().Set("Cache-Control", "no-store")
	a.draw(w, r, status, "message", web.Page{Title: notice.Title, Body: notice})
}

// here is the address of a page, as its client asks for it.
func here(r *http.Request) string {
	address := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		address += "?" + r.URL.RawQuery
	}
	return address
}

// refusePage answers a request for a page that its user may not see, or a form that they may not send: somebody who is not known can
// sign in there, and returns to the page of the form.
func (a *API) refusePage(w http.ResponseWriter, r *http.Request) {
	if wantsJSON(r) {
		a.refuse(w, r)
		return
	}
	back, what := here(r), "see this"
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		back, what = path.Dir(r.URL.EscapedPath()), "do that"
	}
	if user := userOf(r); user.Identified() {
		a.recordDenied(r, user)
		a.message(w, r, http.StatusForbidden, web.Notice{
			Title: "You have no access",
			Text:  "You are signed in as " + user.Name + ", who may not " + what + ". The administrator of this gateway can change that.",
		})
		return
	}
	c, _ := r.Context().Value(callerKey{}).(caller)
	if errors.As(c.err, new(*access.TooManyError)) {
		a.failSignIn(w, r, c.err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("WWW-Authenticate", `Bearer realm="tidewire"`)
	a.drawSignIn(w, r, http.StatusUnauthorized, back, "")
}

// A signInBody is what the template sign-in shows.
type signInBody struct {
	Token, OIDC bool
	Return      string // the page to which the browser returns
	Problem     string // why the last attempt failed
}

func (a *API) drawSignIn(w http.ResponseWriter, r *http.Request, status int, back, problem string) {
	methods := a.deps.Guard.Methods()
	if !isPage(back) {
		back = "/"
	}
	a.draw(w, r, status, "sign-in", web.Page{Title: "Sign in", Body: signInBody{
		Token: slices.Contains(methods, "token"), OIDC: slices.Contains(methods, "oidc"), Return: back, Problem: problem,
	}})
}

// gone answers a request for a page of something that is not there.
func (a *API) gone(w http.ResponseWriter, r *http.Request, title, text string) {
	a.message(w, r, http.StatusNotFound, web.Notice{Title: title, Text: text})
}

// manifest answers with what a phone needs to install the page.
func (a *API) manifest(w http.ResponseWriter, r *http.Request) {
	web.Manifest(w, r, cmp.Or(a.deps.Config().Page.Title, "Tidewire"))
}

// userInfo says who makes a request, what they may do, and how they could sign in.
func (a *API) userInfo(r *http.Request) wire.Me {
	user, methods := userOf(r), a.deps.Guard.Methods()
	me := wire.Me{Known: user.Identified(), Methods: methods, Name: user.Name, Role: string(user.Role), Session: user.InSession()}
	if len(methods) > 0 {
		me.SignIn = new(a.link("/auth/login"))
	}
	if user.Role == config.RoleNone {
		me.Role = "none"
	}
	return me
}

// asksForPage reports whether a browser asks for something to show to a person.
func asksForPage(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }
