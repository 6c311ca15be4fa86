package demo_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/demo"
)

func TestParseSubnet(t *testing.T) {
	for _, tt := range []struct {
		in          string
		size        int
		first, last string
	}{
		{"127.77.0.0/24", 254, "127.77.0.1", "127.77.0.254"},
		{"127.77.0.9/24", 254, "127.77.0.1", "127.77.0.254"},
		{"127.77.0.0/22", 1022, "127.77.0.1", "127.77.3.254"},
		{"127.0.0.0/30", 2, "127.0.0.1", "127.0.0.2"},
		{"127.0.0.0/31", 2, "127.0.0.0", "127.0.0.1"},
		{"127.0.0.1/32", 1, "127.0.0.1", "127.0.0.1"},
		{"127.255.255.0/24", 254, "127.255.255.1", "127.255.255.254"},
	} {
		s, err := demo.ParseSubnet(tt.in)
		if err != nil {
			t.Errorf("ParseSubnet(%q): %v", tt.in, err)
			continue
		}
		var hosts []netip.Addr
		for h := range s.Hosts() {
			hosts = append(hosts, h)
		}
		if len(hosts) != tt.size || s.Size() != tt.size {
			t.Errorf("ParseSubnet(%q) has %d hosts and Size() = %d, want %d", tt.in, len(hosts), s.Size(), tt.size)
			continue
		}
		if first, last := hosts[0].String(), hosts[len(hosts)-1].String(); first != tt.first || last != tt.last {
			t.Errorf("ParseSubnet(%q) has hosts %s to %s, want %s to %s", tt.in, first, last, tt.first, tt.last)
		}
	}
}

func TestParseSubnetRefuses(t *testing.T) {
	for _, tt := range []struct{ in, why string }{
		{"", "CIDR"},
		{"127.77.0.0", "CIDR"},
		{"127.77.0.0/33", "CIDR"},
		{"127.77.0.0/24 ", "CIDR"},
		{"devices", "CIDR"},
		{"127.77.0.0/21", "at most a /22"},
		{"0.0.0.0/0", "at most a /22"},
		{"10.0.4.0/24", "not on this machine"},
		{"128.0.0.0/24", "not on this machine"},
		{"::1/128", "not IPv4"},
		{"::ffff:127.0.0.1/120", "not IPv4"},
	} {
		s, err := demo.ParseSubnet(tt.in)
		if err == nil || !strings.Contains(err.Error(), tt.why) || !strings.Contains(err.Error(), "127.77.0.0/2") {
			t.Errorf("ParseSubnet(%q) = %v, %v, want an error with %q and an example", tt.in, s, err, tt.why)
		}
	}
}

func TestZeroSubnetHasNoHosts(t *testing.T) {
	var s demo.Subnet
	for h := range s.Hosts() {
		t.Errorf("the zero Subnet has the host %s", h)
	}
	if got := s.Size(); got != 0 {
		t.Errorf("Size() of the zero Subnet = %d, want 0", got)
	}
}

// FuzzParseSubnet: what is accepted is small, on this machine, and the same
// after another round through text.
func FuzzParseSubnet(f *testing.F) {
	for _, s := range []string{"127.77.0.0/24", "127.77.0.9/22", "127.0.0.1/32", "127.0.0.0/31", "10.0.0.0/24", "::1/128", "127.0.0.0/8", "127.1/24", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := demo.ParseSubnet(in)
		if err != nil {
			return
		}
		if again, err := demo.ParseSubnet(s.String()); err != nil || again != s {
			t.Fatalf("ParseSubnet(%q) = %v, again %v, %v", in, s, again, err)
		}
		prefix := netip.MustParsePrefix(s.String())
		n, prev := 0, netip.Addr{}
		for h := range s.Hosts() {
			if !prefix.Contains(h) || !h.IsLoopback() || n > 0 && h != prev.Next() {
				t.Fatalf("ParseSubnet(%q) has the host %s after %s", in, h, prev)
			}
			n, prev = n+1, h
		}
		if n != s.Size() || n < 1 || n > 1022 {
			t.Fatalf("ParseSubnet(%q) has %d hosts and Size() = %d, want the same, 1 to 1022", in, n, s.Size())
		}
	})
}
