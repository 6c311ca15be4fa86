package kind

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/grammar"
)

// A Kind is one kind of source, as configurations know it. Package all has the list of them.
type Kind struct {
	// Name is the key that makes a source one of this kind, and the label of its metrics.
	Name string

	// Section returns what reads one source of the kind.
	Section func(Reading) Section

	// Upstream returns what reads an upstream of the kind, which has the key Name too. Nil means that the kind has no
	// upstream of its own: its sources have none, or one of another kind.
	Upstream func(UpstreamReading) UpstreamSection

	// Variables are the names of what expressions on the values of its sources can use besides the value, such as
	// "$status". No other kind gives a variable of the same name another meaning.
	Variables []string

	// Computes means that its sources are [Computed], Subscribes that its fetchers are each a [Subscriber]. Neither are
	// polled, so of the keys for polling their sources may have only stale_after. Those of a kind that subscribes may
	// also have at_most, which bounds how often messages count.
	Computes, Subscribes bool
}

// Polled reports whether sources of the kind are polled.
func (k Kind) Polled() bool { return !k.Computes && !k.Subscribes }

// A Reading is a source that is about to be read.
type Reading struct {
	// Where names the source in messages: `source "tank"`.
	Where string

	// Upstream returns the upstream that n names, and makes it that of the source. It returns nil for one that does not
	// exist, which it reports, and for one that has problems of its own. [UpstreamOf] is easier to use.
	Upstream func(n *grammar.Node) Upstream

	// Input notes that n is the name of another source, from which this one is computed. Once all sources are read, a
	// problem is reported of a name that no source has, and a source that depends on itself.
	Input func(n *grammar.Node, name string)

	// Once reports whether it is called with what for the first time. With it a kind warns only once of something
	// outside the configuration, such as a missing file, however many sources name it.
	Once func(what string) bool
}

// A Section reads one source. Keys write into values that belong to the Section, and Source makes of them the source.
type Section struct {
	// Keys are the keys of the kind: first the one with its name, which is marked by [grammar.Key.OneOf], then others
	// that may stand beside it. No other kind may have any of them.
	Keys grammar.Keys

	// Stray has, for some of these others, what a message advises if one stands in a source of another kind. Without it
	// the advice is to remove the key.
	Stray map[string]string

	// Source returns the source, or nil if there was a problem. It is called for a source of the kind after all keys of
	// the source were read, and reports what is wrong with several of them together. Entry is the whole mapping.
	Source func(entry *grammar.Node) Source
}

// An UpstreamReading is an upstream that is about to be read.
type UpstreamReading struct {
	Name  string
	Where string // names it in messages: `upstream "plant"`

	// TLS is what the key tls says, which upstreams of all kinds may have. It is read before the Upstream of the section is
	// called.
	TLS *TLS
	// InFlight is how many requests may be in progress at once, 0 if any number. It is known when TLS is.
	InFlight *int
}

// An UpstreamSection reads one upstream, as a [Section] reads a source.
type UpstreamSection struct {
	Keys     grammar.Keys                       // as those of a [Section]
	Upstream func(entry *grammar.Node) Upstream // as the Source of a [Section]
}

// UpstreamOf returns the upstream that n names, and whether it is a T. It reports an upstream of another kind. Key is
// the key that makes an upstream a T, for the message.
func UpstreamOf[T Upstream](r Reading, n *grammar.Node, key string) (T, bool) {
	found := r.Upstream(n)
	u, ok := found.(T)
	if found != nil && !ok {
		n.Problem(fmt.Sprintf("upstream %s is not one with %s", grammar.Quote(n.Value()), key),
			"name one that has the key "+key)
	}
	return u, ok
}

// A Parsed source gets bytes. The key parse of the configuration says how they become a value. A source that does not
// implement Parsed may not have that key.
type Parsed interface {
	Source

	// DefaultParse returns what applies without that key: "json" or "text".
	DefaultParse() string
}
