package demo

import (
	"fmt"
	"net/netip"
	"strconv"
)

// hosts are the host numbers of the demo's devices, and spareHost is that of one more.
var hosts = []byte{3, 11, 17, 24, 42, 63, 77, 101, 128, 160, 199, 240}

const spareHost = 90

// A layout determines the loopback addresses of the devices: on Linux, where all of 127.0.0.0/8 is local, one port at
// many addresses; elsewhere many ports at one address.
type layout struct {
	subnet string // the scan's default
	spread bool   // over addresses, not ports
	port   uint16 // the only or the first port
}

func newLayout(goos string, port uint16) layout {
	if goos == "linux" {
		return layout{subnet: "127.77.0.0/24", spread: true, port: port}
	}
	return layout{subnet: "127.0.0.1/32", port: port}
}

// address returns the address of the device with number host.
func (l layout) address(host byte) netip.AddrPort {
	if l.spread {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 77, 0, host}), l.port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), l.port+uint16(host)-1)
}

// ports returns the ports to probe, in the form of the scan's flag.
func (l layout) ports() string {
	if l.spread {
		return strconv.Itoa(int(l.port))
	}
	return fmt.Sprintf("%d-%d", l.port, l.port+253)
}
