package config

import (
	"time"

	"github.com/tidewire/tidewire/internal/grammar"
	httpkind "github.com/tidewire/tidewire/internal/kind/http"
	natskind "github.com/tidewire/tidewire/internal/kind/nats"
)

// Forward is where the states of sources and jobs are published. It has at least one of its fields.
type Forward struct {
	NATS *ForwardNATS // nil: not to NATS
	HTTP *ForwardHTTP // nil: not by HTTP
}

// ForwardNATS is a subject of NATS below which states are published.
type ForwardNATS struct {
	Upstream *Upstream // of the kind nats
	Subject  string
}

// ForwardHTTP is where states are posted to.
type ForwardHTTP struct {
	Upstream *Upstream     // of the kind http
	Path     string        // escaped, below that of the upstream; empty: that of the upstream
	Every    time.Duration // the least time from one request to the next
	Max      int           // states in a request
}

const (
	defaultSubject = "tidewire"

	defaultForwardEvery = time.Second
	minForwardEvery     = 100 * time.Millisecond
	maxForwardEvery     = time.Hour
	defaultForwardMax   = 500
	mostForwardMax      = 10_000
)

func newForward() *Forward {
	return &Forward{
		NATS: &ForwardNATS{Subject: defaultSubject},
		HTTP: &ForwardHTTP{Every: defaultForwardEvery, Max: defaultForwardMax},
	}
}

func (f *fileReader) forwardKeys(to *Forward) grammar.Keys {
	return grammar.Keys{
		grammar.Section("nats",
			"publish the newest state of each source and job, as JSON, to `SUBJECT.source.NAME` and `SUBJECT.job.NAME`",
			"nats of forward", grammar.Keys{
				grammar.Func("upstream", "one of `upstreams`", grammar.ALine,
					func(v *grammar.Node) { to.NATS.Upstream = f.forwardUpstream(v, natskind.Kind.Name) }).Need("bus"),
				grammar.Func("subject",
					"what the subjects begin with",
					grammar.ALine, func(v *grammar.Node) { to.NATS.Subject = natskind.ReadSubject(v, "subject") }).
					Also("prefix topic").Default(defaultSubject),
			}),
		grammar.Section("http",
			"post the newest states of sources and jobs together, as `{\"snapshots\":[…]}`",
			"http of forward", grammar.Keys{
				grammar.Func("upstream", "one of `upstreams`", grammar.ALine,
					func(v *grammar.Node) { to.HTTP.Upstream = f.forwardUpstream(v, httpkind.Kind.Name) }).Need("hub"),
				grammar.Func("path",
					"begins with `/`, is joined to the upstream's path; no `..`, no query",
					httpkind.PathShape, func(v *grammar.Node) { to.HTTP.Path = httpkind.ReadPath(v, false) }),
				grammar.Duration("every",
					"the time from one request to the next, from `100ms` to `1h`; what changes meanwhile is in the next one",
					&to.HTTP.Every).Then(func(v *grammar.Node) { checkForwardEvery(v, to.HTTP.Every) }).Also("interval").Default("1s"),
				grammar.Integer("max",
					"states in a request; the others wait for the next one",
					&to.HTTP.Max, 1, mostForwardMax).Also("batch batch_size").Default(defaultForwardMax),
			}).Also("webhook url"),
	}
}

func checkForwardEvery(n *grammar.Node, d time.Duration) {
	if d != 0 && (d < minForwardEvery || d > maxForwardEvery) {
		n.Problem("every: "+grammar.Quote(n.Value())+" is out of range", "write a duration from 100ms to 1h")
	}
}

// forwardUpstream returns the upstream that n names, which must be one of that kind.
func (f *fileReader) forwardUpstream(n *grammar.Node, kind string) *Upstream {
	u := grammar.Lookup(n, "upstream", f.parts.upstreams)
	if u != nil && u.Spec != nil && u.Kind != kind {
		n.Problem("upstream "+grammar.Quote(u.Name)+" is not one with "+kind, "name one that has the key "+kind)
		return nil
	}
	return u
}

// forward reads where states are published.
func (f *fileReader) forward(n *grammar.Node) {
	to := newForward()
	n.Read("forward", f.forwardKeys(to))
	if n.Lacks("nats", "http") {
		n.Problem("forward is empty", "add nats such as nats: {upstream: bus}, or http such as http: {upstream: hub, path: /states}")
	}
	if to.NATS.Upstream == nil {
		to.NATS = nil
	}
	if to.HTTP.Upstream == nil {
		to.HTTP = nil
	}
	if to.NATS != nil || to.HTTP != nil {
		f.c.Forward = to
	}
}
