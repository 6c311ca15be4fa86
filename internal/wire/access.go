package wire

// Me describes the user of a request: their name, what they may do, and how they could sign in.
type Me struct {
	Known   bool     `json:"known"`   // false of the anonymous
	Methods []string `json:"methods"` // of signing in: token, oidc
	Name    string   `json:"name"`
	Role    string   `json:"role"`    // none, viewer, operator or admin
	Session bool     `json:"session"` // there is one to sign out of
	SignIn  *string  `json:"sign_in"` // where to sign in; null: there is no method
}

// SignIn is the body that starts a session.
type SignIn struct {
	Token string `json:"token"`
}

// SignedIn is the answer to it.
type SignedIn struct {
	Name string `json:"name"`
	Role string `json:"role"` // viewer, operator or admin
}

// SignedOut is the answer to signing out of a session with a provider.
type SignedOut struct {
	EndSession string `json:"end_session"` // the address at the provider where its own session ends
}

// Health is the answer to a health check.
type Health struct {
	Status string `json:"status"`          // HealthOK, HealthDegraded or HealthUnavailable
	Store  string `json:"store,omitempty"` // StoreFailing, StoreNewer, or empty; why is for those who may view
}

// The words of [Health].
const (
	HealthOK          = "ok"
	HealthDegraded    = "degraded" // it works, and needs attention
	HealthUnavailable = "unavailable"

	StoreFailing = "failing"
	StoreNewer   = "newer" // a newer version of the program writes it: this replica takes no part
)
