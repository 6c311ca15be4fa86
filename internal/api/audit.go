package api

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/audit"
	"github.com/tidewire/tidewire/internal/network"
)

// record audits what the user of r did, or tried to do. Attributes must not contain secrets.
func (a *API) record(r *http.Request, action string, attrs ...slog.Attr) {
	a.deps.Audit.Record(a.actor(r), action, attrs...)
}

// actor returns who makes a request, and from which address.
func (a *API) actor(r *http.Request) audit.Actor {
	user := userOf(r)
	return audit.Actor{
		slog.String("user", user.Name), identityAttr("", user.ID), slog.String("address", a.addressOf(r)),
	}
}

// recordMetered audits what costs a client nothing and could be used to fill the disk: denied requests, signing in, and
// signing out. Known users are counted by their identity, unknown ones by their network.
func (a *API) recordMetered(r *http.Request, action string, of access.Identity, attrs ...slog.Attr) {
	caller, about := fmt.Sprint(of), identityAttr("", of)
	if of == (access.Identity{}) {
		caller = network.Of(a.deps.Guard.Address(r)).String()
		about = slog.String("address", caller)
	}
	a.deps.Audit.RecordMetered(caller, about, a.actor(r), action, attrs...)
}

// identityAttr returns what identifies a user beyond the name: a person can have the same name as a token, or as the
// gateway itself. For an unknown user it is empty.
func identityAttr(prefix string, id access.Identity) slog.Attr {
	var members []any
	for _, member := range []struct{ key, value string }{
		{"kind", id.Kind}, {"issuer", id.Issuer}, {"subject", id.Subject},
	} {
		if member.value != "" {
			members = append(members, slog.String(prefix+member.key, member.value))
		}
	}
	return slog.Group("", members...) // its members are members of the line itself
}
