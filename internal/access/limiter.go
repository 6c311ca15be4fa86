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

// A limiter slows down who guesses, by address: one network of IPv6, of which a client
// has as many addresses as it likes, counts as one. The zero value has seen nobody.
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

// wait returns how long an address has to wait until it may try again.
func (l *limiter) wait(now time.Time, from netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.clients[network(from)]
	if a == nil {
		return 0
	}
	if left := a.leftAt(now); left < 1 {
		return max(time.Duration((1-left)*float64(refill)).Round(time.Second), time.Second)
	}
	return 0
}

// failed counts an attempt that failed. A token that is the same as last time does not
// count, if there is one: it teaches who guesses nothing, and a program that was
// forgotten when its token was changed does not lock out everybody at its address.
func (l *limiter) failed(now time.Time, from netip.Addr, token *[sha256.Size]byte) {
	from = network(from)
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
		return
	}
	a.left, a.at = a.leftAt(now)-1, now
	if token != nil {
		a.last = *token
	}
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

// network is what an address is counted under.
func network(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.Addr()
	}
	return addr
}
