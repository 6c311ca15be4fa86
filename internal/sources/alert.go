package sources

import (
	"context"

	"github.com/tidewire/tidewire/internal/alert"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

// alertOn brings the alert of s to what a snapshot of it says, which is due to a poll or not, and an evaluation of the value
// if that is a new one.
func (s *poller) alertOn(snap *wire.Source, polled bool, e alert.Evaluation) {
	s.alert.Transition(alert.ReadingOf(snap, polled), e)
	snap.Alert = s.alert.Alert()
}

// alertElapsed is the hook that runs when the conditions of the alert have held for long enough, and when the alert is
// another one by a silence or as it was acknowledged.
func (s *poller) alertElapsed(_ context.Context, internal *smartpoll.Internal) error {
	s.svc.followClock(internal)
	if s.claim == nil { // it was due when the claim was lost: its owner tells
		return nil
	}
	if wait := s.evaluateFrom.Sub(s.svc.deps.Clock.Now()); wait > 0 {
		internal.Schedule(s.alert.Key(), wait)
		return nil
	}
	after := s.published
	s.alert.Elapse(alert.ReadingOf(&after, false))
	if after.Alert = s.alert.Alert(); !alert.Same(after.Alert, s.published.Alert) {
		s.put(after)
	}
	return nil
}
