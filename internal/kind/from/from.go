// Package from makes values of those of other sources.
package from

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/jq"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/value"
)

// namedInputs is how many inputs an error names.
const namedInputs = 3

// A Source is computed from other sources. It implements [kind.Computed].
type Source struct {
	From    []string    // the names of the others
	Combine *jq.Program // the inputs by name -> value; nil: the inputs as they are
	Needs   Needs       // which inputs must be fresh for the value to be fresh
}

// Needs says which inputs of a source must be fresh for what is made of them to be fresh.
type Needs string

// The values of [Needs].
const (
	NeedsAll  Needs = "all"
	NeedsAny  Needs = "any"  // one of them
	NeedsNone Needs = "none" // the source evaluates their states itself
)

// Inputs implements [kind.Computed].
func (s *Source) Inputs() []string { return s.From }

// Needed implements [kind.Computed].
func (s *Source) Needed() int {
	switch s.Needs {
	case NeedsNone:
		return 0
	case NeedsAny:
		return 1
	}
	return len(s.From)
}

// Open implements [kind.Source].
func (s *Source) Open(env kind.Env) (kind.Fetcher, error) { return fetcher{s, env.Input}, nil }

// Meaning implements [kind.Meant]: the inputs may be others.
func (s *Source) Meaning() string {
	if s.Combine == nil {
		return ""
	}
	return "combine " + s.Combine.String()
}

// SameValue implements [kind.Source].
func (s *Source) SameValue(other kind.Source) bool {
	o, ok := other.(*Source)
	return ok && s.Meaning() == o.Meaning()
}

// Describe implements [kind.Source].
func (s *Source) Describe() string { return "computed from " + strings.Join(s.From, ", ") }

// Secrets implements [kind.Source]: those of the inputs are hidden in their values already.
func (s *Source) Secrets() kind.Secrets { return kind.Secrets{} }

// A fetcher computes a value from the newest snapshots of the inputs.
type fetcher struct {
	*Source
	input func(name string) []byte
}

// Fetch implements [kind.Fetcher]. Why the value is not fresh is in the result's Stale. The error is
// [kind.ErrNothingYet] if an input that is needed will be polled for the first time, or none has been polled.
func (f fetcher) Fetch(ctx context.Context) (kind.Result, error) {
	all, stale, err := f.inputs(ctx)
	if err != nil {
		return kind.Result{}, err
	}
	if f.Combine == nil {
		return kind.Result{Value: all, Stale: stale}, nil
	}
	v, err := f.Combine.Run(ctx, all)
	if err != nil {
		return kind.Result{}, fmt.Errorf("combine: %w", err)
	}
	return kind.Result{Value: v, Stale: stale}, nil
}

// inputs are the newest snapshots by name, and why what is made of them is not fresh; empty: it is.
func (f fetcher) inputs(ctx context.Context) (all map[string]any, stale string, err error) {
	all = make(map[string]any, len(f.From))
	var unfresh, missing []string
	pending, size := 0, 0
	for _, name := range f.From {
		data := f.input(name)
		size += value.DecodedSize(data)
		if err := value.AdmitDecoding(ctx, size); err != nil {
			return nil, "", fmt.Errorf("input %s: %w", name, err)
		}
		var object map[string]any
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, "", fmt.Errorf("input %s: %w", name, err)
		}
		all[name] = object
		why, _ := object["cause"].(string)
		switch object["state"] {
		case "ok":
			continue
		case "pending":
			pending++
			why = "not polled yet"
		}
		why = "input " + name + ": " + why
		unfresh = append(unfresh, why)
		if object["updated_at"] == nil {
			missing = append(missing, why)
		}
	}
	switch needed := f.Needed(); {
	case pending == len(f.From):
		return nil, "", kind.ErrNothingYet
	case len(f.From)-len(missing)+pending < needed:
		return nil, "", errors.New(named(missing))
	case len(f.From)-len(missing) < needed:
		return nil, "", kind.ErrNothingYet
	case len(f.From)-len(unfresh) < needed:
		stale = named(unfresh)
	}
	return all, stale, nil
}

// named is what is wrong with inputs, in one line.
func named(inputs []string) string {
	if more := len(inputs) - namedInputs; more > 0 {
		inputs = append(slices.Clone(inputs[:namedInputs]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(inputs, "; ")
}
