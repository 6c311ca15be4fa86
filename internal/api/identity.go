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

// asking is who makes a request, in its context.
type asking struct {
	user *access.User
	err  error  // why the user is nobody, if more is to be said
	base string // of the paths that they use
}

type askingKey struct{}

// identified finds out who makes a request, before anything answers it.
func (a *API) identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := a.Guard.Identify(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askingKey{}, asking{user, err, a.link("")})))
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
func (a *API) addressOf(r *http.Request) string {
	if addr := a.Guard.Address(r); addr.IsValid() {
		return addr.String()
	}
	return ""
}

// guarded answers a route for those who may, and refuses all others.
func (a *API) guarded(route route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var job *config.Job
		if route.verb == operate {
			job = a.jobOf(r)
		}
		if !userOf(r).Can(route.verb, job) {
			a.refuse(w, r)
			return
		}
		route.handle(w, r)
	}
}

// jobOf is the job that the path of a request is about, directly or by a run; nil if
// there is none.
func (a *API) jobOf(r *http.Request) *config.Job {
	if name := r.PathValue("job"); name != "" {
		if j := a.Jobs.Job(name); j != nil {
			return j.Job
		}
	} else if id := r.PathValue("id"); id != "" {
		return a.Runs.Definition(id)
	}
	return nil
}

// refuse answers a request of somebody who may not make it: 403 to who is known, which
// is recorded, and 401 to others, who may sign in. Neither says whether there is
// anything at the path.
func (a *API) refuse(w http.ResponseWriter, r *http.Request) {
	user := userOf(r)
	if user.Known() {
		a.recordMetered(r, "denied", user.ID, slog.String("method", r.Method), slog.String("path", r.URL.Path))
		fail(w, r, http.StatusForbidden, fmt.Sprintf("%s may not do that", user.Name))
		return
	}
	who, _ := r.Context().Value(askingKey{}).(asking)
	a.failSignIn(w, r, who.err)
}

// failSignIn says why somebody is not known, without saying anything about the token.
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

// revalidate reports whether the user who made a request still has that permission, and refuses
// the request otherwise. It is asked after each wait: for what is to be answered, or for the body. A
// session may have ended meanwhile, a token may have been withdrawn, or a role may have changed.
func (a *API) revalidate(w http.ResponseWriter, r *http.Request, verb access.Verb, job *config.Job) bool {
	switch user := a.Guard.Revalidate(userOf(r)); {
	case user.Can(verb, job):
		return true
	case user.Known():
		a.refuse(w, r)
	default:
		a.failSignIn(w, r, nil)
	}
	return false
}

// Authorise refuses topics to callers who may not view; who may view may view all of them. It is for [sse.HubOptions].
func Authorise(r *http.Request, _ *sse.Topic) error {
	if !userOf(r).Can(view, nil) {
		return errors.New("the user may not view")
	}
	return nil
}

// Subject is whose stream a request asks for. It is for [sse.HubOptions], as [API.EndStreams] needs it.
func Subject(r *http.Request) any { return userOf(r) }

// accessTick is how long a stream may outlive the access of who reads it.
const accessTick = time.Second

// Watch ends the streams of those who have lost access, by a session that has
// expired or a token that was removed from the configuration, and tells what was left out
// of the logs. It runs until ctx ends.
func (a *API) Watch(ctx context.Context) {
	ticker := time.NewTicker(accessTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if a.Config().Access != nil { // else nobody can lose it but by a reload
				a.EndStreams()
			}
			now := time.Now()
			a.Audit.Tell(now)
			a.Clients.Tell(now)
		}
	}
}

// EndStreams ends the streams of everybody who may not view any more.
func (a *API) EndStreams() {
	a.Hub.End(func(subject any) bool {
		user, ok := subject.(*access.User)
		return !ok || !a.Guard.Revalidate(user).Can(view, nil)
	}, `{"reason":"session"}`)
}
