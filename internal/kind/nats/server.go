package nats

import (
	"fmt"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// A Server is where NATS is, and how to get in.
type Server struct {
	URL   string // of one server or of several, separated by commas; may have a user and a password
	Creds string // an absolute path; empty: none
	TLS   kind.TLS
}

// Keys are the keys beside the address and tls.
func (s *Server) Keys() grammar.Keys {
	return grammar.Keys{
		grammar.Path("creds",
			"a file with the credentials of a user, as `nsc` writes it; relative to this file",
			&s.Creds, grammar.ReadableFile).Also("credentials"),
	}
}

// ReadServers reads the addresses of servers.
func ReadServers(n *grammar.Node) string {
	text := n.Line("nats")
	if text == "" {
		return ""
	}
	all, users := 0, 0
	kinds := map[bool]bool{} // of servers: whether they are reached by WebSocket
	for one := range addresses(text) {
		u, err := url.Parse(one)
		switch {
		case err != nil || u.Hostname() == "" || !isPort(u.Port()):
			n.Problem("nats: this is not the address of a server", "write one such as nats://127.0.0.1:4222")
			return ""
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			n.Problem("nats: no server is reached by "+grammar.Quote(u.Scheme), "write nats:// or tls://")
			return ""
		}
		all++
		if u.User != nil {
			users++
		}
		kinds[strings.HasPrefix(u.Scheme, "ws")] = true
	}
	if len(kinds) > 1 {
		n.Problem("nats: some of the servers are reached by WebSocket and some are not", "write ws:// or wss:// for all of them, or for none")
		return ""
	}
	if users > 0 && users < all {
		n.Problem(fmt.Sprintf("nats: %d of %d addresses have no user, and what is in one address is for that server alone", all-users, all),
			"each address needs its own: write user and password, or the token, in all of them")
		return ""
	}
	return text
}

// isPort reports whether s is a port, or empty for the default one.
func isPort(s string) bool {
	port, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && port > 0
}

// addresses returns the addresses in a list of servers, each with its scheme, as the client reads them.
func addresses(list string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for one := range strings.SplitSeq(list, ",") {
			one = strings.TrimSpace(one)
			if !strings.Contains(one, "://") {
				one = "nats://" + one
			}
			if !yield(one) {
				return
			}
		}
	}
}

// secrets are the parts of the address that are credentials.
func (s *Server) secrets() kind.Secrets {
	var all []string
	for one := range addresses(s.URL) {
		u, err := url.Parse(one)
		if err != nil || u.User == nil {
			continue
		}
		password, ok := u.User.Password()
		if !ok {
			password = u.User.Username() // a token
		}
		all = append(all, password)
	}
	return kind.Secrets{Said: all, Values: all}
}
