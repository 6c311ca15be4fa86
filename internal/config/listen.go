package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os/user"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	defaultListen = "127.0.0.1:8480"
	unixPrefix    = "unix:"
	maxSocketPath = 103 // bytes of the path of a unix socket that every system takes
)

// ListenAddress is an address on which c is served as c.Listen has it.
func ListenAddress(addr net.Addr) string {
	if addr.Network() == "unix" {
		return unixPrefix + addr.String()
	}
	return addr.String()
}

// UnixPath returns the path of an address to serve on, if that is a unix socket's.
func UnixPath(addr string) (path string, ok bool) { return strings.CutPrefix(addr, unixPrefix) }

// CheckListen returns an error if c cannot be served on addr: it is neither host:port nor a
// unix socket, or it is wider than this machine and c has no access, so that anybody could
// do anything. [Load] has checked c.Listen; this is for an address that overrides it.
func CheckListen(addr string, c *Config) error {
	if what, want := checkListen(addr, c); what != "" {
		return fmt.Errorf("%s, %s", what, want)
	}
	return nil
}

// checkListen says what is wrong with addr, or nothing.
func checkListen(addr string, c *Config) (what, want string) {
	if path, ok := UnixPath(addr); ok {
		switch {
		case path == "":
			return "listen: unix: has no path", "write one such as unix:/run/tidewire/tidewire.sock"
		case len(path) > maxSocketPath:
			return fmt.Sprintf("listen: %s is longer than the %d bytes that the path of a socket can have", quote(path), maxSocketPath), "choose a shorter one such as /run/tidewire/tidewire.sock"
		}
		return "", ""
	}
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

var octal = regexp.MustCompile(`^0?[0-7]{3}$`)

// socket reads who may connect by the unix socket.
func (r *reader) socket(n *yaml.Node) Socket {
	s := Socket{Mode: 0o600, UID: -1, GID: -1}
	id := func(v *yaml.Node, what string, lookup func(name string) (id string, err error)) int {
		name := r.line(v, what)
		if name == "" {
			return -1
		}
		number := name
		if found, err := lookup(name); err == nil {
			number = found
		}
		id, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			r.problem(v, fmt.Sprintf("%s: this system has no %s", what, quote(name)), "write a name that it has, or a number")
			return -1
		}
		return int(id)
	}
	r.mapping(n, "socket", socketKeys, reads{
		"mode": func(v *yaml.Node) {
			text, ok := r.text(v, "mode", "write octal digits such as 660")
			if mode, err := strconv.ParseUint(text, 8, 32); ok && err == nil && octal.MatchString(text) {
				s.Mode = fs.FileMode(mode)
			} else if ok {
				r.problem(v, fmt.Sprintf("mode: %s is not octal permissions", quote(text)), "write three octal digits such as 660")
			}
		},
		"owner": func(v *yaml.Node) {
			s.UID = id(v, "owner", func(name string) (string, error) {
				u, err := user.Lookup(name)
				if err != nil {
					return "", err
				}
				return u.Uid, nil
			})
		},
		"group": func(v *yaml.Node) {
			s.GID = id(v, "group", func(name string) (string, error) {
				g, err := user.LookupGroup(name)
				if err != nil {
					return "", err
				}
				return g.Gid, nil
			})
		},
	})
	return s
}
