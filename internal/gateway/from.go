package gateway

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/wire"
)

// decides is the input that says how old the value of s is, if that is computed now: the
// oldest one of those that s needs; nil if s needs none.
func (s *poller) decides() *poller {
	if s.needs == 0 {
		return nil
	}
	inputs := slices.SortedFunc(slices.Values(s.uses), func(a, b *poller) int { return b.renewed.Compare(a.renewed) })
	return inputs[s.needs-1]
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
	return a.State == b.State && bytes.Equal(a.Value, b.Value) && equalTimes(a.UpdatedAt, b.UpdatedAt) && alert.Same(a.Alert, b.Alert) &&
		(a.Error == nil) == (b.Error == nil) && (a.Error == nil || *a.Error == *b.Error)
}
