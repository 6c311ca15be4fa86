package kind

import (
	"fmt"

	"github.com/tidewire/tidewire/internal/grammar"
)

// A Kind is one kind of source, as it joins a configuration. Package all has the list of them.
type Kind struct {
	// Name is the key that makes a source one of this kind, and the label of its metrics.
	Name string

	// Section returns what reads one source of the kind.
	Section func(Reading) Section

	// Upstream returns what reads an upstream of the kind, which has the key Name too. Nil means that the kind has no
	// upstream of its own: its sources have none, or one of another kind.
	Upstream func(UpstreamReading) UpstreamSection

	// Computes says that its sources are [Computed], Subscribes that its fetchers are [Subscriber]. Neither are
	// polled, so their sources have no pauses.
	Computes, Subscribes bool
}

// Polled reports whether sources of the kind are polled.
func (k Kind) Polled() bool { return !k.Computes && !k.Subscribes }

// A Reading is a source that is about to be read.
type Reading struct {
	// Where names the source in messages: `source "tank"`.
	Where string

	// Upstream returns the upstream that n names, which becomes that of the source. It reports a name that is none.
	// Nil is one that does not exist or has problems of its own. See [UpstreamOf].
	Upstream func(n *grammar.Node) Upstream

	// Input notes that n is the name of another source, from which this one is computed. It reports one that does not
	// exist, and one that closes a circle, when all sources are read.
	Input func(n *grammar.Node, name string)

	// Once reports whether nothing has asked for what before: so something of the world that may be wrong is warned
	// of once.
	Once func(what string) bool
}

// A Section is what one source says, while it is read.
type Section struct {
	// Keys are those of the source that belong to the kind: first the one with its name, which is marked by
	// [grammar.Key.OneOf], then others that may stand beside it.
	Keys grammar.Keys

	// Stray says of some of the further keys what to do about one in a source of another kind.
	Stray map[string]string

	// Source completes the source that was read into what the keys are bound to, and reports what follows from
	// several of them. It is called after all keys of entry, the whole source, if that is of the kind. Nil means that
	// there was a problem.
	Source func(entry *grammar.Node) Source
}

// An UpstreamReading is an upstream that is about to be read.
type UpstreamReading struct {
	Name  string
	Where string // names it in messages: `upstream "plant"`
}

// An UpstreamSection is what one upstream says, while it is read.
type UpstreamSection struct {
	Keys     grammar.Keys                       // as those of a [Section]
	Upstream func(entry *grammar.Node) Upstream // as the Source of a [Section]
}

// UpstreamOf returns the upstream that n names, if it is a T, and reports whatever it is otherwise. Key is that of
// such an upstream.
func UpstreamOf[T Upstream](r Reading, n *grammar.Node, key string) (T, bool) {
	found := r.Upstream(n)
	u, ok := found.(T)
	if found != nil && !ok {
		n.Problem(fmt.Sprintf("upstream %s is not one with %s", grammar.Quote(n.Value()), key),
			"name one that has the key "+key)
	}
	return u, ok
}

// A Parsed source gets bytes. How they become a value is the key parse of the configuration.
type Parsed interface {
	Source

	// DefaultParse is what holds without that key: "json", "text" or "lines".
	DefaultParse() string
}
