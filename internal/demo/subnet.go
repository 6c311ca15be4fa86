package demo

import (
	"fmt"
	"iter"
	"net/netip"
)

// minSubnetBits bounds a [Subnet] to a /22, 1022 hosts: 17 s at the default rate of [Scan], about as long as people
// watch a progress bar.
const minSubnetBits = 22

// A Subnet is an IPv4 loopback subnet of at most 1022 hosts. Only
// [ParseSubnet] makes one; the zero value has no hosts.
type Subnet struct{ prefix netip.Prefix }

// ParseSubnet reads a subnet in CIDR notation, such as 127.77.0.0/24. Host bits are ignored: 127.77.0.9/24 is
// 127.77.0.0/24. Anything that is not an IPv4 subnet within 127.0.0.0/8, or is larger than a /22, is an error that
// tells how to correct it.
func ParseSubnet(s string) (Subnet, error) {
	const want = "want a subnet such as 127.77.0.0/24"
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil:
		return Subnet{}, fmt.Errorf("demo: %q is not in CIDR notation, %s", s, want)
	case !p.Addr().Is4():
		return Subnet{}, fmt.Errorf("demo: %s is not IPv4, %s", p, want)
	case p.Bits() < minSubnetBits:
		return Subnet{}, fmt.Errorf(
			"demo: %s has too many addresses, want at most a /%d such as 127.77.0.0/%d",
			p,
			minSubnetBits,
			minSubnetBits,
		)
	case !p.Addr().IsLoopback():
		return Subnet{}, fmt.Errorf("demo: %s is not on this machine, and the demo scans nothing else: %s", p, want)
	}
	return Subnet{p.Masked()}, nil
}

// String returns the subnet in CIDR notation.
func (s Subnet) String() string { return s.prefix.String() }

// Size returns the number of hosts, 1 to 1022.
func (s Subnet) Size() int {
	if !s.prefix.IsValid() {
		return 0
	}
	n := 1 << (32 - s.prefix.Bits())
	if s.reserves() {
		n -= 2
	}
	return n
}

// Hosts yields the addresses that a host may have, in ascending order: all except the first (the network) and the last
// (broadcast); in a /31 and a /32 all addresses (RFC 3021).
func (s Subnet) Hosts() iter.Seq[netip.Addr] {
	return func(yield func(netip.Addr) bool) {
		addr := s.prefix.Addr()
		if s.prefix.IsValid() && s.reserves() {
			addr = addr.Next()
		}
		for range s.Size() {
			if !yield(addr) {
				return
			}
			addr = addr.Next()
		}
	}
}

// reserves reports whether the first and the last address are not hosts.
func (s Subnet) reserves() bool { return s.prefix.Bits() < 31 }
