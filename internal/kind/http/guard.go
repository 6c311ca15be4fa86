package http

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// metadata are the addresses at which clouds hand out the credentials of a machine,
// beside the one that is link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("100.100.100.200"), // Alibaba Cloud
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("192.0.0.192"),     // Oracle Cloud
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google Cloud
}

// Networks of IPv6 whose addresses stand for one of IPv4.
var (
	compatible = netip.MustParsePrefix("::/96")          // in the last 4 bytes; ::1 is allowed either way
	nat64      = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052 §2.1, in the last 4 bytes
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215, where /96 puts it
	sixToFour  = netip.MustParsePrefix("2002::/16")      // RFC 3056 §2, after the prefix
)

// A guardError says that an address is never connected to.
type guardError struct{ addr netip.Addr }

func (e *guardError) Error() string {
	return "refused to connect to " + e.addr.String() + ": it is link-local or serves a cloud's credentials"
}

// Guard is the Control of a dialer, which calls it with each resolved address right before it
// connects: a name may have resolved to another address earlier.
func Guard(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if forbidden(at.Addr()) {
		return &guardError{at.Addr()}
	}
	return nil
}

// guardProxied refuses the addresses in URLs that go through a proxy: Guard only sees the
// address of the proxy.
func guardProxied(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if addr, err := netip.ParseAddr(r.URL.Hostname()); err == nil && forbidden(addr) {
			return nil, &guardError{addr}
		}
		return proxy(r)
	}
}

// forbidden reports whether addr is link-local or that of a metadata service, in any
// notation.
func forbidden(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		b := addr.As16()
		switch {
		case compatible.Contains(addr), nat64.Contains(addr), nat64Local.Contains(addr):
			return forbidden(netip.AddrFrom4([4]byte(b[12:16])))
		case sixToFour.Contains(addr):
			return forbidden(netip.AddrFrom4([4]byte(b[2:6])))
		}
	}
	return addr.IsLinkLocalUnicast() || addr.IsMulticast() || slices.Contains(metadata, addr)
}
