package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/source"
	"github.com/tidewire/tidewire/internal/wire"
)

// namedInputs is how many inputs an error names.
const namedInputs = 3

// errNothingYet is why there is nothing to compute: an input that is needed will be polled
// for the first time.
var errNothingYet = errors.New("its inputs are not polled yet")

// needed is how many of its inputs must be fresh for s to be fresh.
func (s *poller) needed() int {
	switch s.Needs {
	case config.NeedsNone:
		return 0
	case config.NeedsAny:
		return 1
	}
	return len(s.From)
}

// combine computes a value from the newest snapshots of other sources. Why it is not fresh
// is in s.unfresh then.
func (s *poller) combine(ctx context.Context) (any, error) {
	all := make(map[string]any, len(s.inputs))
	var unfresh, missing []string
	pending, size := 0, 0
	for _, name := range s.From {
		latest, _ := s.inputs[name].Latest()
		size += source.DecodedSize(latest.Data)
		if err := source.Decode(ctx, size); err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		var object map[string]any
		if err := json.Unmarshal(latest.Data, &object); err != nil {
			return nil, fmt.Errorf("input %s: %w", name, err)
		}
		all[name] = object
		why, _ := object["error"].(string)
		switch {
		case object["state"] == wire.SourceOK:
			continue
		case object["state"] == wire.SourcePending:
			pending++
			why = "not polled yet"
		}
		why = "input " + name + ": " + why
		unfresh = append(unfresh, why)
		if object["updated_at"] == nil {
			missing = append(missing, why)
		}
	}
	switch needed := s.needed(); {
	case len(s.From)-len(missing)+pending < needed:
		return nil, errors.New(named(missing))
	case len(s.From)-len(missing) < needed:
		return nil, errNothingYet
	case len(s.From)-len(unfresh) < needed:
		s.unfresh = named(unfresh)
	default:
		s.unfresh = ""
	}
	if s.Combine == nil {
		return all, nil
	}
	value, err := s.Combine.Run(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("combine: %w", err)
	}
	return value, nil
}

// named is what is wrong with inputs, in one line.
func named(inputs []string) string {
	if more := len(inputs) - namedInputs; more > 0 {
		inputs = append(slices.Clone(inputs[:namedInputs]), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(inputs, "; ")
}

// decides is the input that says how old the value of s is, if that is computed now: the
// oldest one of those that s needs; nil if s needs none.
func (s *poller) decides() *poller {
	needed := s.needed()
	if needed == 0 {
		return nil
	}
	inputs := slices.SortedFunc(slices.Values(s.uses), func(a, b *poller) int { return b.renewed.Compare(a.renewed) })
	return inputs[needed-1]
}

// tooOld says that no poll has renewed the value of s in time.
func (s *poller) tooOld() string {
	text := fmt.Sprintf("no successful poll for %v", s.StaleAfter)
	if s.oldest != "" {
		text = "input " + s.oldest + ": " + text
	}
	return text
}

// sameSource reports whether a says the same as b, apart from the next poll.
func sameSource(a, b *wire.Source) bool {
	return a.State == b.State && bytes.Equal(a.Value, b.Value) && equalTimes(a.UpdatedAt, b.UpdatedAt) && sameAlert(a.Alert, b.Alert) &&
		(a.Error == nil) == (b.Error == nil) && (a.Error == nil || *a.Error == *b.Error)
}
