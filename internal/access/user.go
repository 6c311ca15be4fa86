// Package access identifies the users of requests and authorises them.
//
// A [Guard] finds the [User] of a request: by a bearer token, by the cookie of a session, by the headers of a trusted
// proxy, or as an anonymous one. [User.Can] is the one rule for what a user may do; everything that it does not allow
// is denied. A session begins with a token ([Guard.SignIn]) or at an OpenID Connect provider ([Guard.Begin],
// [Guard.Complete]) and ends on the server.
//
// Credentials are kept and compared as SHA-256 hashes. Tokens and session ids never appear in errors, logs or
// addresses.
package access

import (
	"slices"

	"github.com/tidewire/tidewire/internal/config"
)

// A Verb is an action that needs authorisation.
type Verb int

// The verbs. [View], [Operate] and [Manage] require increasingly higher roles.
const (
	Public  Verb = iota // what is not protected: health, the page's own files, signing in
	View                // see sources, jobs and runs
	Operate             // start and cancel jobs, refresh sources
	Manage              // act on the gateway itself
	Push                // send a value to a source, see [User.CanPush]
)

// The kinds of an [Identity], by what vouches for it.
const (
	ByNothing = "anonymous"
	ByToken   = "token" // of the configuration
	ByOIDC    = "oidc"
	ByProxy   = "proxy"
	ByHook    = "hook" // of the configuration, whose signature the request had
)

// An Identity is unique to a user. Names are not: a person at the provider may have the name of a token. So data of a
// user is kept by identity. It is comparable; the zero value is that of [Nobody].
type Identity struct {
	Kind    string
	Issuer  string // the provider of [ByOIDC]
	Subject string // the name of the token or the hook, the provider's "sub", or the name that a proxy gives
}

// A User makes requests. It does not change after it is made.
type User struct {
	ID   Identity
	Name string      // to show to people; not unique; "" for Nobody
	Role config.Role // RoleNone may do nothing
	Jobs []string    // it may operate only these jobs; nil: all that its role may operate
	Push []string    // it may send values to these sources alone, whatever its role; nil: to all if it may operate

	by credential // how the user was recognised
}

// Nobody is a user that may do only what is public.
var Nobody = &User{}

// Everybody is the user of every request while no access is configured.
var Everybody = &User{Name: "anonymous", ID: Identity{Kind: ByNothing}, Role: config.RoleAdmin}

// Can reports whether u may do verb to job, or, if job is nil, to anything that is not a job. A viewer views, an
// operator also operates, an admin also manages. If a job has roles, operating it requires at least the lowest of them
// instead. A user whose Jobs are set may view, and operate these jobs.
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

// CanPush reports whether u may send values to a source.
func (u *User) CanPush(source string) bool {
	if u.Push != nil {
		return slices.Contains(u.Push, source)
	}
	return u.Can(Operate, nil)
}

// Identified reports whether u has identified itself. What such a user may not do is forbidden, while an anonymous one
// can still sign in.
func (u *User) Identified() bool { return u.by.kind != "" && u.by.kind != byNothing }

// InSession reports whether u was identified by a session, which can be ended.
func (u *User) InSession() bool { return u.by.kind == bySession }

// rank orders the roles; anything else ranks below them.
func rank(r config.Role) int {
	return slices.Index([]config.Role{config.RoleNone, config.RoleViewer, config.RoleOperator, config.RoleAdmin}, r)
}
