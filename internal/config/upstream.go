package config

import (
	"slices"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
)

// An upstreamDraft is an Upstream while it is being read.
type upstreamDraft struct {
	*Upstream
	tls      kind.TLS
	sections map[string]kind.UpstreamSection // by kind
}

func (r *reader) upstreamKeys(d *upstreamDraft, where string) grammar.Keys {
	u := d.Upstream
	var keys grammar.Keys
	for _, k := range r.kinds {
		if k.Upstream != nil {
			section := k.Upstream(kind.UpstreamReading{Name: u.Name, Where: where, TLS: &d.tls, InFlight: &u.MaxInFlight})
			d.sections[k.Name] = section
			keys = append(keys, section.Keys...)
		}
	}
	return append(keys,
		d.tls.Key(where),
		grammar.Func("limit",
			"requests per second, minute, hour or day",
			grammar.RateText, func(v *grammar.Node) { u.Limit = readLimit(v) }).Also("rate rate_limit"),
		grammar.Integer("burst",
			"requests that `limit` admits at once",
			&u.Burst, 1, 1_000_000).Default(1).With("limit"),
		grammar.Integer("max_inflight",
			"requests that may be in progress at once; the others wait in a queue",
			&u.MaxInFlight, 1, 64).Also("concurrency max_concurrent"),
		grammar.Duration("gap",
			"the time between the end of a request and the start of the next one; then `max_inflight` is 1",
			&u.Gap).Also("pause delay"),
		rowsKey(),
	)
}

func newUpstreamDraft(name string) *upstreamDraft {
	return &upstreamDraft{Upstream: &Upstream{Name: name, Burst: 1}, sections: map[string]kind.UpstreamSection{}}
}

// upstream reads one entry of upstreams. It returns nil if the section of its kind is missing or wrong, so that sources
// do not report it again.
func (r *reader) upstream(e grammar.Named) *Upstream {
	where := "upstream " + grammar.Quote(e.Name)
	kinds := r.kindsThat(func(k kind.Kind) bool { return k.Upstream != nil })
	if k := e.Value.Key(laterKinds...); k != nil && !slices.Contains(kinds, k.Value()) {
		k.Problem(grammar.Quote(k.Value())+" is not supported by this version",
			"an upstream here is "+listed(kinds, "or"))
		return nil // nor are its other keys supported
	}
	u := newUpstreamDraft(e.Name)
	e.Value.Read(where, r.upstreamKeys(u, where))
	if burst := e.Value.Get("burst"); burst != nil && e.Value.Get("limit") == nil {
		burst.Problem("burst without limit has no effect", "add a limit such as 60/h or remove burst")
	}
	switch inflight := e.Value.Get("max_inflight"); {
	case e.Value.Get("gap") == nil:
	case inflight == nil:
		u.MaxInFlight = 1
	case u.MaxInFlight > 1:
		inflight.Problem("max_inflight is more than 1, and gap is between one request and the next",
			"remove one of them")
	}
	switch {
	case has(e.Value, kinds...) > 1:
		e.Key.Problem(where+" has more than one kind", "keep exactly one of "+listed(kinds, "and"))
	case e.Value.Lacks(kinds...):
		e.Key.Problem(where+" has no address", "add one such as http: https://api.example.com")
	}
	for name, section := range u.sections {
		if e.Value.Get(name) != nil {
			u.Kind, u.Spec = name, section.Upstream(e.Value)
		} else if has(e.Value, kinds...) == 1 {
			refuseStray(e.Value, section.Keys[1:], name)
		}
	}
	if u.Spec == nil {
		return nil
	}
	return u.Upstream
}

// refuseStray reports those keys of a kind that stand in the upstream n of another kind.
func refuseStray(n *grammar.Node, keys grammar.Keys, name string) {
	for _, key := range keys {
		if v := n.Get(key.Name()); v != nil {
			v.Problem(key.Name()+" without "+name, "remove it; it is for upstreams with "+name)
		}
	}
}

func readLimit(n *grammar.Node) float64 {
	count, per := n.Rate("limit")
	if count == 0 {
		return 0
	}
	return float64(count) / per.Seconds()
}
