package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/smartpoll"
)

var (
	// ErrNoSilence is returned by [Service.EndSilence] if no silence has that ID, or it has ended.
	ErrNoSilence = errors.New("there is no such silence")
	// ErrTooManySilences is wrapped by the error of [Service.Silence] if there are 1000.
	ErrTooManySilences = errors.New("there are too many silences")
	// ErrNotFiring is returned by [Service.Acknowledge] if the alert does not fire, or does not exist.
	ErrNotFiring = errors.New("the alert does not fire")
)

const (
	// maxSilences is how many there may be at once.
	maxSilences = 1000
	// recheckSilences is how often silences and quiet times are compared with the clock, besides the times at which they
	// begin and end: the clock may be set.
	recheckSilences = time.Minute
	// silenceKey precedes the ID of a silence in the key of its record.
	silenceKey = "silence/"
)

// silencesKey is the key of the task that has silences end, and quiet times begin and end.
type silencesKey struct{}

// Silence keeps receivers from being told of what in.Of says, until in.Until. It sets Since, and the ID unless there is one.
func (s *Service) Silence(in wire.Silence) (wire.Silence, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.silences) >= maxSilences {
		return wire.Silence{}, fmt.Errorf("%w: end some of these %d first", ErrTooManySilences, maxSilences)
	}
	in.ID = cmp.Or(in.ID, strings.ToLower(rand.Text()[:12]))
	in.Since, in.Until = s.deps.Clock.Wall().UTC().Truncate(time.Millisecond), in.Until.UTC()
	s.silences[in.ID] = &in
	s.keepSilenceLocked(&in)
	s.deps.Log.Info("silence begun", "silence", in.ID, "of", in.Of, "until", in.Until, "by", in.By, "reason", in.Reason)
	s.applySilencesLocked()
	s.deps.ListChanged()
	return in, nil
}

// EndSilence ends a silence before its time, for somebody. The error is [ErrNoSilence].
func (s *Service) EndSilence(id, by string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silences[id] == nil {
		return ErrNoSilence
	}
	s.deps.Log.Info("silence ended", "silence", id, "of", s.silences[id].Of, "by", by)
	s.forgetSilenceLocked(id)
	s.applySilencesLocked()
	s.deps.ListChanged()
	return nil
}

// Silences returns all that have not ended, the oldest first, and among them the quiet times of the configuration that have
// begun, which have no ID.
func (s *Service) Silences() []wire.Silence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silencesLocked()
}

func (s *Service) silencesLocked() []wire.Silence {
	all := append(make([]wire.Silence, 0, len(s.silences)+len(s.quietNow)), s.quietNow...)
	for _, one := range s.silences {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b wire.Silence) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Acknowledge notes that somebody has acknowledged the alert of a key, and returns that: it is not repeated until it fires the
// next time. The error is [ErrNotFiring].
func (s *Service) Acknowledge(key, by, reason string) (wire.AlertObject, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e == nil || e.episode == nil {
		return wire.AlertObject{}, ErrNotFiring
	}
	e.acked = &wire.Acknowledged{At: *s.deps.Clock.People(s.deps.Clock.Now()), By: by, Reason: reason}
	s.deps.Log.Info("alert acknowledged", e.attr(), "by", by, "reason", reason)
	s.showLocked(e)
	for _, box := range e.outboxes {
		box.withdrawRepeat()
		s.enlistLocked(box)
	}
	s.saveLocked(e, true)
	e.tellOwner()
	s.deps.ListChanged()
	now := s.objectLocked(e)
	sortTold(now.Told)
	return now, nil
}

// SetQuiet tells which quiet times are configured.
func (s *Service) SetQuiet(all []*config.Quiet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet = all
	s.applySilencesLocked()
}

// ClockSet tells that the wall clock was set: silences and quiet times go by it.
func (s *Service) ClockSet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applySilencesLocked()
}

// tellOwner calls the func given to [Service.Monitor]: the alert is another one, though its Monitor was told nothing.
func (e *entry) tellOwner() {
	if e.changed != nil {
		e.changed()
	}
}

// silencedLocked returns why an alert is silenced now, nil if it is not: that which lasts longest.
func (s *Service) silencedLocked(e *entry) *wire.Silenced {
	if len(s.inEffect) == 0 {
		return nil
	}
	return silencedBy(s.inEffect, e.subject, s.deps.Clock.Wall())
}

// applySilencesLocked applies the current silences and quiet times to all alerts, and has that done again when one begins
// or ends.
func (s *Service) applySilencesLocked() {
	now := s.deps.Clock.Wall()
	for id, one := range s.silences {
		if !one.Until.After(now) {
			s.deps.Log.Info("silence is over", "silence", id, "of", one.Of)
			s.forgetSilenceLocked(id)
			s.deps.ListChanged()
		}
	}
	if quiet := quietNow(s.quiet, now); !slices.Equal(quiet, s.quietNow) {
		s.quietNow = quiet
		s.deps.ListChanged()
	}
	s.inEffect = inEffect(s.silencesLocked(), now)
	for _, e := range s.entries {
		is := silencedBy(s.inEffect, e.subject, now)
		if equal(is, e.silenced) {
			continue
		}
		was := e.silenced
		e.silenced = is
		s.silencedChangedLocked(e, was)
	}
	s.scheduleSilencesLocked(now)
}

// silencedChangedLocked is called when an alert is silenced that was not, the reverse, or for another reason.
func (s *Service) silencedChangedLocked(e *entry, was *wire.Silenced) {
	s.showLocked(e)
	if e.silenced == nil {
		for _, box := range e.outboxes {
			if n := box.tried(); n != nil {
				n.batch.failed = time.Time{} // it was not tried for a while
			}
		}
	}
	s.reconcileLocked(e, was != nil && e.silenced == nil)
	s.saveLocked(e, false)
	if e.shown != nil {
		e.tellOwner()
		s.deps.ListChanged()
	}
}

// scheduleSilencesLocked has silences and quiet times be applied again in time, if there are any.
func (s *Service) scheduleSilencesLocked(now time.Time) {
	if len(s.silences) == 0 && len(s.quiet) == 0 {
		if s.tasked {
			s.tasked = false
			s.deps.Scheduler.Remove(silencesKey{})
		}
		return
	}
	if !s.tasked {
		look := func(context.Context) (smartpoll.TaskHook, error) {
			return func(context.Context, *smartpoll.Internal) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.tasked {
					s.applySilencesLocked()
				}
				return nil
			}, nil
		}
		if err := s.deps.Scheduler.Add(silencesKey{}, look); err != nil {
			panic("alert: " + err.Error()) // there is no other
		}
		s.tasked = true
	}
	in := recheckSilences
	for _, one := range s.silences {
		in = min(in, one.Until.Sub(now))
	}
	if at := nextQuiet(s.quiet, now); !at.IsZero() {
		in = min(in, at.Sub(now))
	}
	s.deps.Scheduler.Schedule(silencesKey{}, max(0, in))
}

// keepSilenceLocked keeps a silence beyond the process.
func (s *Service) keepSilenceLocked(one *wire.Silence) {
	if s.keeper != nil {
		data, _ := json.Marshal(one) // texts and times encode
		s.keeper.store.Keep(silenceKey+one.ID, data, true)
	}
}

// forgetSilenceLocked ends a silence.
func (s *Service) forgetSilenceLocked(id string) {
	delete(s.silences, id)
	if s.keeper != nil {
		s.keeper.store.Keep(silenceKey+id, nil, true)
	}
}

// silenceID returns the ID of the silence whose record has that key, if it is one.
func silenceID(key string) (id string, ok bool) { return strings.CutPrefix(key, silenceKey) }

// SilenceUntil returns until when the silence lasts whose record that is, if it is one.
func SilenceUntil(key string, data []byte) (until time.Time, ok bool) {
	one, err := parseSilence(key, data)
	if err != nil {
		return until, false
	}
	return one.Until, true
}
