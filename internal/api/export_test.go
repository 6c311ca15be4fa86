package api

import (
	"bytes"
	"context"
	"net/http"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/config"
)

// Recovered is next behind what takes care of panics.
func (a *API) Recovered(next http.HandlerFunc) http.Handler { return a.recovered(next) }

// As is r of a user that the guard has let in.
func As(r *http.Request, role config.Role) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, caller{user: &access.User{Role: role}}))
}

// NewTrends returns what answers with the trends of all sources.
func NewTrends(deps Deps) func(context.Context) (string, error) {
	t := newTrends(deps)
	return func(ctx context.Context) (string, error) {
		s, err := t.get(ctx)
		return string(bytes.Join(s.body, nil)), err
	}
}

// NewUploads returns what bounds the bodies of starts with files, and the bound.
func NewUploads() (limit func(*http.Request, *config.Job) (done func()), most int64) {
	return new(uploads).limit, maxUploads
}

// ErrUploads is why a body is not read on.
var ErrUploads = errUploads
