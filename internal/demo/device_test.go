package demo_test

import (
	"net/http"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/demo"
)

func TestDevicesAreThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		serials := map[string]string{}
		for _, host := range []byte{3, 11, 17, 24, 42, 63, 77, 101, 128, 160, 199, 240} {
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 77, 0, host}), demo.DevicePort)
			rec, took := get(t, demo.Device(addr), "/identity")
			id := decode[demo.Identity](t, rec)
			if id.Vendor == "" || id.Model == "" || id.Serial == "" || id.Firmware == "" {
				t.Errorf("device %s is %+v, want no empty field", addr, id)
			}
			if took < time.Millisecond || took > 40*time.Millisecond {
				t.Errorf("device %s answered after %v, want 1 to 40 ms", addr, took)
			}
			if other, ok := serials[id.Serial]; ok {
				t.Errorf("devices %s and %s both have the serial %s", addr, other, id.Serial)
			}
			serials[id.Serial] = addr.String()
			rec, _ = get(t, demo.Device(addr), "/identity")
			if again := decode[demo.Identity](t, rec); again != id {
				t.Errorf("device %s is %+v and then %+v, want the same", addr, id, again)
			}
		}
	})
}

func TestDeviceAnswersIdentityOnly(t *testing.T) {
	h := demo.Device(netip.MustParseAddrPort("127.77.0.3:7700"))
	if rec, _ := get(t, h, "/"); rec.Code != http.StatusNotFound {
		t.Errorf("GET /: status %d, want 404", rec.Code)
	}
}

func TestLayout(t *testing.T) {
	for _, tt := range []struct{ goos, subnet, ports, addr string }{
		{"linux", "127.77.0.0/24", "8700", "127.77.0.90:8700"},
		{"darwin", "127.0.0.1/32", "8700-8953", "127.0.0.1:8789"},
		{"windows", "127.0.0.1/32", "8700-8953", "127.0.0.1:8789"},
	} {
		subnet, ports, addr := demo.Layout(tt.goos, 8700, 90)
		if subnet != tt.subnet || ports != tt.ports || addr != tt.addr {
			t.Errorf("on %s: %s, ports %s, host 90 at %s, want %s, %s, %s", tt.goos, subnet, ports, addr, tt.subnet, tt.ports, tt.addr)
		}
	}
}
