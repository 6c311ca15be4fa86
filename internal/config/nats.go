package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
)

// NATS is the stream of NATS JetStream in which several replicas of the gateway share their state.
type NATS struct {
	URL      string // of one server or of several, separated by commas; may have a user and a password
	Creds    string // an absolute path; empty: none
	CA       string // absolute paths; empty: none
	Cert     string
	CertKey  string
	Replicas int    // how many servers keep the state: 1, 3 or 5
	Prefix   string // of the stream and of all subjects
	Name     string // of this replica; empty: the name of the host
}

const defaultPrefix = "tidewire"

var natsShape = grammar.Either(grammar.AnyText, grammar.Object(natsKeys(&NATS{})))

func natsKeys(s *NATS) grammar.Keys {
	return grammar.Keys{
		grammar.Func("url",
			"the address of a server, or those of several, separated by commas", grammar.ALine,
			func(v *grammar.Node) { s.URL = readServers(v) }).Also("urls address server servers").Need("nats://127.0.0.1:4222").Secret(),
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
		grammar.Integer("replicas",
			"how many servers keep the state, if there is none yet: 1, 3 or 5", &s.Replicas, 1, 5).Default("1"),
		grammar.Line("prefix",
			"the name of the stream, and what subjects begin with: gateways with the same one are replicas of each other",
			&s.Prefix).Default(defaultPrefix),
		grammar.Func("name",
			"the name of this replica, which no other one has; usually a reference such as `${env:REPLICA}`, since the "+
				"file is that of all",
			replicaShape, func(v *grammar.Node) { s.Name = readReplica(v) }).Also("host hostname replica id"),
	}
}

// A name of a replica may be that of a host.
var (
	replicaShape = grammar.Like(aReplica, "^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$")
	replicaName  = regexp.MustCompile("^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$")
)

const aReplica = "write up to 64 letters, digits, ., _ and -, beginning with a letter or digit"

func readReplica(n *grammar.Node) string {
	s := n.Line("name")
	if s != "" && !replicaName.MatchString(s) {
		n.Problem(fmt.Sprintf("name: %s cannot be that of a replica", grammar.Quote(s)), aReplica)
		return ""
	}
	return s
}

// nats reads where several replicas share their state.
func (f *fileReader) nats(n *grammar.Node) {
	s := &NATS{Replicas: 1, Prefix: defaultPrefix}
	if n.IsMapping() {
		n.Read("nats", natsKeys(s))
		if (s.Cert == "") != (s.CertKey == "") && n.IsGood() {
			n.Get("tls").Problem("tls needs cert and key, or none of them", "add the other one")
		}
		if s.Replicas%2 == 0 && n.IsGood() {
			n.Get("replicas").Problem(fmt.Sprintf("replicas: %d servers cannot outvote each other", s.Replicas), "write 1, 3 or 5")
		}
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
		if strings.Trim(s.Prefix, letters) != "" || len(s.Prefix) > 64 || s.Prefix == "" && n.IsGood() {
			n.Get("prefix").Problem("prefix is not the name of a stream", "write up to 64 letters, digits, _ and -")
		}
	} else {
		s.URL = readServers(n)
	}
	f.c.NATS = s
}

// readServers reads the addresses of servers.
func readServers(n *grammar.Node) string {
	text := n.Line("nats")
	for _, one := range strings.Split(text, ",") {
		if text == "" {
			break
		}
		if !strings.Contains(one, "://") {
			one = "nats://" + one
		}
		u, err := url.Parse(strings.TrimSpace(one))
		switch {
		case err != nil || u.Host == "":
			n.Problem("nats: this is not the address of a server", "write one such as nats://127.0.0.1:4222")
			return ""
		case u.Scheme != "nats" && u.Scheme != "tls" && u.Scheme != "ws" && u.Scheme != "wss":
			n.Problem(fmt.Sprintf("nats: %s:// is not a way to reach a server", grammar.Quote(u.Scheme)), "write nats:// or tls://")
			return ""
		}
	}
	return text
}
