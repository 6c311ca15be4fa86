package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	natskind "github.com/tidewire/tidewire/internal/kind/nats"
)

// NATS is the stream of NATS JetStream in which several replicas of the gateway share their state.
type NATS struct {
	natskind.Server
	Replicas int    // how many servers keep the state: 1, 3 or 5
	Prefix   string // of the stream and of all subjects
	Name     string // of this replica; empty: the name of the host
}

const defaultPrefix = "tidewire"

var natsShape = grammar.Either(grammar.AnyText, grammar.Object(natsKeys(&NATS{})))

func natsKeys(s *NATS) grammar.Keys {
	return slices.Concat(grammar.Keys{
		grammar.Func("url",
			"the address of a server, or those of several, separated by commas", grammar.ALine,
			func(v *grammar.Node) { s.URL = natskind.ReadServers(v) }).Also("urls address server servers").Need("nats://127.0.0.1:4222").Secret(),
	}, s.Keys(), grammar.Keys{
		grammar.Integer("replicas",
			"how many servers keep the state, if there is none yet: 1, 3 or 5", &s.Replicas, 1, 5).Default("1"),
		grammar.Line("prefix",
			"the name of the stream, and what subjects begin with: gateways with the same one are replicas of each other",
			&s.Prefix).Default(defaultPrefix),
		grammar.Func("name",
			"the name of this replica, which no other one has; usually a reference such as `${env:REPLICA}`, since the "+
				"file is that of all",
			replicaShape, func(v *grammar.Node) { s.Name = readReplica(v) }).Also("host hostname replica id"),
	})
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
		s.Check(n)
		if s.Replicas%2 == 0 && n.IsGood() {
			n.Get("replicas").Problem(fmt.Sprintf("replicas: %d servers cannot outvote each other", s.Replicas), "write 1, 3 or 5")
		}
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
		if strings.Trim(s.Prefix, letters) != "" || len(s.Prefix) > 64 || s.Prefix == "" && n.IsGood() {
			n.Get("prefix").Problem("prefix is not the name of a stream", "write up to 64 letters, digits, _ and -")
		}
	} else {
		s.URL = natskind.ReadServers(n)
	}
	f.c.NATS = s
}
