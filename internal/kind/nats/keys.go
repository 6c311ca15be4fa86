package nats

import (
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// Kind is the kind of sources that are told their values by NATS, and of the upstreams that tell them.
var Kind = kind.Kind{Name: "nats", Section: section, Upstream: upstreamSection, Subscribes: true}

func section(r kind.Reading) kind.Section {
	s := &Source{}
	where := "nats of " + r.Where
	keys := grammar.Keys{
		grammar.Func("upstream",
			"one of `upstreams`",
			grammar.ALine, func(v *grammar.Node) { s.Upstream, _ = kind.UpstreamOf[*Upstream](r, v, "nats") }).Need(""),
		grammar.Func("subject",
			"the subject whose newest message is the value; no wildcards",
			subjectShape, func(v *grammar.Node) { s.Subject = ReadSubject(v, "subject") }).Also("topic channel").Need("plant.tank.1"),
		grammar.Func("ask",
			"a subject that is sent an empty request, whose answer is the value: at the beginning and at a refresh",
			subjectShape, func(v *grammar.Node) { s.Ask = ReadSubject(v, "ask") }).Also("request"),
	}
	return kind.Section{
		Keys: grammar.Keys{
			grammar.Section("nats", "subscribe to a subject of NATS", where, keys).OneOf().
				Also("jetstream subject").Alone(func(v *grammar.Node) { readAlone(v, where, keys) }).
				Then(func(v *grammar.Node) {
					if v.Lacks("upstream") {
						v.Problem(where+" has no upstream", "add the name of one such as upstream: bus")
					}
				}),
		},
		Source: func(*grammar.Node) kind.Source {
			if s.Upstream == nil || s.Subject == "" {
				return nil
			}
			return s
		},
	}
}

// readAlone reads what stands in place of the mapping and is none.
func readAlone(n *grammar.Node, where string, keys grammar.Keys) {
	if n.IsScalar() && !n.IsNull() {
		n.Problem(where+" is a text",
			"write {upstream: NAME, subject: SUBJECT}, and the address below upstreams, as in upstreams: {bus: {nats: ADDRESS}}")
		return
	}
	n.Read(where, keys)
}

const aSubject = "write a whole subject such as plant.tank.1: words with dots between them, without spaces, * and >"

var subjectShape = grammar.Like(aSubject, `^[^\s.*>]+(\.[^\s.*>]+)*$`)

// ReadSubject reads a subject without wildcards.
func ReadSubject(n *grammar.Node, what string) string {
	s, ok := n.Text(what, aSubject)
	if !ok {
		return ""
	}
	for word := range strings.SplitSeq(s, ".") {
		if word == "" || strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '*' || c == '>' }) {
			n.Problem(fmt.Sprintf("%s: %s is not one subject", what, grammar.Quote(s)), aSubject)
			return ""
		}
	}
	return s
}

func upstreamSection(r kind.UpstreamReading) kind.UpstreamSection {
	u := &Upstream{Name: r.Name}
	return kind.UpstreamSection{
		Keys: append(grammar.Keys{
			grammar.Func("nats",
				"the address of a server of NATS, or those of several, separated by commas",
				grammar.ALine, func(v *grammar.Node) { u.URL = ReadServers(v) }).OneOf().Secret(),
		}, u.Keys()...),
		Upstream: func(entry *grammar.Node) kind.Upstream {
			u.TLS = *r.TLS
			u.Given = entry.Given("nats")
			return u
		},
	}
}
