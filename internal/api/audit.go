package api

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/audit"
)

// record audits what the user of r did, or tried to. Attributes must hold no secret.
func (a *API) record(r *http.Request, action string, attrs ...slog.Attr) {
	a.Audit.Record(a.actor(r), action, attrs...)
}

// actor is who makes a request, and from where.
func (a *API) actor(r *http.Request) audit.Actor {
	user := userOf(r)
	return audit.Actor{slog.String("user", user.Name), identityAttr("", user.ID), slog.String("address", a.addressOf(r))}
}

// recordMetered audits what costs a client nothing, so that it could fill the disk with
// it: requests that are denied, and signing in and out. It is counted by user, or by the network
// of an unknown one.
func (a *API) recordMetered(r *http.Request, action string, of access.Identity, attrs ...slog.Attr) {
	caller, about := fmt.Sprint(of), identityAttr("", of)
	if of == (access.Identity{}) {
		caller = access.Network(a.Guard.Address(r)).String()
		about = slog.String("address", caller)
	}
	a.Audit.RecordMetered(caller, about, a.actor(r), action, attrs...)
}

// identityAttr is who somebody is, beside their name: a person can be called like a token,
// or like the gateway itself. It has no members of nobody.
func identityAttr(prefix string, id access.Identity) slog.Attr {
	var members []any
	for _, member := range []struct{ key, value string }{{"kind", id.Kind}, {"issuer", id.Issuer}, {"subject", id.Subject}} {
		if member.value != "" {
			members = append(members, slog.String(prefix+member.key, member.value))
		}
	}
	return slog.Group("", members...) // whose members stand in the line itself
}
