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
	From    []string    // the names of the others, or NAME/* for all rows of one that is split
	Combine *jq.Program // the inputs by name -> value; nil: the inputs as they are
	Needs   Needs       // which inputs must be fresh for the value to be fresh
	Now     []Input     // what From stands for; nil: for sources that are always there
}

// An Input is a source from which another one is computed.
type Input struct {
	Name string
	For  []string // the elements of From that this split source stands for as it has no such row; nil: it is an input itself
	Rows int      // with For: how many sources it is split into
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
func (s *Source) Inputs() []string {
	if s.Now == nil {
		return s.From
	}
	names := make([]string, len(s.Now))
	for i, in := range s.Now {
		names[i] = in.Name
	}
	return names
}

// WithRows implements [kind.Computed].
func (s *Source) WithRows(rows func(name string) (all []string, isSplit bool)) kind.Computed {
	var now []Input
	waits := map[string]int{} // by split source: where it stands in now, plus 1
	names := false
	for _, name := range s.From {
		split := name[:max(0, strings.LastIndexByte(name, '/'))]
		all, isSplit := rows(split)
		names = names || isSplit
		switch {
		case !isSplit, slices.Contains(all, name):
			now = append(now, Input{Name: name})
		case strings.HasSuffix(name, kind.AllRows) && len(all) > 0:
			for _, one := range all {
				now = append(now, Input{Name: one})
			}
		case waits[split] > 0:
			in := &now[waits[split]-1]
			in.For = append(in.For, name)
		default:
			now = append(now, Input{Name: split, For: []string{name}, Rows: len(all)})
			waits[split] = len(now)
		}
	}
	if !names {
		return s
	}
	next := *s
	next.Now = now
	return &next
}

// Needed implements [kind.Computed].
func (s *Source) Needed() int {
	switch s.Needs {
	case NeedsNone:
		return 0
	case NeedsAny:
		return 1
	}
	return len(s.Inputs())
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
	now := f.Now
	if now == nil {
		for _, name := range f.From {
			now = append(now, Input{Name: name})
		}
	}
	all = make(map[string]any, len(now))
	var unfresh, missing []string
	pending, size := 0, 0
	for _, in := range now {
		data := f.input(in.Name)
		size += value.DecodedSize(data)
		if err := value.AdmitDecoding(ctx, size); err != nil {
			return nil, "", fmt.Errorf("input %s: %w", in.Name, err)
		}
		var object map[string]any
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, "", fmt.Errorf("input %s: %w", in.Name, err)
		}
		if in.For == nil {
			all[in.Name] = object
		}
		switch why, hasValue := in.is(object); {
		case why == "":
		case why == notPolled:
			pending++
			fallthrough
		default:
			why = "input " + in.written() + ": " + why
			unfresh = append(unfresh, why)
			if !hasValue {
				missing = append(missing, why)
			}
		}
	}
	switch needed := f.Needed(); {
	case pending == len(now):
		return nil, "", kind.ErrNothingYet
	case len(now)-len(missing)+pending < needed:
		return nil, "", errors.New(named(missing))
	case len(now)-len(missing) < needed:
		return nil, "", kind.ErrNothingYet
	case len(now)-len(unfresh) < needed:
		stale = named(unfresh)
	}
	return all, stale, nil
}

// notPolled is why an input is not fresh that may be in a moment.
const notPolled = "not polled yet"

// is returns why an input, whose newest snapshot is given, is not fresh, empty if it is; and whether it has a value.
func (in *Input) is(snapshot map[string]any) (why string, hasValue bool) {
	why, _ = snapshot["cause"].(string)
	switch snapshot["state"] {
	case "ok":
		why = ""
	case "pending":
		why = notPolled
	}
	hasValue = snapshot["updated_at"] != nil
	rows, _ := snapshot["value"].(float64)
	row := slices.IndexFunc(in.For, isRow)
	switch {
	case in.For == nil:
	case hasValue && int(rows) > in.Rows: // the sources of its rows come in a moment
		return notPolled, false
	case row >= 0 && why == "":
		return "not among the rows of " + in.Name, false
	case row >= 0:
		return why, false
	}
	return why, hasValue
}

// isRow reports whether an element of From is one row.
func isRow(name string) bool { return !strings.HasSuffix(name, kind.AllRows) }

// written is how From has an input, or the first of those for which it stands.
func (in *Input) written() string {
	if in.For == nil {
		return in.Name
	}
	return in.For[max(0, slices.IndexFunc(in.For, isRow))]
}

// named is what is wrong with inputs, in one line.
func named(inputs []string) string {
	if more := len(inputs) - namedInputs; more > 0 {
		inputs = append(slices.Clone(inputs[:namedInputs]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(inputs, "; ")
}
