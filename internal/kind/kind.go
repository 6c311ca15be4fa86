// Package kind is the seam between Tidewire and the protocols by which it gets values: each kind of source is a
// package below this one.
//
// A [Source] is what a configuration says of one source, in the words of its kind. The runtime opens it, and then
// asks the [Fetcher] that it gets for one value after the other. When that happens, how often, and what is taken of a
// value is none of a kind's business; nor are limits, deadbands, alerts, history and the state that people are shown.
//
// # A new kind
//
// A kind is one package with a variable of the type [Kind], one line in package all, and a section of
// docs/configuration.md. Its [Section] reads what a configuration says, by a table of keys, and returns a Source.
// From these the rest follows: what check and explain know, the schema, the messages that list the kinds, the label
// of its metrics, what a trace shows ([Trace]), which secrets are hidden, and what a reload keeps.
//
// An [Upstream] is what its sources share. It may hold a connection, which outlives reloads of the sources.
//
// # What pushes
//
// The fetchers of a kind may be told their values: see [Subscriber].
//
// # Errors
//
// The error of a fetch is one line for a card on a page, without secrets ([Fail] makes one):
//
//	GET http://127.0.0.1:8080/now: connection refused
//	GET http://127.0.0.1:8080/now: timed out after 5s
//	df: exit status 1: df: /data: No such file or directory
//
// One that has a method RetryAfter() time.Duration says for how long the source wants to be left alone. A [Refusal]
// says that it was reached.
//
// # Concurrency
//
// A Source is not changed once it is made; any number of goroutines may use it. The runtime calls a Fetcher from one
// goroutine at a time, so what it remembers from one fetch to the next needs no lock. What an upstream has opened is
// used by all of its sources at once.
package kind

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/secret"
)

// A Source is one configured source of some kind.
type Source interface {
	// Open returns what gets the values. It reaches nothing outside yet and does not block. A Fetcher that is an
	// [io.Closer] is closed when it is not used any more; a Fetch whose context has ended may still be returning then.
	Open(Env) (Fetcher, error)

	// SameValue reports whether a value of other, which is of the same kind and was configured under the same name
	// before, is one of this source too: then a reload keeps it until there is a new one.
	SameValue(other Source) bool

	// Describe says for a trace where values come from, behind the source's name: "asks upstream weather". It shows
	// no secret.
	Describe() string

	// Secrets are what people must not be shown of the source. Those of its upstream are hidden with them.
	Secrets() Secrets
}

// Secrets are texts that people must not be shown.
type Secrets struct {
	Said   []string // hidden in errors and in traces
	Values []string // surely credentials: hidden in values too, where the others may be words such as "north"
}

// And returns both s and t.
func (s Secrets) And(t Secrets) Secrets {
	return Secrets{slices.Concat(s.Said, t.Said), slices.Concat(s.Values, t.Values)}
}

// An Env is what the runtime gives to a source that it opens.
type Env struct {
	Secrets *secret.Redactor // hides the source's secrets, and its upstream's, in errors
	Log     *slog.Logger     // knows the source
	Client  *http.Client     // for whatever goes over HTTP: its connections are shared by all, and guarded
	Parse   string           // how bytes become a value, see package value; empty: they do not

	// Link is what the source's upstream has opened ([Upstream.Open]); nil: nothing, or there is no upstream.
	Link io.Closer

	// Input returns the newest snapshot of one of the Inputs of a [Computed], as the API answers it; nil for others.
	Input func(name string) []byte
}

// An Upstream is what a configuration says of one service that sources ask, in the words of a kind.
type Upstream interface {
	// Open returns what sources of the upstream share, such as a connection, or nil. It reaches nothing outside yet
	// and does not block: the link is up when a source first needs it. The runtime opens an upstream once for as long
	// as it is configured in the same way, however often its sources change, and closes what it has opened after the
	// last source that uses it has ended.
	Open(UpstreamEnv) (io.Closer, error)

	// Secrets are what people must not be shown of the upstream.
	Secrets() Secrets
}

// An UpstreamEnv is what the runtime gives to an upstream that it opens.
type UpstreamEnv struct {
	Secrets *secret.Redactor // hides the upstream's secrets in errors
	Log     *slog.Logger     // knows the upstream
}

// A Fetcher gets the values of one source.
type Fetcher interface {
	// Fetch gets a value. It takes as long as ctx allows, and returns soon when that ends. With an error only the
	// Wait of the result counts.
	Fetch(ctx context.Context) (Result, error)
}

// A Confirmer is a [Fetcher] that wants to know when the value of its last fetch was of use: when everything could be
// picked that is configured. Confirm is called on the goroutine of the fetch.
type Confirmer interface {
	Confirm()
}

// A Result is what one fetch got.
type Result struct {
	Value any           // of the types that encoding/json decodes into
	Stale string        // why the value is not fresh though it was just got; empty: it is
	Wait  time.Duration // for how long the source wants to be left alone; 0: it does not say
}

// ErrNothingYet is the error of a fetch that had nothing to get a value from yet. It leaves the source as it is.
var ErrNothingYet = errors.New("there is nothing yet to get a value from")

// A Computed is a [Source] whose values are made of those of other sources. It is not polled: the runtime has it
// fetch when an input has changed.
type Computed interface {
	Source

	// Inputs are the names of the other sources.
	Inputs() []string

	// Needed is how many of them must be fresh for the value to be fresh.
	Needed() int
}

// A FetchFunc is a [Fetcher].
type FetchFunc func(ctx context.Context) (Result, error)

// Fetch implements [Fetcher].
func (f FetchFunc) Fetch(ctx context.Context) (Result, error) { return f(ctx) }

// Values is a [Fetcher] of results that are nothing but values.
func Values(fetch func(ctx context.Context) (any, error)) Fetcher {
	return FetchFunc(func(ctx context.Context) (Result, error) {
		v, err := fetch(ctx)
		return Result{Value: v}, err
	})
}

// A Targeted source names what it asks. Where that wants to be left alone, a reload has each source with the same
// target wait.
type Targeted interface {
	Target() string
}
