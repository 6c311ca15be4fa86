package access

import "time"

const (
	MaxSessions = maxSessions
	MaxClients  = maxClients
)

// AddSession begins a session of nobody.
func (g *Guard) AddSession() { g.sessions.begin(time.Now(), session{}) }

// Clients is how many addresses the limiter remembers.
func (g *Guard) Clients() int { return len(g.attempts.clients) }

// Later makes the last failure of the provider one of long ago.
func (g *Guard) Later() {
	g.provider.mu.Lock()
	defer g.provider.mu.Unlock()
	g.provider.failed = time.Time{}
}
