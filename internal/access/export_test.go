package access

import (
	"strconv"
	"time"
)

const (
	MaxSessions        = maxSessions
	MaxOwnSessions     = maxOwnSessions
	MaxClients         = maxClients
	MaxPending         = maxPending
	MaxClientExchanges = maxClientExchanges
)

// MaxUsed is how many sign-ins are remembered as used.
const MaxUsed = maxUsed

// Use notes that a sign-in was used, and reports whether that was the first time.
func (g *Guard) Use(state string) bool { return g.used.use(time.Now(), state) }

// Used is how many sign-ins are remembered as used.
func (g *Guard) Used() (all, ordered int) { return len(g.used.all), len(g.used.order) }

// AddSession begins a session of the person with that number.
func (g *Guard) AddSession(who int) {
	g.sessions.begin(time.Now(), session{person: person{subject: strconv.Itoa(who)}})
}

// Sessions is how many there are, and of how many owners.
func (g *Guard) Sessions() (all, owners int) { return len(g.sessions.all), len(g.sessions.of) }

// Clients is how many addresses the limiter remembers.
func (g *Guard) Clients() int { return len(g.wrongTokens.clients) }

// Later makes the last failure of the provider one of long ago.
func (g *Guard) Later() {
	g.provider.mu.Lock()
	defer g.provider.mu.Unlock()
	g.provider.failed = time.Time{}
}
