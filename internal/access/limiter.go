package access

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/network"
)

const (
	burst      = 10              // failed attempts that an address may make at once
	refill     = 6 * time.Second // time until one more may fail
	maxClients = 4096            // addresses that are remembered
)

// A limiter bounds failed attempts by the network of their address ([network.Of]). Attempts that succeed do not consult
// it: misuse by one client of a shared address must not lock out the others. The zero value is ready to use.
type limiter struct {
	mu      sync.Mutex // guards clients
	clients map[netip.Addr]*attempts
}

// attempts is the state of one address with failed attempts.
type attempts struct {
	left float64 // attempts left at the time at
	at   time.Time
	last [sha256.Size]byte // hash of the last wrong token
}

// leftAt returns how many attempts may fail at the time now.
func (a *attempts) leftAt(now time.Time) float64 {
	return min(burst, a.left+float64(now.Sub(a.at))/float64(refill))
}

// take counts a failed attempt and returns 0. If none is left, it returns how long the address has to wait, and does
// not count: attempts beyond the limit do not lengthen the wait. The same token as last time, if token is given, does
// not count: a guesser learns nothing from it, and it usually comes from a program that was overlooked when its token
// was changed.
func (l *limiter) take(now time.Time, from netip.Addr, token *[sha256.Size]byte) time.Duration {
	from = network.Of(from)
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.clients[from]
	if a == nil {
		if len(l.clients) >= maxClients {
			l.forgetLocked(now)
		}
		if l.clients == nil {
			l.clients = map[netip.Addr]*attempts{}
		}
		a = &attempts{left: burst, at: now}
		l.clients[from] = a
	} else if token != nil && a.last == *token {
		return 0
	}
	left := a.leftAt(now)
	if left < 1 {
		return max(time.Duration((1-left)*float64(refill)).Round(time.Second), time.Second)
	}
	a.left, a.at = left-1, now
	if token != nil {
		a.last = *token
	}
	return 0
}

// forgetLocked makes room: it removes the addresses that have waited long enough, or else the one with the shortest
// wait left.
func (l *limiter) forgetLocked(now time.Time) {
	var fullest netip.Addr
	most := -1.0
	for from, a := range l.clients {
		left := a.leftAt(now)
		if left >= burst {
			delete(l.clients, from)
		} else if left > most {
			fullest, most = from, left
		}
	}
	if len(l.clients) >= maxClients {
		delete(l.clients, fullest)
	}
}
