package gateway

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/tidewire/tidewire/internal/access"
	"github.com/tidewire/tidewire/internal/audit"
)

// auditFile is the file in which is recorded who does what, empty if there is none.
func (g *gateway) auditFile() string {
	if cfg := g.cfg.Load(); cfg != nil {
		return cfg.Audit
	}
	return "" // the first configuration is being put to work
}

// audit records what the user of r did, or tried to. Attributes must hold no secret.
func (g *gateway) audit(r *http.Request, action string, attrs ...slog.Attr) {
	g.auditLog.Record(g.actor(r), action, attrs...)
}

// actor is who makes a request, and from where.
func (g *gateway) actor(r *http.Request) audit.Actor {
	user := userOf(r)
	return audit.Actor{slog.String("user", user.Name), identityAttr("", user.ID), slog.String("address", g.addressOf(r))}
}

// auditMetered records what costs a client nothing, so that it could fill the disk with
// it: requests that are denied, and signing in and out. It is counted by user, or by the network
// of an unknown one.
func (g *gateway) auditMetered(r *http.Request, action string, of access.Identity, attrs ...slog.Attr) {
	caller, about := fmt.Sprint(of), identityAttr("", of)
	if of == (access.Identity{}) {
		caller = access.Network(g.guard.Address(r)).String()
		about = slog.String("address", caller)
	}
	g.auditLog.RecordMetered(caller, about, g.actor(r), action, attrs...)
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
