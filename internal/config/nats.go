package config

import (
	"fmt"
	"regexp"
	"slices"

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
		s.TLS.Key("nats"),
		grammar.Func("replicas",
			"how many servers keep the state, when the stream is made: 1, 3 or 5",
			replicasShape, func(v *grammar.Node) { s.Replicas, _ = v.Integer("replicas", 1, 5) }).Default("1"),
		grammar.Func("prefix",
			"the name of the stream, and what subjects begin with: gateways with the same one are replicas of each other",
			prefixShape, func(v *grammar.Node) { s.Prefix = readPrefix(v) }).Default(defaultPrefix),
		grammar.Func("name",
			"the name of this replica, which no other one may have. Usually a reference such as `${env:REPLICA}`, since all "+
				"replicas have the same file",
			replicaShape, func(v *grammar.Node) { s.Name = readReplica(v) }).Also("host hostname replica id"),
	})
}

// A name of a replica may be that of a host; a prefix is the name of a stream and a part of subjects.
var (
	replicasShape = grammar.Either(grammar.Shape{"enum": []int{1, 3, 5}})
	prefixShape   = grammar.AnyScalar(grammar.Like(aPrefix, prefixName.String()))
	prefixName    = regexp.MustCompile("^[a-zA-Z0-9_-]{1,64}$")
	replicaShape  = grammar.AnyScalar(grammar.Like(aReplica, replicaName.String()))
	replicaName   = regexp.MustCompile("^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$")
)

const (
	aPrefix  = "write up to 64 letters, digits, _ and -"
	aReplica = "write up to 64 letters, digits, ., _ and -, beginning with a letter or digit"
)

func readReplica(n *grammar.Node) string {
	s := n.Line("name")
	if s != "" && !replicaName.MatchString(s) {
		n.Problem(fmt.Sprintf("name: %s cannot be the name of a replica", grammar.Quote(s)), aReplica)
		return ""
	}
	if s == OnEach {
		n.Problem("name: each cannot be that of a replica: on: each stands for all of them", "write another name")
	}
	return s
}

func readPrefix(n *grammar.Node) string {
	s := n.Line("prefix")
	if s != "" && !prefixName.MatchString(s) {
		n.Problem("prefix is not the name of a stream", aPrefix)
	}
	return s
}

// nats reads where several replicas share their state.
func (f *fileReader) nats(n *grammar.Node) {
	s := &NATS{Replicas: 1, Prefix: defaultPrefix}
	if n.IsMapping() {
		n.Read("nats", natsKeys(s))
		if s.Replicas%2 == 0 && n.IsGood() {
			n.Get("replicas").Problem(fmt.Sprintf("replicas: %d servers cannot outvote each other", s.Replicas), "write 1, 3 or 5")
		}
	} else {
		s.URL = natskind.ReadServers(n)
	}
	f.c.NATS = s
}
