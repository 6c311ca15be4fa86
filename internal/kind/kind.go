// Package kind is the seam between Tidewire and the protocols by which it gets values: each kind of source is a
// package below this one.
//
// A [Source] is what a configuration says about one source, in the words of its kind. The runtime opens it, and then
// asks the [Fetcher] that it gets for one value after the other. A kind decides neither when and how often that
// happens, nor what is picked from a value; limits, deadbands, alerts, history and states are not its business either.
//
// # A new kind
//
// A kind is a package with a variable of the type [Kind], one line in package all, and its part of
// docs/configuration.md: a row for each key, in the words of its table of keys, and an example. Its [Section] reads
// what a configuration says, by that table, and returns a Source. From these follow what check and explain know, the
// schema, the messages that list the kinds, the label of its metrics, what a trace shows ([Trace]), which secrets are
// hidden, and what a reload keeps.
//
// An [Upstream] is what its sources share. It may hold a connection, which outlives reloads of the sources. The runtime
// keeps an upstream's limits: a kind need not know them.
//
// # Values that are told
//
// A kind whose peer tells it values has fetchers that are a [Subscriber]. If the values come with requests to Tidewire, its
// sources are [Pushed], too.
//
// # Errors
//
// The error of a fetch is one line for a card on a page, without secrets ([Fail] makes one):
//
//	GET http://127.0.0.1:8080/now: connection refused
//	GET http://127.0.0.1:8080/now: timed out after 5 s
//	df: exit status 1: df: /data: No such file or directory
//
// An error with a method RetryAfter() time.Duration asks for a pause of that length before the next fetch. An error
// that is a [Refusal] comes from the peer rather than from the way to it.
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
	"github.com/tidewire/tidewire/internal/value"
)

// A Source is one configured source of some kind.
type Source interface {
	// Open returns the fetcher of the source. It contacts nothing yet and does not block. A Fetcher that is an
	// [io.Closer] is closed when it is not used any more; a Fetch whose context has ended may still be returning then.
	// An error is that of each poll of the source.
	Open(Env) (Fetcher, error)

	// SameValue reports whether the last value of other is good for this source, too: then a reload that replaces
	// other, a source of the same kind and name, keeps that value until there is a new one. The runtime compares what
	// every source has, such as pick.
	SameValue(other Source) bool

	// Describe says for a trace where values come from: "asks upstream weather", which follows the source's name. It
	// shows no secret.
	Describe() string

	// Secrets are the secrets of the source. The runtime adds those of its upstream.
	Secrets() Secrets
}

// Meant is implemented by sources whose own keys say what their values mean. SameValue of two of them holds if their meanings
// are equal; of others it always holds.
type Meant interface {
	Source
	Meaning() string
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
	Parse   value.Format     // how bytes become a value; zero: they do not

	// Link is what [Upstream.Open] of the source's upstream returned; nil also if the source has no upstream.
	Link io.Closer

	// Input returns the newest snapshot of one of the Inputs of a [Computed], as the API answers it. Other sources do
	// not call it.
	Input func(name string) []byte

	// Variables are those of [Kind.Variables] that the expressions of the source use: nobody needs the others.
	Variables []string

	// Last returns the last value of the source as people see it: what was picked, without credentials; nil before the
	// first one. Only a fetch may call it.
	Last func() any

	// Again waits until a fetch that has asked the upstream once may ask it once more, by the limits of the upstream. It
	// returns [context.Cause] of a context that ends before. Nil means that it may at once.
	Again func(context.Context) error
}

// An Upstream is what a configuration says about one service that sources ask, in the words of a kind.
type Upstream interface {
	// Open returns what sources of the upstream share, such as a connection, or nil. It contacts nothing yet and does
	// not block: the first source that needs the connection makes it. The runtime opens an upstream once for as long
	// as its configuration stays the same, however often its sources change, and closes what Open returned after the
	// last source that uses it has ended. The error makes the reload fail, or the start.
	Open(UpstreamEnv) (io.Closer, error)

	// Secrets are the secrets of the upstream.
	Secrets() Secrets
}

// An UpstreamEnv is what the runtime gives to an upstream that it opens.
type UpstreamEnv struct {
	Secrets *secret.Redactor // hides the upstream's secrets in errors
	Log     *slog.Logger     // knows the upstream
}

// A Fetcher gets the values of one source.
type Fetcher interface {
	// Fetch gets a value. It may take as long as ctx lasts, and returns soon after ctx has ended. Of a result that
	// comes with an error only Wait, Status, Size and Done count.
	Fetch(ctx context.Context) (Result, error)
}

// A Confirmer is a [Fetcher] that is told when the value of its last fetch was accepted: when pick and the conditions
// of the source could be evaluated on it. Confirm is called on the goroutine of the fetch.
type Confirmer interface {
	Confirm()
}

// A Result is what one fetch got.
type Result struct {
	Value any           // of the types that encoding/json decodes into
	Stale string        // why the value is stale already; empty: it is fresh
	Wait  time.Duration // the pause that the peer asks for, as by Retry-After; 0: none

	// Variables has what the variables of [Env] stand for in expressions on Value, in types as that of Value.
	Variables map[string]any

	Status Status // how the peer answered, for people who look at past polls
	Size   int    // bytes of the answer; 0: it was empty, or was not read

	// Done is called by a hook once what became of the result is published: with nil, or with why it gave no value. It must not
	// block. It is not called if the source ends, or leaves this process, before that. Nil: nobody has to know.
	Done func(err error)
}

// A Status is what a peer says of its own answer, whether that is one of success or not: the status of HTTP, or the exit
// code of a program. Its zero value is none: the kind knows no such thing, or there was no answer.
type Status struct {
	Code  int
	Known bool
}

// ErrNothingYet is the error of a fetch that had nothing to get a value from yet. The source stays as it is.
var ErrNothingYet = errors.New("there is nothing yet to get a value from")

// AllRows ends a name that stands for all sources of the rows of one that is split: NAME/*.
const AllRows = "/*"

// A Computed is a [Source] whose values are made of those of other sources. It is not polled: the runtime calls Fetch
// when an input has changed.
type Computed interface {
	Source

	// Inputs are the names of the other sources. They exist.
	Inputs() []string

	// WithRows returns the source for the rows that there are now: rows returns the names of the sources that another one is
	// split into, and whether it is split at all. NAME/* is all of these, and NAME/ROW one, which may not be there: then NAME is
	// the input. It is the source itself if that names no rows.
	WithRows(rows func(name string) (all []string, isSplit bool)) Computed

	// Needed is how many of them must be fresh for the value to be fresh.
	Needed() int
}

// A FetchFunc is a [Fetcher].
type FetchFunc func(ctx context.Context) (Result, error)

// Fetch implements [Fetcher].
func (f FetchFunc) Fetch(ctx context.Context) (Result, error) { return f(ctx) }

// Values returns a [Fetcher] whose results have only values.
func Values(fetch func(ctx context.Context) (any, error)) Fetcher {
	return FetchFunc(func(ctx context.Context) (Result, error) {
		v, err := fetch(ctx)
		return Result{Value: v}, err
	})
}

// A Targeted source names what it asks. If that has asked for a pause, a reload that changes the source keeps the
// pause, unless the target is another one.
type Targeted interface {
	Target() string
}
