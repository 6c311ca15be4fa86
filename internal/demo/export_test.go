package demo

import (
	"net/http"
	"net/netip"
	"time"
)

// What tests need from inside.

func Service(name string) http.Handler { return services[name]() }
func WeatherAt(t time.Time) (temp, wind, hum float64) {
	c := weatherAt(t)
	return c.temp, c.wind, c.humidity
}
func Device(addr netip.AddrPort) http.Handler { return deviceHandler(addr) }

// Layout returns the subnet, ports and address of a host as goos has them.
func Layout(goos string, port uint16, host byte) (subnet, ports, addr string) {
	l := newLayout(goos, port)
	return l.subnet, l.ports(), l.address(host).String()
}
