package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/flood"
	"github.com/tidewire/tidewire/internal/web"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse"
)

// asking is who makes a request, in its context.
type asking struct {
	user *access.User
	err  error  // why the user is nobody, if more is to be said
	base string // of the paths that they use
}

type askingKey struct{}

// identified finds out who makes a request, before anything answers it.
func (g *gateway) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := g.guard.Identify(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askingKey{}, asking{user, err, g.link("")})))
	})
}

// userOf is who makes a request; nobody of one that nothing has identified.
func userOf(r *http.Request) *access.User {
	if a, ok := r.Context().Value(askingKey{}).(asking); ok {
		return a.user
	}
	return access.Nobody
}

// addressOf is where a request comes from, behind proxies that are trusted.
func (g *gateway) addressOf(r *http.Request) string {
	if addr := g.guard.Address(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

// guarded answers a route for those who may, and refuses all others.
func (g *gateway) guarded(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var job *config.Job
		if route.verb == operate {
			job = g.jobOf(r)
		}
		if !userOf(r).Can(route.verb, job) {
			g.refuse(w, r)
			return
		}
		route.handle(w, r)
	}
}

// jobOf is the job that the path of a request is about, directly or by a run; nil if
// there is none.
func (g *gateway) jobOf(r *http.Request) *config.Job {
	if name := r.PathValue("job"); name != "" {
		if j := g.jobs.Job(name); j != nil {
			return j.Job
		}
	} else if id := r.PathValue("id"); id != "" {
		return g.jobs.Definition(id)
	}
	return nil
}

// refuse answers a request of somebody who may not make it: 403 to who is known, which
// is recorded, and 401 to others, who may sign in. Neither says whether there is
// anything at the path.
func (g *gateway) refuse(w http.ResponseWriter, r *http.Request) {
	user := userOf(r)
	if user.Known() {
		g.auditMetered(r, "denied", user.ID, slog.String("method", r.Method), slog.String("path", r.URL.Path))
		fail(w, r, http.StatusForbidden, fmt.Sprintf("%s may not do that", user.Name))
		return
	}
	who, _ := r.Context().Value(askingKey{}).(asking)
	g.failSignIn(w, r, who.err)
}

// failSignIn says why somebody is not known, without saying anything about the token.
func (g *gateway) failSignIn(w http.ResponseWriter, r *http.Request, err error) {
	var tooMany *access.TooManyError
	switch {
	case errors.As(err, &tooMany):
		failForNow(w, r, http.StatusTooManyRequests, err.Error(), tooMany.Wait)
	case errors.Is(err, access.ErrUnknownToken):
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidewire", error="invalid_token"`)
		fail(w, r, http.StatusUnauthorized, err.Error())
	default:
		w.Header().Set("WWW-Authenticate", `Bearer realm="tidewire"`)
		fail(w, r, http.StatusUnauthorized, "sign in, or send a token: Authorization: Bearer TOKEN")
	}
}

// mayStill reports whether the user who made a request still has that permission, and refuses
// the request otherwise. It is asked after each wait: for what is to be answered, or for the body. A
// session may have ended meanwhile, a token may have been withdrawn, or a role may have changed.
func (g *gateway) mayStill(w http.ResponseWriter, r *http.Request, verb access.Verb, job *config.Job) bool {
	switch user := g.guard.Again(userOf(r)); {
	case user.Can(verb, job):
		return true
	case user.Known():
		g.refuse(w, r)
	default:
		g.failSignIn(w, r, nil)
	}
	return false
}

// maySee refuses topics to who may not view; who may sees all of them.
func maySee(r *http.Request, _ *sse.Topic) error {
	if !userOf(r).Can(view, nil) {
		return errors.New("the user may not view")
	}
	return nil
}

// accessTick is how long a stream may outlive the access of who reads it.
const accessTick = time.Second

// watchClients ends the streams of those who have lost access, by a session that has
// expired or a token that was removed from the configuration, and tells what was left out
// of the logs. It runs until ctx ends.
func (g *gateway) watchClients(ctx context.Context) {
	ticker := time.NewTicker(accessTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if g.cfg.Load().Access != nil { // else nobody can lose it but by a reload
				g.endStreams()
			}
			now := time.Now()
			g.auditLog.Tell(now)
			g.flooding.Tell(now)
		}
	}
}

// endStreams ends the streams of everybody who may not view any more.
func (g *gateway) endStreams() {
	g.hub.End(func(subject any) bool {
		user, ok := subject.(*access.User)
		return !ok || !g.guard.Again(user).Can(view, nil)
	}, `{"reason":"session"}`)
}

// me says who makes the request, what they may do, and how they could sign in.
func (g *gateway) me(w http.ResponseWriter, r *http.Request) {
	user, methods := userOf(r), g.guard.Methods()
	var signIn *string
	if len(methods) > 0 {
		path := g.link("/auth/login")
		signIn = &path
	}
	role := user.Role
	if role == config.RoleNone {
		role = "none"
	}
	answer(w, http.StatusOK, wire.Me{Known: user.Known(), Methods: methods, Name: user.Name, Role: string(role), Session: user.InSession(), SignIn: signIn})
}

// signInPage leads to the form of the page.
func (g *gateway) signInPage(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, g.link("/#sign-in"), http.StatusSeeOther)
}

// signIn begins a session with a token, which comes as JSON, or from a form that knows
// no script; that one is led back to the page.
func (g *gateway) signIn(w http.ResponseWriter, r *http.Request) {
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
		failBody(w, r, err)
		return
	case err != nil: // which might quote it
		fail(w, r, http.StatusBadRequest, `the body is neither {"token": "…"} nor a form with it`)
		return
	}
	user, err := g.guard.SignIn(w, r, body.Token)
	if err != nil {
		g.signedIn(r, nil, "token", err)
		g.failSignIn(w, r, err)
		return
	}
	g.signedIn(r, user, "token", nil)
	if media != jsonType {
		http.Redirect(w, r, g.link("/"), http.StatusSeeOther)
		return
	}
	answer(w, http.StatusOK, wire.SignedIn{Name: user.Name, Role: string(user.Role)})
}

// beginSignIn sends the browser to the OpenID Connect provider.
func (g *gateway) beginSignIn(w http.ResponseWriter, r *http.Request) {
	visit, wrong := visitOf(r.URL.Query())
	if wrong != "" {
		web.Message(w, http.StatusBadRequest, web.Notice{Title: "This address is not right", Text: wrong})
		return
	}
	err := g.guard.Begin(w, r, visit)
	var away *access.AwayError
	switch {
	case err == nil:
	case errors.As(err, &away):
		g.providerAway(w, away)
	default:
		noProvider(w)
	}
}

// maxReturn bounds the way back to the page, in bytes.
const maxReturn = 1000

// visitOf reads how somebody wants to sign in, or says what is wrong with that. The way
// back leads to the page and nowhere else: an address that somebody made up can send
// nobody to another site.
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
	if !page || len(visit.Return) > maxReturn || strings.ContainsFunc(visit.Return, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return visit, fmt.Sprintf("return must be / with a query or a fragment at most, of %d visible ASCII characters.", maxReturn)
	}
	return visit, ""
}

// noProvider answers a sign-in at a provider where none is configured.
func noProvider(w http.ResponseWriter) {
	web.Message(w, http.StatusNotFound, web.Notice{Title: "There is no identity provider here", Text: "Sign in with a token."})
}

// providerAway answers a sign-in while the provider cannot be reached.
func (g *gateway) providerAway(w http.ResponseWriter, away *access.AwayError) {
	if away.New { // at most once in a while, however often somebody tries
		g.log.Warn("the OpenID Connect provider cannot be reached", "err", away)
	}
	w.Header().Set("Retry-After", strconv.Itoa(seconds(away.After)))
	web.Message(w, http.StatusServiceUnavailable, web.Notice{
		Title: "Sign-in is not possible now",
		Text:  "The identity provider cannot be reached. Try again in a moment, or sign in with a token.",
	})
}

// completeSignIn takes the browser back from the provider.
func (g *gateway) completeSignIn(w http.ResponseWriter, r *http.Request) {
	user, back, err := g.guard.Complete(w, r)
	var (
		away     *access.AwayError
		busy     *access.BusyError
		notBegun *access.NotBegunError
		noRole   *access.NoRoleError
	)
	switch {
	case err == nil:
		g.signedIn(r, user, "oidc", nil)
		// Not by http.Redirect, which takes dots of the fragment for those of a path.
		w.Header().Set("Location", g.link("/")+strings.TrimPrefix(back, "/"))
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusSeeOther)
	case errors.Is(err, access.ErrNoOIDC):
		noProvider(w)
	case errors.As(err, &away):
		g.providerAway(w, away)
	case errors.As(err, &busy):
		w.Header().Set("Retry-After", strconv.Itoa(seconds(busy.After)))
		web.Message(w, http.StatusServiceUnavailable, web.Notice{Title: "Many people are signing in", Text: "Reload this page in a moment to go on."})
	case errors.As(err, &notBegun): // which any site can have sent: neither logged nor recorded
		web.Message(w, http.StatusBadRequest, web.Notice{
			Title: "This sign-in was not begun here",
			Text:  "It took longer than ten minutes, was completed before, or was begun in another browser or at another address. Begin again.",
			Link:  &web.Link{Text: "Sign in", To: "../auth/oidc"},
		})
	case errors.As(err, &noRole):
		g.signedIn(r, nil, "oidc", err)
		web.Message(w, http.StatusForbidden, web.Notice{
			Title: "You have no access",
			Text: fmt.Sprintf("You are signed in as %s, but none of your groups may use this gateway. "+
				"Its administrator can give one of them a role.", noRole.Name),
			Link: &web.Link{Text: "Use another account", To: "../auth/oidc?prompt=select_account"},
		})
	default:
		g.signedIn(r, nil, "oidc", err)
		g.clients.Warn("sign-in failed", "method", "oidc", flood.Address, g.addressOf(r), "err", err)
		web.Message(w, http.StatusBadRequest, web.Notice{
			Title: "The sign-in did not succeed",
			Text:  "Begin again. If that does not help, the log of the gateway says why.",
			Link:  &web.Link{Text: "Sign in", To: "../auth/oidc"},
		})
	}
}

// signedIn records an attempt to sign in, unless it was one too many.
func (g *gateway) signedIn(r *http.Request, user *access.User, method string, err error) {
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
	g.auditMetered(r, "sign-in", id, slog.String("as", name), identityAttr("as_", id), slog.String("method", method), slog.String("result", result))
}

// signOut ends the session of the request, and its streams. Where the browser has a session
// at the provider, too, the answer says where that is ended.
func (g *gateway) signOut(w http.ResponseWriter, r *http.Request) {
	if user := userOf(r); user.Known() {
		g.auditMetered(r, "sign-out", user.ID)
	}
	provider := g.guard.SignOut(w, r)
	g.endStreams()
	if provider != "" {
		answer(w, http.StatusOK, wire.SignedOut{EndSession: provider})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
