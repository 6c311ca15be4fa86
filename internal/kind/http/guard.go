package http

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
)

// metadata are the networks in which clouds hand out the credentials of a machine. Those that are link-local count also
// for upstreams that may be.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.169.0/24"),   // nearly all
	netip.MustParsePrefix("169.254.170.0/24"),   // AWS, for containers
	netip.MustParsePrefix("169.254.0.23/32"),    // Tencent Cloud
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba Cloud
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
	netip.MustParsePrefix("192.0.0.192/32"),     // Oracle Cloud
	netip.MustParsePrefix("fe80::a9fe:a9fe/128"),
	netip.MustParsePrefix("fd00:ec2::/112"),   // AWS
	netip.MustParsePrefix("fd20:ce::254/128"), // Google Cloud
}

// Networks of IPv6 whose addresses stand for one of IPv4.
var (
	compatible = netip.MustParsePrefix("::/96")          // in the last 4 bytes; ::1 is allowed either way
	nat64      = netip.MustParsePrefix("64:ff9b::/96")   // RFC 6052 §2.1, in the last 4 bytes
	nat64Local = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215, where /96 puts it
	sixToFour  = netip.MustParsePrefix("2002::/16")      // RFC 3056 §2, after the prefix
)

// A guardError says that an address is never connected to.
type guardError struct {
	addr netip.Addr
	only bool // it would be, with allow_link_local
}

func (e *guardError) Error() string {
	text := "refused to connect to " + e.addr.String() + ": it is link-local or serves a cloud's credentials"
	if e.only {
		text = "refused to connect to " + e.addr.String() + ": it is link-local; for a device, write allow_link_local: true"
	}
	return text
}

// Guard is the Control of a dialer, which calls it with each resolved address right before it
// connects: a name may have resolved to another address earlier.
func Guard(_, address string, _ syscall.RawConn) error { return guard(address, false) }

// GuardDevices is [Guard] for what may be at a link-local address.
func GuardDevices(_, address string, _ syscall.RawConn) error { return guard(address, true) }

func guard(address string, linkLocal bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	return refusal(at.Addr(), linkLocal)
}

// refusal returns why an address is not connected to, nil if it is.
func refusal(addr netip.Addr, linkLocal bool) error {
	if !forbidden(addr, linkLocal) {
		return nil
	}
	return &guardError{addr: addr, only: !linkLocal && !forbidden(addr, true)}
}

// guardProxied refuses the addresses in URLs that go through a proxy: Guard only sees the
// address of the proxy.
func guardProxied(proxy func(*http.Request) (*url.URL, error), linkLocal bool) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if addr, err := netip.ParseAddr(r.URL.Hostname()); err == nil {
			if err := refusal(addr, linkLocal); err != nil {
				return nil, err
			}
		}
		return proxy(r)
	}
}

// forbidden reports whether addr is that of a metadata service, or of a group, or link-local without being allowed to,
// in any notation.
func forbidden(addr netip.Addr, linkLocal bool) bool {
	addr = addr.Unmap().WithZone("")
	if addr.Is6() {
		b := addr.As16()
		switch {
		case compatible.Contains(addr), nat64.Contains(addr), nat64Local.Contains(addr):
			return forbidden(netip.AddrFrom4([4]byte(b[12:16])), linkLocal)
		case sixToFour.Contains(addr):
			return forbidden(netip.AddrFrom4([4]byte(b[2:6])), linkLocal)
		}
	}
	return !linkLocal && addr.IsLinkLocalUnicast() || addr.IsMulticast() ||
		slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(addr) })
}
