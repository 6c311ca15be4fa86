package nats

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"iter"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// A Server is where NATS is, and how to get in.
type Server struct {
	URL     string // of one server or of several, separated by commas; may have a user and a password
	Creds   string // an absolute path; empty: none
	CA      string // absolute paths; empty: none
	Cert    string
	CertKey string
}

// Keys are the keys beside the address.
func (s *Server) Keys() grammar.Keys {
	return grammar.Keys{
		grammar.Path("creds",
			"a file with the credentials of a user, as `nsc` writes it; relative to this file",
			&s.Creds, grammar.ReadableFile).Also("credentials"),
		grammar.Section("tls",
			"how connections are encrypted; without it as the servers ask for, with the certificates of the system",
			"tls of nats", grammar.Keys{
				grammar.Path("ca", "a PEM file with the authorities that servers are verified by", &s.CA, grammar.ReadableFile),
				grammar.Path("cert", "a PEM file with the certificate of this client", &s.Cert, grammar.ReadableFile).With("key"),
				grammar.Path("key", "a PEM file with its key", &s.CertKey, grammar.ReadableFile).With("cert"),
			}).Also("ssl").Some(),
	}
}

// Check reports what is wrong with several of these keys together, in the mapping n.
func (s *Server) Check(n *grammar.Node) {
	if (s.Cert == "") != (s.CertKey == "") && n.IsGood() {
		n.Get("tls").Problem("tls needs cert and key, or none of them", "add the other one")
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

// TLS returns how connections are encrypted, nil if nothing is said about it.
func (s *Server) TLS() (*tls.Config, error) {
	if s.CA == "" && s.Cert == "" {
		return nil, nil
	}
	to := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		data, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, fmt.Errorf("read the authorities of nats: %w", err)
		}
		if to.RootCAs = x509.NewCertPool(); !to.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("the authorities of nats: %s has no certificate in PEM", s.CA)
		}
	}
	if s.Cert != "" {
		pair, err := tls.LoadX509KeyPair(s.Cert, s.CertKey)
		if err != nil {
			return nil, fmt.Errorf("the certificate for nats: %w", err)
		}
		to.Certificates = []tls.Certificate{pair}
	}
	return to, nil
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
