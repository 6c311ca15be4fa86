package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

const defaultListen = "127.0.0.1:8480"

// CheckListen returns an error if c cannot be served on addr: it is not
// host:port, or it is wider than loopback and c has no access, so that anybody could
// do anything. [Load] has checked c.Listen; this is for an address that overrides it.
func CheckListen(addr string, c *Config) error {
	if what, want := checkListen(addr, c); what != "" {
		return fmt.Errorf("%s, %s", what, want)
	}
	return nil
}

// checkListen says what is wrong with addr, or nothing.
func checkListen(addr string, c *Config) (what, want string) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("listen: %s is not host:port", quote(addr)), "write an address such as 127.0.0.1:8480 or [::1]:8480"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("listen: %s is not a port", quote(port)), "write a port from 1 to 65535, or 0 for any free one"
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host != "" && host != "localhost" && err != nil:
		return fmt.Sprintf("listen: %s is not an address of this machine", quote(host)), "write an IP address such as 127.0.0.1"
	case c.Access == nil && host != "localhost" && !ip.IsLoopback():
		return fmt.Sprintf("listen: %s would let anybody on the network do everything", quote(addr)),
			"add access such as {anonymous: viewer}, or listen on loopback such as " + defaultListen
	}
	return "", ""
}
