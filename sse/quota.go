package sse

import (
	"fmt"
	"net/http"
	"net/netip"
	"reflect"

	"github.com/tidewire/tidewire/internal/network"
)

// Quota bounds the streams that are open at once for one key, such as a user, a tenant or an address. It returns the key
// of a request, and how many streams that key may have. A nil key, or a number of zero or less, means that it does not
// bound the request; "" is a key like any other, so return nil for a request without a user. Each Quota has keys of its
// own. The dynamic type of a key must be comparable, or Serve panics.
//
// A hub holds a key for as long as one of its streams is open, and no others. The number is that of the request that
// asks: a key may be allowed more or fewer streams later, which does not end any.
//
// It is called on the request's goroutine, with no lock held, before anything is written. See [HubOptions].Quotas.
type Quota func(*http.Request) (key any, streams int)

// PerClient is a Quota of that many streams for each address, or for IPv6, where a client has a whole network to choose
// from, for each /64. addr returns the address of a request; one that is not valid is not bounded. If addr is nil, it is
// the address of the connection, which behind a reverse proxy is the proxy's.
func PerClient(streams int, addr func(*http.Request) netip.Addr) Quota {
	if addr == nil {
		addr = remoteAddr
	}
	return func(r *http.Request) (any, int) {
		at := network.Of(addr(r))
		if !at.IsValid() {
			return nil, 0
		}
		return at, streams
	}
}

func remoteAddr(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr()
}

// quotaKey is what streams are counted under: the index of a quota, and a key of that.
type quotaKey struct {
	quota int
	key   any
}

// quotaBound is how many streams there may be under a key.
type quotaBound struct {
	quotaKey
	streams int
}

// boundsOf returns what a stream for r is counted under.
func (h *Hub) boundsOf(r *http.Request) (bounds []quotaBound) {
	for i, quota := range h.opts.Quotas {
		key, streams := quota(r)
		if key == nil || streams <= 0 {
			continue
		}
		if !reflect.ValueOf(key).Comparable() {
			panic(fmt.Sprintf("sse: a Quota has returned a key of type %T: want a comparable one", key))
		}
		bounds = append(bounds, quotaBound{quotaKey{i, key}, streams})
	}
	return bounds
}

// fitsLocked reports whether one more stream fits into each of bounds.
func (h *Hub) fitsLocked(bounds []quotaBound) bool {
	for _, s := range bounds {
		if h.counts[s.quotaKey] >= s.streams {
			return false
		}
	}
	return true
}

// countLocked counts a stream under each of bounds.
func (h *Hub) countLocked(bounds []quotaBound) {
	if h.counts == nil && len(bounds) > 0 {
		h.counts = map[quotaKey]int{}
	}
	for _, s := range bounds {
		h.counts[s.quotaKey]++
	}
}

// discountLocked undoes countLocked.
func (h *Hub) discountLocked(bounds []quotaBound) {
	for _, s := range bounds {
		if h.counts[s.quotaKey]--; h.counts[s.quotaKey] == 0 {
			delete(h.counts, s.quotaKey)
		}
	}
}
