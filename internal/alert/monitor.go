package alert

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/wire"
)

// A Reading is how a source is.
type Reading struct {
	OK     bool            // its value is fresh
	Failed bool            // its value is stale, or it never had one although it was polled
	Never  bool            // it never had a value
	Polled bool            // it is so by a poll or a message, rather than by the time
	Value  json.RawMessage // nil: there is none
	Error  *string         // why it failed
}

// ReadingOf is how the source of a snapshot is, for which it was polled or not.
func ReadingOf(snap *wire.Source, polled bool) Reading {
	return Reading{
		OK:     snap.State == wire.SourceOK,
		Failed: snap.State == wire.SourceStale || snap.State == wire.SourceFailing,
		Never:  snap.UpdatedAt == nil,
		Polled: polled,
		Value:  snap.Value,
		Error:  snap.Error,
	}
}

// A Monitor is the alert of one source. A nil Monitor is always clear.
type Monitor struct {
	service *Service
	alert   *config.Alert
	subject Subject
	changed func()

	// The fields below are guarded by the mutex of the Service.

	entry *entry // nil: it has not begun
	begun time.Time
	state state
}

// A state is the status of the alert of a source and what it takes to go on from there. The zero value is clear: its word
// is empty.
type state struct {
	status

	began    time.Time // since when it holds, by the monotonic clock
	clearing time.Time // while firing: since when it may be over; zero: it may not
	polls    int       // while pending: on how many polls in a row it held
	resumed  bool      // it is that of the process before, and no value has come since
}

// same reports whether two states are the same, but for how many polls led there.
func (s *state) same(t *state) bool {
	return s.word == t.word && s.since == t.since && s.clearing.Equal(t.clearing) && s.resumed == t.resumed &&
		(s.err == nil) == (t.err == nil) && (s.err == nil || *s.err == *t.err)
}

// Monitor returns the alert of a source, clear at first; nil if alert is nil. Changed, which may be nil, is called when
// [Monitor.Alert] is another one although the Monitor was told nothing: for a silence, or as it was acknowledged.
func (s *Service) Monitor(of Subject, alert *config.Alert, changed func()) *Monitor {
	if alert == nil {
		return nil
	}
	return &Monitor{service: s, alert: alert, subject: of, changed: changed}
}

// A Key is the key of the task that calls [Monitor.Elapse], by the key of the subject. The maker of the Monitor adds that
// task to the scheduler, and the Monitor schedules it.
type Key string

// Key is the key of the Monitor's task.
func (m *Monitor) Key() Key { return Key(m.subject.Key) }

// Alert is the state of the alert now, nil if it is clear. It must not be modified, and is another one when it changes.
func (m *Monitor) Alert() *wire.Alert {
	if m == nil {
		return nil
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	if m.entry == nil {
		return nil
	}
	return m.entry.shown
}

// beginLocked has m be at work.
func (m *Monitor) beginLocked() {
	if m.entry != nil {
		return
	}
	s := m.service
	m.begun = s.deps.Clock.Now()
	m.entry = s.entryLocked(m.subject)
	m.entry.changed, m.entry.when, m.entry.holds = m.changed, textOf(m.alert.If), m.alert.For
	s.ownLocked(m.entry, m, m.alert.Severity, m.alert.Repeat, m.alert.Notify)
}

// Transition brings the alert to what the source is now, and what its conditions say about its value. A failed poll
// says nothing about conditions of the value; an alert without conditions is about failed polls.
func (m *Monitor) Transition(r Reading, e Evaluation) {
	if m == nil {
		return
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	m.transitionLocked(r, e)
}

func (m *Monitor) transitionLocked(r Reading, e Evaluation) {
	switch {
	case m.alert.If == nil:
		e = Evaluation{holds: r.Failed, over: !r.Failed}
	case !r.OK:
		return
	}
	m.beginLocked()
	before := m.state
	m.entry.reading = r
	m.state = m.after(&before, r, e)
	m.scheduleLocked(r)
	if m.state.same(&before) {
		return
	}
	if m.state.err != nil && before.err == nil {
		m.service.deps.Log.Warn("alert condition failed", "source", m.subject.Name, "err", cmp.Or(e.err, e.unclear))
	}
	m.service.setStatusLocked(m.entry, m.state.current())
}

// current returns a copy of the status, nil if that is clear.
func (s *state) current() *status {
	if s.word == "" {
		return nil
	}
	return new(s.status)
}

// after returns the state after before, now that the conditions are as e says.
func (m *Monitor) after(before *state, r Reading, e Evaluation) state {
	now := m.service.deps.Clock.Now()
	begin := func(word string) state {
		return state{status: status{word: word, since: m.service.deps.Clock.People(now)}, began: now}
	}
	switch {
	case e.err != nil:
		text := "alert: " + e.err.Error()
		after := *before // it may hold still
		if after.resumed = false; after.word == "" {
			after = begin(wire.AlertUnknown)
		}
		after.err, after.clearing, after.polls = &text, time.Time{}, 0
		return after
	case !e.holds && !before.firing():
		return state{}
	case !e.holds:
		return m.afterFiring(before, e, now)
	}
	after := state{status: status{word: before.word, since: before.since}, began: before.began, polls: before.polls}
	if before.word == "" || before.word == wire.AlertUnknown {
		after = begin(wire.AlertPending)
	}
	if r.Polled {
		after.polls = min(after.polls+1, max(1, m.alert.After))
	}
	if in, ok := m.readyIn(&after, r, now); ok && in <= 0 {
		after.word = wire.AlertFiring
	}
	return after
}

// readyIn returns after what time an alert that is pending fires, and reports whether that depends on the time alone.
func (m *Monitor) readyIn(is *state, r Reading, now time.Time) (in time.Duration, ok bool) {
	in = m.alert.For - now.Sub(is.began)
	if m.alert.If == nil && r.Never {
		in = max(in, m.alert.Grace-now.Sub(m.begun))
	}
	return in, m.alert.After <= 1 || is.polls >= m.alert.After
}

// afterFiring returns the state of an alert that is firing although its condition does not hold any more.
func (m *Monitor) afterFiring(before *state, e Evaluation, now time.Time) state {
	after := state{status: status{word: wire.AlertFiring, since: before.since}, began: before.began}
	if e.unclear != nil {
		text := "alert: clear: " + e.unclear.Error()
		after.err = &text
	}
	if !e.over {
		return after
	}
	if after.clearing = before.clearing; after.clearing.IsZero() {
		after.clearing = now
	}
	if now.Sub(after.clearing) >= m.alert.ClearFor {
		return state{}
	}
	return after
}

// scheduleLocked has the task run when the conditions have held for long enough. A run that was scheduled before and is
// not wanted any more does nothing.
func (m *Monitor) scheduleLocked(r Reading) {
	now := m.service.deps.Clock.Now()
	switch is := &m.state; {
	case is.word == wire.AlertPending:
		if in, ok := m.readyIn(is, r, now); ok {
			m.scheduleIn(in)
		}
	case !is.clearing.IsZero():
		m.scheduleIn(m.alert.ClearFor - now.Sub(is.clearing))
	}
}

// scheduleIn has the Monitor's task run after a time.
func (m *Monitor) scheduleIn(wait time.Duration) {
	m.service.deps.Scheduler.Schedule(m.Key(), max(0, wait))
}

// Elapse is called when the time of the Monitor's task has come: a pending alert fires, a firing one is clear. It does
// nothing if it is not known any more whether the conditions hold: the next value decides.
func (m *Monitor) Elapse(r Reading) {
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	is := &m.state
	if is.resumed || is.err != nil || is.word != wire.AlertPending && is.clearing.IsZero() {
		return
	}
	r.Polled = false
	pending := is.word == wire.AlertPending
	m.transitionLocked(r, Evaluation{holds: pending, over: !pending})
}

// TakeOver has m continue in the state of before, whose definition it replaces, until the next value decides. But an
// alert that is pending by another condition is clear. Without m, before ends.
func (m *Monitor) TakeOver(before *Monitor) {
	if m == nil {
		before.End("")
		return
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	m.beginLocked()
	if before != nil && before.entry != nil {
		m.begun = before.begun
		is := before.state
		same := config.Same(m.alert.If, before.alert.If)
		if is.word == wire.AlertPending && !same {
			is = state{}
		}
		if !same || !config.Same(m.alert.Clear, before.alert.Clear) {
			is.clearing = time.Time{}
		}
		m.state = is
		m.scheduleLocked(m.entry.reading)
	}
	m.service.setStatusLocked(m.entry, m.state.current())
}

// Resume has m, the monitor of a source that is new in this process, go on where the process before it was, until the next
// value decides: an alert that is pending or fires does so since then, and is not told again; what was not told is. A
// pending alert whose condition is another one now is clear.
func (m *Monitor) Resume() {
	if m == nil {
		return
	}
	s := m.service
	s.mu.Lock()
	defer s.mu.Unlock()
	m.beginLocked()
	r, ok := s.takeLeftLocked(m.entry)
	if !ok {
		return
	}
	sameIf := r.If == textOf(m.alert.If)
	if r.Alert != nil && (sameIf || r.Alert.State != wire.AlertPending) {
		is := state{status: *statusOf(r.Alert), began: s.monotonic(*r.Alert.Since), polls: r.Polls, resumed: true}
		if r.Clearing != nil && sameIf && r.Clear == textOf(m.alert.Clear) {
			is.clearing = s.monotonic(*r.Clearing)
		}
		m.state = is
	}
	s.resumeLocked(m.entry, r, m.state.current())
}

// removed is why an alert is over that is not configured any more.
const removed = "the alert is not configured any more"

// End ends the alert, whose source is gone, or has no alert any more; why says why, and is empty if that is so by the configuration.
// A receiver that knows that it fires is told that it is over.
func (m *Monitor) End(why string) {
	if m == nil {
		return
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	m.service.endLocked(m.entry, m, cmp.Or(why, removed))
}

// Same reports whether two states of alerts say the same.
func Same(a, b *wire.Alert) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.State != b.State || a.Severity != b.Severity || a.Reason != b.Reason || a.Run != b.Run ||
		!a.Since.Equal(*b.Since) || (a.Error == nil) != (b.Error == nil) {
		return false
	}
	return (a.Error == nil || *a.Error == *b.Error) && equal(a.Silenced, b.Silenced) && equal(a.Acknowledged, b.Acknowledged)
}

// equal reports whether two pointers lead to the same.
func equal[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
