package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

const (
	defaultListen = "127.0.0.1:8480"
	unixPrefix    = "unix:"
	maxSocketPath = 103 // bytes of the path of a unix socket that every system takes
)

// ListenAddress returns an address that is served in the form of c.Listen.
func ListenAddress(addr net.Addr) string {
	if addr.Network() == "unix" {
		return unixPrefix + addr.String()
	}
	return addr.String()
}

// UnixPath returns the path of an address to serve on, if it is that of a unix socket.
func UnixPath(addr string) (path string, ok bool) { return strings.CutPrefix(addr, unixPrefix) }

// CheckListen returns an error if c cannot be served on addr: it is neither host:port nor a unix socket, or it can be
// reached from other machines and c has no access section, so that anybody could do anything. [Load] has checked
// c.Listen; this is for an address that overrides it.
func CheckListen(addr string, c *Config) error {
	if what, want := checkListen(addr, c); what != "" {
		return fmt.Errorf("%s, %s", what, want)
	}
	return nil
}

// checkListen returns what is wrong with addr, or "".
func checkListen(addr string, c *Config) (what, want string) {
	if path, ok := UnixPath(addr); ok {
		switch {
		case path == "":
			return "listen: unix: has no path", "write one such as unix:/run/tidewire/tidewire.sock"
		case len(path) > maxSocketPath:
			return fmt.Sprintf(
				"listen: %s is longer than the %d bytes that the path of a socket can have",
				grammar.Quote(path),
				maxSocketPath,
			), "choose a shorter one such as /run/tidewire/tidewire.sock"
		}
		return "", ""
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Sprintf("listen: %s is not host:port",
			grammar.Quote(addr)), "write an address such as 127.0.0.1:8480 or [::1]:8480"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Sprintf("listen: %s is not a port",
			grammar.Quote(port)), "write a port from 1 to 65535, or 0 for any free one"
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host != "" && host != "localhost" && err != nil:
		return fmt.Sprintf("listen: %s is not an address of this machine",
			grammar.Quote(host)), "write an IP address such as 127.0.0.1"
	case c.Access == nil && host != "localhost" && !ip.IsLoopback():
		return fmt.Sprintf("listen: %s would let anybody on the network do everything", grammar.Quote(addr)),
			"add access such as {anonymous: viewer}, or listen on loopback such as " + defaultListen
	}
	return "", ""
}

var listenShape = grammar.Like("write an address such as 127.0.0.1:8480, or unix: and a path", "^unix:.", ":[0-9]+$")

// listen reads where to serve. It is read last: whether an address may be reachable from other machines depends on
// access.
func (f *fileReader) listen(n *grammar.Node) {
	addr, ok := n.Text("listen", "write an address such as "+defaultListen)
	if !ok {
		return
	}
	if path, ok := strings.CutPrefix(addr, unixPrefix); ok && path != "" {
		addr = unixPrefix + n.Beside(path)
	}
	if what, want := checkListen(addr, f.c); what != "" {
		n.Problem(what, want)
	}
	f.c.Listen = addr
}
