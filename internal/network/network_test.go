package network_test

import (
	"net/netip"
	"testing"

	"github.com/tidewire/tidewire/internal/deptest"
	"github.com/tidewire/tidewire/internal/network"
)

func TestDependencies(t *testing.T) {
	deptest.StandardOnly(t, "the public packages link it, too")
}

func TestOf(t *testing.T) {
	for addr, want := range map[string]string{
		"10.0.0.1":                 "10.0.0.1",
		"::ffff:10.0.0.1":          "10.0.0.1",
		"2001:db8:1:2:3:4:5:6":     "2001:db8:1:2::",
		"2001:db8:1:2:ffff:ffff::": "2001:db8:1:2::",
		"fe80::1:2:3:4%eth0":       "fe80::",
		"::1":                      "::",
	} {
		if got := network.Of(netip.MustParseAddr(addr)); got.String() != want {
			t.Errorf("Of(%s) = %s, want %s", addr, got, want)
		}
	}
	if got := network.Of(netip.Addr{}); got.IsValid() {
		t.Errorf("Of an address that is not valid = %s, want it to remain so", got)
	}
}
