package config

import (
	"github.com/tidewire/tidewire/internal/grammar"
	natskind "github.com/tidewire/tidewire/internal/kind/nats"
)

// Forward is where the states of sources and jobs are published.
type Forward struct {
	NATS *ForwardNATS // nil: not to NATS
}

// ForwardNATS is a subject of NATS below which states are published.
type ForwardNATS struct {
	Upstream *Upstream // of the kind nats
	Subject  string
}

const defaultSubject = "tidewire"

func (f *fileReader) forwardKeys(to *ForwardNATS) grammar.Keys {
	return grammar.Keys{
		grammar.Section("nats",
			"publish the newest state of each source and job, as JSON, to `SUBJECT.source.NAME` and `SUBJECT.job.NAME`",
			"nats of forward", grammar.Keys{
				grammar.Func("upstream", "one of `upstreams`", grammar.ALine, func(v *grammar.Node) { to.Upstream = f.ofNATS(v) }).Need("bus"),
				grammar.Func("subject",
					"what the subjects begin with",
					grammar.ALine, func(v *grammar.Node) { to.Subject = natskind.ReadSubject(v, "subject") }).
					Also("prefix topic").Default(defaultSubject),
			}),
	}
}

// ofNATS returns the upstream that n names, which must be one of NATS.
func (f *fileReader) ofNATS(n *grammar.Node) *Upstream {
	u := grammar.Lookup(n, "upstream", f.parts.upstreams)
	if u != nil && u.Spec != nil && u.Kind != natskind.Kind.Name {
		n.Problem("upstream "+grammar.Quote(u.Name)+" is not one with nats", "name one that has the key nats")
		return nil
	}
	return u
}

// forward reads where states are published.
func (f *fileReader) forward(n *grammar.Node) {
	to := &ForwardNATS{Subject: defaultSubject}
	n.Read("forward", f.forwardKeys(to))
	if n.Lacks("nats") {
		n.Problem("forward is empty", "add nats such as nats: {upstream: bus}")
	}
	if n.Get("nats") != nil && to.Upstream != nil {
		f.c.Forward = &Forward{NATS: to}
	}
}
