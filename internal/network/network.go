// Package network tells which addresses count as one client.
package network

import "net/netip"

// Of returns the network under which a client with the address is counted: for IPv6 its /64, since one client may have
// all of its addresses, and otherwise the address itself. An address that is not valid remains that.
func Of(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.Addr()
	}
	return addr
}
