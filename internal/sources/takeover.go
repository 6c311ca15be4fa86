package sources

import (
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/wire"
)

// takeOver makes s the successor of before, whose definition has changed, within a hook. Numbers in memory stay if its
// values still mean the same.
func (s *poller) takeOver(before *poller) {
	s.claim, s.revision, s.told, s.aged = before.claim, before.revision, before.told, before.aged
	s.missing, s.renamed = before.missing, s.isRenamed(before)
	if !s.keepsValueOf(before) {
		s.svc.deps.Samples.Keep(s.Name, 0)
	}
}

// keepsValueOf reports whether a value of before is a value of s too: it comes from the same kind
// of source, and is parsed and picked in the same way.
func (s *poller) keepsValueOf(before *poller) bool {
	return s.Kind == before.Kind && s.Spec.SameValue(before.Spec) &&
		s.Parse.String() == before.Parse.String() && config.Same(s.Pick, before.Pick) && (s.Split == nil) == (before.Split == nil)
}

// begin publishes the first snapshot of s and starts its first poll, which may have to wait for the
// limit of its upstream; or it has s follow its owner. before is the poller that s has taken over
// from, nil if s is new in this process.
func (s *poller) begin(before *poller) {
	if s.endFollow != nil {
		s.endFollow()
		s.endFollow = nil
	}
	s.owned.Store(s.claim != nil)
	if s.claim == nil {
		s.followOwner()
		return
	}
	scheduler := s.svc.deps.Scheduler
	snap := s.resume()
	s.setMeaning()
	if s.SplitFrom != "" {
		s.takeRow()
	}
	if before != nil {
		s.wanted, s.unwatchedSince = before.wanted, before.unwatchedSince
		last := before.published
		if s.keepsValueOf(before) && last.UpdatedAt != nil {
			snap = last
			s.renewed, s.oldestInput, s.evaluateFrom = before.renewed, before.oldestInput, before.evaluateFrom
			if s.StaleAfter > 0 {
				scheduler.Schedule(staleKey(s.key), s.staleIn(s.svc.deps.Clock.Now()))
			}
		}
		s.alert.TakeOver(before.alert)
		snap.Alert = s.alert.Alert()
	}
	if before == nil {
		s.alert.Resume()
		snap.Alert = s.alert.Alert()
	}
	if s.Pushed() && s.StaleAfter > 0 && snap.State == wire.SourcePending {
		scheduler.Schedule(staleKey(s.key), s.StaleAfter)
	}
	snap.NextAt, snap.Waiting = nil, ""
	switch {
	case s.pause() == config.Never:
	case before != nil && s.isLimitedAs(before):
		s.waiting, s.notBefore = before.waiting, before.notBefore
		scheduler.Schedule(s.key, s.notBefore.Sub(s.svc.deps.Clock.Now()))
		snap.NextAt, snap.Waiting = s.next(scheduler)
	case before == nil && s.waiting == wire.WaitingRateLimit && s.svc.deps.Clock.Now().Before(s.notBefore):
		scheduler.Schedule(s.key, s.notBefore.Sub(s.svc.deps.Clock.Now()))
		snap.NextAt, snap.Waiting = s.next(scheduler)
	case len(s.splits) > 0:
		s.computed = 0
		s.svc.inputChanged(s) // when all rows have begun
	default:
		scheduler.Schedule(s.key, 0)
		if next, waiting := s.next(scheduler); waiting != "" {
			snap.NextAt, snap.Waiting = next, waiting
		}
	}
	s.put(snap)
}

// isLimitedAs reports whether the upstream of before has asked for a pause that is not over, and s
// asks the same upstream.
func (s *poller) isLimitedAs(before *poller) bool {
	own, ok := s.Spec.(kind.Targeted)
	other, same := before.Spec.(kind.Targeted)
	return ok && same && own.Target() == other.Target() &&
		before.waiting == wire.WaitingRateLimit && s.svc.deps.Clock.Now().Before(before.notBefore)
}
