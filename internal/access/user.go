// Package access knows who is asking and what they may do.
//
// A [Guard] finds the [User] of a request: by a bearer token, by the cookie of a
// session, by the headers of a proxy that is trusted, or as nobody in particular.
// [User.Can] is the one rule of what a user may do; whatever it does not allow is
// denied. A session begins with a token ([Guard.SignIn]) or at an OpenID Connect
// provider ([Guard.Begin], [Guard.Complete]) and ends on the server.
//
// Credentials are kept and compared as SHA-256 hashes. Neither tokens nor session
// ids are in errors, logs or addresses.
package access

import (
	"slices"

	"github.com/tidewire/tidewire/internal/config"
)

// A Verb is what somebody wants to do.
type Verb int

// The verbs. Each of [View], [Operate] and [Manage] takes a higher role.
const (
	Public  Verb = iota // nothing that is protected: health, the page's own files, signing in
	View                // see sources, jobs and runs
	Operate             // start and cancel jobs, refresh sources
	Manage              // what concerns the gateway itself
)

// The kinds of an [Identity]: what vouches for it.
const (
	ByNothing = "anonymous"
	ByToken   = "token" // of the configuration
	ByOIDC    = "oidc"
	ByProxy   = "proxy"
)

// An Identity tells users apart. Names do not: a person at the provider may be called like
// a token. What belongs to one user is kept by identity. It is comparable; the zero value
// is nobody's.
type Identity struct {
	Kind    string
	Issuer  string // the provider of [ByOIDC]
	Subject string // the name of the token, the provider's "sub", or the name that a proxy gives
}

// A User is who makes a request. It is not changed once it is made.
type User struct {
	ID   Identity
	Name string      // for people, who cannot rely on it; "" of nobody
	Role config.Role // RoleNone may do nothing
	Jobs []string    // the jobs that it may operate, and nothing else; nil: all that its role may

	by credential // how the user was recognised
}

// Nobody is who may do nothing but what is public.
var Nobody = &User{}

// Everybody is the user of every request while no access is configured.
var Everybody = &User{Name: "anonymous", ID: Identity{Kind: ByNothing}, Role: config.RoleAdmin}

// Can reports whether u may do verb: to job, or if that is nil to anything that is
// no job. A viewer views, an operator also operates, an admin also manages. The roles
// of a job say from which role on it is operated instead. A user whose Jobs are set
// views, and operates these.
func (u *User) Can(verb Verb, job *config.Job) bool {
	switch verb {
	case Public:
		return true
	case View:
		return rank(u.Role) >= rank(config.RoleViewer)
	case Operate:
		if u.Jobs != nil && (job == nil || !slices.Contains(u.Jobs, job.Name)) {
			return false
		}
		if job == nil || len(job.Roles) == 0 {
			return rank(u.Role) >= rank(config.RoleOperator)
		}
		return slices.ContainsFunc(job.Roles, func(least config.Role) bool {
			return rank(least) > 0 && rank(u.Role) >= rank(least)
		})
	case Manage:
		return u.Jobs == nil && rank(u.Role) >= rank(config.RoleAdmin)
	default:
		return false
	}
}

// Known reports whether u said who they are: what such a user may not do is
// forbidden, while nobody in particular may sign in.
func (u *User) Known() bool { return u.by.kind != "" && u.by.kind != byNothing }

// InSession reports whether u is known by a session, which can be ended.
func (u *User) InSession() bool { return u.by.kind == bySession }

// rank orders the roles; what is no role is below all of them.
func rank(r config.Role) int {
	return slices.Index([]config.Role{config.RoleNone, config.RoleViewer, config.RoleOperator, config.RoleAdmin}, r)
}
