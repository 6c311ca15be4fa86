package sources

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// changedKey is the key of the task that schedules sources whose inputs have changed.
type changedKey struct{}

// inputChanged schedules p, which then is computed again or takes its newest message. It is called
// on a goroutine of the hub or of a subscription, and may come late: p may have been removed.
func (svc *Service) inputChanged(p *poller) {
	svc.mu.Lock()
	removed := p.removed
	if !removed {
		svc.changed[p] = struct{}{}
	}
	svc.mu.Unlock()
	if !removed {
		svc.deps.Scheduler.Schedule(changedKey{}, 0)
	}
}

// scheduleChanged is the hook of inputChanged.
func (svc *Service) scheduleChanged(_ context.Context, internal *smartpoll.Internal) error {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	follows := false
	for p := range svc.changed {
		if !p.removed && p.claim == nil {
			p.readOwner()
			follows = true
		}
	}
	if follows { // what is computed from that may have been woken before
		for _, p := range svc.all() {
			if p.from != nil {
				svc.changed[p] = struct{}{}
			}
		}
	}
	for p := range svc.changed {
		if !p.removed && p.claim != nil {
			if p.isHeld(internal) {
				continue
			}
			if !p.isComputed() {
				p.takeInputs()
				internal.Schedule(p.key, 0)
			}
		}
		delete(svc.changed, p)
	}
	return nil
}

// use adds an input to those of s, which is computed.
func (s *poller) use(input *poller) {
	s.uses = append(s.uses, input)
	if of := input.origin(); of.Split != nil && !slices.Contains(s.splits, of) {
		s.splits = append(s.splits, of)
	}
}

// holdAtMost is how long a source is not computed because rows among its inputs are still being told: it takes longer if the
// machine is too slow for them, or while a row is taken over.
const holdAtMost = time.Second

// isHeld reports whether s, which is computed, has to wait until all rows of an answer have taken what they were told: made of
// some that have and others that have not, it would be what it never was.
func (s *poller) isHeld(internal *smartpoll.Internal) bool {
	if !slices.ContainsFunc(s.splits, (*poller).isTelling) {
		s.heldSince = time.Time{}
		return false
	}
	now := s.svc.deps.Clock.Now()
	if s.heldSince.IsZero() {
		s.heldSince = now
	}
	left := holdAtMost - now.Sub(s.heldSince)
	if left <= 0 {
		s.heldSince = time.Time{}
		return false
	}
	internal.ScheduleSooner(changedKey{}, left)
	return true
}

// takeInputs has s computed from what its inputs are now if rows are among them: some of the next answer may come meanwhile.
func (s *poller) takeInputs() {
	if len(s.splits) == 0 {
		return
	}
	taken := make(map[string][]byte, len(s.inputs))
	for name, topic := range s.inputs {
		latest, _ := s.svc.deps.Store.Latest(topic)
		taken[name] = latest.Data
	}
	s.taken.Store(&taken)
}

// isComputed reports whether s was scheduled before with its inputs as they are now: a topic may tell
// late of a change that has been read from its owner already. It notes them for the next call.
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

// forgetChanged undoes inputChanged for a poller that is removed, and has a later call do nothing: it would keep p for as
// long as the scheduler does not run.
func (svc *Service) forgetChanged(p *poller) {
	svc.mu.Lock()
	defer svc.mu.Unlock()
	p.removed = true
	delete(svc.changed, p)
}

// oldestNeeded returns the input that determines the age of a value of s that is computed now: the
// oldest one of those that s needs, nil if it needs none.
func (s *poller) oldestNeeded() *poller {
	if s.needs == 0 {
		return nil
	}
	inputs := slices.SortedFunc(slices.Values(s.uses), func(a, b *poller) int { return b.renewed.Compare(a.renewed) })
	return inputs[s.needs-1]
}

// staleReason says that no poll has renewed the value of s in time.
func (s *poller) staleReason() string {
	text := "no successful poll for " + clock.Words(s.StaleAfter)
	switch by := s.origin(); {
	case by.Pushed():
		text = "nothing has come for " + clock.Words(s.StaleAfter)
	case by.subscription != nil:
		text = "no message for " + clock.Words(s.StaleAfter)
	}
	if s.oldestInput != "" {
		text = "input " + s.oldestInput + ": " + text
	}
	return text
}

// sameSource reports whether a and b are equal, apart from the next poll.
func sameSource(a, b *wire.Source) bool {
	return a.State == b.State && bytes.Equal(a.Value, b.Value) &&
		equalTimes(a.UpdatedAt, b.UpdatedAt) && alert.Same(a.Alert, b.Alert) &&
		(a.Error == nil) == (b.Error == nil) && (a.Error == nil || *a.Error == *b.Error)
}
