package access

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"
)

const (
	burst      = 10              // attempts of an address that may fail at once
	refill     = 6 * time.Second // until one more may
	maxClients = 4096            // addresses that are remembered
)

// A limiter bounds the attempts that fail, by the [Network] of their address. Attempts
// that succeed never ask it: misuse by one client of a shared address must not lock out
// the others. The zero value has seen nobody.
type limiter struct {
	mu      sync.Mutex // guards clients
	clients map[netip.Addr]*attempts
}

// attempts are those of one address that failed.
type attempts struct {
	left float64 // at the time at
	at   time.Time
	last [sha256.Size]byte // of the token that was wrong last
}

// leftAt is how many attempts may fail at the time now.
func (a *attempts) leftAt(now time.Time) float64 {
	return min(burst, a.left+float64(now.Sub(a.at))/float64(refill))
}

// take counts an attempt that failed and returns 0, or returns how long the address has
// to wait if none is left: then it counts nothing, so attempts beyond the limit do not
// lengthen the wait. A token that is the same as last time does not count, if there is
// one: it teaches a guesser nothing, and comes from a program that was forgotten when its
// token was changed.
func (l *limiter) take(now time.Time, from netip.Addr, token *[sha256.Size]byte) time.Duration {
	from = Network(from)
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

// forgetLocked makes room: by those who have waited long enough, or else by the one who
// has the least to wait for.
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

// Network is what an address is counted under: of IPv6 its /64, of which one client may
// have every address.
func Network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.Addr()
	}
	return addr
}
