package access

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
)

// maxName bounds the name of a person, in bytes.
const maxName = 256

// Address returns the address of the client of a request: that of the connection or, if that belongs to a trusted
// proxy, the last one in X-Forwarded-For that does not. Everything to the left of it may have been written by the
// client. The result is invalid if there is no address, as for a connection by the unix socket.
func (g *Guard) Address(r *http.Request) netip.Addr {
	cfg := g.current()
	proxies := cfg.Forwarded
	if cfg.Access != nil && cfg.Access.Proxy != nil {
		proxies = slices.Concat(proxies, cfg.Access.Proxy.Trust)
	}
	addr := peer(r)
	if !trusts(proxies, addr) {
		return clientAddress(addr)
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		next, ok := parseHop(hop)
		if !ok {
			return clientAddress(addr)
		}
		addr = next
		if !trusts(proxies, addr) {
			return addr
		}
	}
	return clientAddress(addr)
}

// clientAddress returns addr, or an invalid address if addr stands for the peers of the unix socket.
func clientAddress(addr netip.Addr) netip.Addr {
	if addr == config.UnixPeers.Addr() {
		return netip.Addr{}
	}
	return addr
}

// peer returns the address at the other end of the connection; that of [config.UnixPeers] for one by the unix socket.
func peer(r *http.Request) netip.Addr {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr); ok && local != nil {
		return config.UnixPeers.Addr()
	}
	at, _ := netip.ParseAddrPort(r.RemoteAddr) // invalid if it is not an address
	return at.Addr().Unmap().WithZone("")
}

// parseHop parses an element of X-Forwarded-For: an address with or without a port.
func parseHop(hop string) (netip.Addr, bool) {
	hop = strings.TrimSpace(hop)
	addr, err := netip.ParseAddr(strings.Trim(hop, "[]"))
	if at, bad := netip.ParseAddrPort(hop); bad == nil {
		addr, err = at.Addr(), nil
	}
	addr = addr.Unmap().WithZone("")
	return addr, err == nil && !addr.IsUnspecified()
}

// trustedProxy reports whether a request comes from a proxy that may name people.
func trustedProxy(proxy *config.Proxy, r *http.Request) bool {
	return proxy != nil && trusts(proxy.Trust, peer(r))
}

func trusts(proxies []netip.Prefix, addr netip.Addr) bool {
	return addr.IsValid() && slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// named returns the person that a trusted proxy names. A second name makes both void: one of them may come from the
// client.
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

// isName reports whether a text is a valid name of a person.
func isName(name string) bool {
	name = strings.TrimSpace(name)
	return name != "" && len(name) <= maxName &&
		!strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f })
}
