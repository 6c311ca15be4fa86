package api

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tidewire/tidewire/internal/network"
)

// places are those of requests that are read at the same time, of which there are maxLarge. Nobody can keep others out: when
// all are taken, a request of the address that has the most of them gives way, and otherwise one that has taken long. Any
// goroutine may use it.
type places struct {
	mu    sync.Mutex
	taken []*place // the oldest first
}

// A place is that of one request.
type place struct {
	of    netip.Addr
	since time.Time
	end   func() // makes the request end; called within the lock of places, once at most, and not after free
	ended bool   // end was called; guarded by places.mu
}

// slowAfter is how long a request has its place for itself, if nobody else has more of them.
const slowAfter = time.Second

// take returns a place for a request of an address, nil if there is none. The caller gives it back with free.
func (p *places) take(of netip.Addr, now time.Time, end func()) *place {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := &place{of: network.Of(of), since: now, end: end}
	if len(p.taken) >= maxLarge && !p.makeRoomLocked(got) {
		return nil
	}
	p.taken = append(p.taken, got)
	return got
}

// free gives a place back, and reports whether its request had to give way to another one.
func (p *places) free(of *place) (ended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = slices.DeleteFunc(p.taken, func(is *place) bool { return is == of })
	return of.ended
}

// makeRoomLocked ends the request that has the least right to its place, and reports whether there is one.
func (p *places) makeRoomLocked(by *place) bool {
	has := map[netip.Addr]int{}
	for _, is := range p.taken {
		has[is.of]++
	}
	leave := p.taken[0]
	for _, is := range p.taken {
		if has[is.of] > has[leave.of] {
			leave = is
		}
	}
	if has[leave.of] <= has[by.of]+1 { // nobody has more than the next one would
		if leave = p.taken[0]; by.since.Sub(leave.since) < slowAfter {
			return false
		}
	}
	leave.ended = true
	leave.end()
	p.taken = slices.DeleteFunc(p.taken, func(is *place) bool { return is == leave })
	return true
}
