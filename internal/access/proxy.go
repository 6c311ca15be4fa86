package access

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
)

// maxName bounds the name of a person, in bytes.
const maxName = 256

// Address returns the address of the client of a request: that of the connection, or if
// that is a trusted proxy's, the last one in X-Forwarded-For that is none. Whatever is
// left of it there the client may have written itself. It is invalid if there is none.
func (g *Guard) Address(r *http.Request) netip.Addr {
	addr := peer(r)
	access := g.current().Access
	if access == nil || !trustedProxy(access.Proxy, r) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := parseHop(hop)
		if !ok {
			return addr
		}
		addr = next
		if !trusts(access.Proxy, addr) {
			return addr
		}
	}
	return addr
}

// peer is the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr) // invalid if it is none
	return at.Addr().Unmap().WithZone("")
}

// parseHop reads an element of X-Forwarded-For: an address, with a port or without.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	if at, err := netip.ParseAddrPort(hop); err == nil {
		return at.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	return addr.Unmap().WithZone(""), err == nil
}

// trustedProxy reports whether a request comes from a proxy that may name people.
func trustedProxy(proxy *config.Proxy, r *http.Request) bool {
	return proxy != nil && trusts(proxy, peer(r))
}

func trusts(proxy *config.Proxy, addr netip.Addr) bool {
	return addr.IsValid() && slices.ContainsFunc(proxy.Trust, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// named returns the person that a trusted proxy names. Two names are none: one of them
// may be the client's own.
func named(proxy *config.Proxy, r *http.Request) (person, bool) {
	names := r.Header.Values(proxy.UserHeader)
	if len(names) != 1 || !isName(names[0]) {
		return person{}, false
	}
	p := person{name: strings.TrimSpace(names[0])}
	for _, line := range r.Header.Values(proxy.GroupsHeader) {
		for group := range strings.SplitSeq(line, ",") {
			if group = strings.TrimSpace(group); group != "" {
				p.groups = append(p.groups, group)
			}
		}
	}
	return p, true
}

// isName reports whether a text can name a person.
func isName(name string) bool {
	name = strings.TrimSpace(name)
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f })
}
