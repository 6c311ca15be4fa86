package sources

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// changedKey is the key of the task that has sources computed whose inputs have changed.
type changedKey struct{}

// inputChanged has p computed again, or take its newest message. A goroutine of the hub or of its subscription calls it,
// which may be late: p may have been removed.
func (svc *Service) inputChanged(p *poller) {
	svc.mu.Lock()
	if svc.changed == nil {
		svc.changed = make(map[*poller]struct{})
	}
	svc.changed[p] = struct{}{}
	svc.mu.Unlock()
	svc.Scheduler.Schedule(changedKey{}, 0)
}

// compute is the hook of that.
func (svc *Service) compute(_ context.Context, internal *smartpoll.Internal) error {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	for p := range svc.changed {
		if !p.removed && !p.isComputed() {
			internal.Schedule(p.key, 0)
		}
	}
	clear(svc.changed)
	return nil
}

// isComputed reports whether s has been computed from its inputs as they are: a topic may tell
// late of a change that has been read from its owner before. From then on it counts as computed.
func (s *poller) isComputed() bool {
	if s.from == nil {
		return false
	}
	inputs := uint64(0)
	for _, input := range s.uses {
		inputs += input.revision
	}
	same := inputs == s.computed
	s.computed = inputs
	return same
}

// forgetChanged forgets that an input of p has changed.
func (svc *Service) forgetChanged(p *poller) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	delete(svc.changed, p)
}

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
	if s.subscription != nil {
		text = fmt.Sprintf("no message for %v", s.StaleAfter)
	}
	if s.oldest != "" {
		text = "input " + s.oldest + ": " + text
	}
	return text
}

// sameSource reports whether a says the same as b, apart from the next poll.
func sameSource(a, b *wire.Source) bool {
	return a.State == b.State && bytes.Equal(a.Value, b.Value) &&
		equalTimes(a.UpdatedAt, b.UpdatedAt) && alert.Same(a.Alert, b.Alert) &&
		(a.Error == nil) == (b.Error == nil) && (a.Error == nil || *a.Error == *b.Error)
}
