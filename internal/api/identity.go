package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/sse"
)

// A caller is who makes a request, in its context.
type caller struct {
	user *access.User
	err  error  // why nobody is signed in, if the request tried; nil otherwise
	base string // the path of the public address, below which paths in answers are
}

type callerKey struct{}

// authenticated finds out who makes a request before anything answers it.
func (a *API) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		user := access.Nobody
		if !isDelivery(r.URL.Path) { // what that has as its token is none of ours
			user, err = a.deps.Guard.Identify(r)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller{user, err, a.link("")})))
	})
}

// userOf returns who makes a request, [access.Nobody] if it has not been authenticated.
func userOf(r *http.Request) *access.User {
	if a, ok := r.Context().Value(callerKey{}).(caller); ok {
		return a.user
	}
	return access.Nobody
}

// addressOf returns the address that a request comes from, as trusted proxies report it; empty if it is unknown.
func (a *API) addressOf(r *http.Request) string {
	if addr := a.deps.Guard.Address(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

// authorised answers a route for callers who have its permission, and all others by refuse.
func (a *API) authorised(route route, refuse http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var job *config.Job
		if route.verb == operate {
			job = a.jobOf(r)
		}
		may := userOf(r).Can(route.verb, job)
		if route.verb == access.Push {
			may = userOf(r).CanPush(r.PathValue("name"))
		}
		if !may {
			refuse(w, r)
			return
		}
		route.handle(w, r)
	}
}

// jobOf returns the job that the path of a request names, directly or by one of its runs; nil if there is none.
func (a *API) jobOf(r *http.Request) *config.Job {
	if name := r.PathValue("job"); name != "" {
		if j := a.deps.Jobs.Job(name); j != nil {
			return j.Job
		}
	} else if id := r.PathValue("id"); id != "" {
		return a.deps.Runs.Definition(r.Context(), id)
	}
	return nil
}

// refuse answers a request that its caller may not make: with 403 if the caller is known, which is recorded, and with
// 401 otherwise, so that they can sign in. Neither answer reveals whether there is anything at the path.
func (a *API) refuse(w http.ResponseWriter, r *http.Request) {
	user := userOf(r)
	if user.Identified() {
		a.recordDenied(r, user)
		fail(w, r, http.StatusForbidden, fmt.Sprintf("%s may not do that", user.Name))
		return
	}
	c, _ := r.Context().Value(callerKey{}).(caller)
	a.failSignIn(w, r, c.err)
}

func (a *API) recordDenied(r *http.Request, user *access.User) {
	a.recordMetered(r, "denied", user.ID, slog.String("method", r.Method), slog.String("path", r.URL.Path))
}

// failSignIn answers with the reason why a caller is not known, which reveals nothing about the token.
func (a *API) failSignIn(w http.ResponseWriter, r *http.Request, err error) {
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

// revalidate reports whether the caller still has a permission, and refuses the request otherwise. It is called after
// each wait, for a body or for a change: meanwhile a session may have ended, a token may have been withdrawn, or a role
// may have changed.
func (a *API) revalidate(w http.ResponseWriter, r *http.Request, verb access.Verb, job *config.Job) bool {
	switch user := a.deps.Guard.Revalidate(userOf(r)); {
	case user.Can(verb, job):
		return true
	case user.Identified():
		a.refuse(w, r)
	default:
		a.failSignIn(w, r, nil)
	}
	return false
}

// Authorise refuses topics to callers who may not view anything. Whoever may view may view all topics. It is for
// [sse.HubOptions].
func Authorise(r *http.Request, _ *sse.Topic) error {
	if !userOf(r).Can(view, nil) {
		return errors.New("the user may not view")
	}
	return nil
}

// Subject returns the user who asks for a stream, by whom [API.EndStreams] finds it again. It is for [sse.HubOptions].
func Subject(r *http.Request) any { return userOf(r) }

// accessTick bounds the time for which a stream may outlive the access of its reader.
const accessTick = time.Second

// Watch ends the streams of users who have lost access, because their session has expired or their token was removed
// from the configuration, and logs how many lines were left out of the logs. It returns when ctx ends.
func (a *API) Watch(ctx context.Context) {
	ticker := time.NewTicker(accessTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if a.deps.Config().Access != nil { // otherwise access is lost by a reload alone
				a.EndStreams()
			}
			now := time.Now()
			a.deps.Audit.Report(now)
			a.deps.Clients.Report(now)
		}
	}
}

// EndStreams ends the streams of all users who may not view any more.
func (a *API) EndStreams() {
	a.deps.Hub.End(func(subject any) bool {
		user, ok := subject.(*access.User)
		return !ok || !a.deps.Guard.Revalidate(user).Can(view, nil)
	}, `{"reason":"session"}`)
}
