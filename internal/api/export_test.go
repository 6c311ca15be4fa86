package api

import (
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
