package alert

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/secret"
	"github.com/tidewire/tidewire/internal/wire"
)

// A Subject is what an alert is about.
type Subject struct {
	Key      string           // of the source or the job, as [wire.SourceKey] has it: unique
	Upstream string           // that it belongs to; empty: none
	Name     string           // of the source: unique
	Title    string           // for people
	Headline string           // the member of its value that people are shown first; empty: the only one, or all of it
	Secrets  *secret.Redactor // what errors of conditions do not show
}

// A Reading is how a source is.
type Reading struct {
	OK     bool            // its value is fresh
	Failed bool            // its value is stale, or it never had one although it was polled
	Value  json.RawMessage // nil: there is none
	Error  *string         // why it failed
}

// ReadingOf is how the source of a snapshot is.
func ReadingOf(snap *wire.Source) Reading {
	return Reading{
		OK:     snap.State == wire.SourceOK,
		Failed: snap.State == wire.SourceStale || snap.State == wire.SourceFailing,
		Value:  snap.Value,
		Error:  snap.Error,
	}
}

// A Monitor is the alert of one source. A nil Monitor is always clear.
type Monitor struct {
	service *Service
	alert   *config.Alert
	subject Subject
	state   *state // nil: clear
}

// A state is that of an alert which is not clear. It is not changed, but replaced.
type state struct {
	wire.Alert

	began    time.Time // Since by the monotonic clock
	clearing time.Time // while firing: since when it may be over; zero: it may not
	resumed  bool      // it is that of the process before, and no value has come since
}

func (s *state) firing() bool { return s != nil && s.State == wire.AlertFiring }
func (s *state) failed() bool { return s != nil && s.Error != nil }

// Monitor returns the alert of a source, clear at first; nil if alert is nil.
func (s *Service) Monitor(of Subject, alert *config.Alert) *Monitor {
	if alert == nil {
		return nil
	}
	return &Monitor{service: s, alert: alert, subject: of}
}

// A Key is the key of the task that calls [Monitor.Elapse], by the source's name. Whoever made the Monitor adds that
// task to the scheduler, and the Monitor schedules it.
type Key string

// Key is the key of the Monitor's task.
func (m *Monitor) Key() Key { return Key(m.subject.Name) }

// Alert is the state of the alert now, nil if it is clear. It must not be modified.
func (m *Monitor) Alert() *wire.Alert {
	if m == nil || m.state == nil {
		return nil
	}
	return &m.state.Alert
}

// Transition brings the alert to what the source is now, and what its conditions say about its value. A failed poll
// says nothing about conditions of the value; an alert without conditions is about failed polls.
func (m *Monitor) Transition(r Reading, e Evaluation) {
	switch {
	case m == nil:
		return
	case m.alert.If == nil:
		e = Evaluation{holds: r.Failed, over: !r.Failed}
	case !r.OK:
		return
	}
	m.transition(r, e)
}

func (m *Monitor) transition(r Reading, e Evaluation) {
	before := m.state
	m.state = m.after(before, e)
	m.schedule()
	log := m.service.deps.Log.With("source", m.subject.Name)
	if m.state.failed() && !before.failed() {
		log.Warn("alert condition failed", "err", cmp.Or(e.err, e.unclear))
	}
	switch is, was := m.state.firing(), before.firing(); {
	case is && !was:
		log.Warn("alert firing")
		m.service.deps.Changed(m.subject.Name, Firing)
		m.deliver(Firing, r, m.state.Since)
	case was && !is:
		log.Info("alert resolved")
		m.service.deps.Changed(m.subject.Name, Resolved)
		m.deliver(Resolved, r, before.Since)
	}
	if !sameState(before, m.state) {
		m.service.save(m.subject.Name, m.state.firing() != before.firing())
	}
}

// after returns the state after before, now that the conditions are as e says.
func (m *Monitor) after(before *state, e Evaluation) *state {
	now := m.service.deps.Clock.Now()
	begin := func(word string) *state {
		return &state{Alert: wire.Alert{State: word, Severity: wire.SeverityWarning, Since: m.service.deps.Clock.People(now)}, began: now}
	}
	switch {
	case e.err != nil:
		text := "alert: " + e.err.Error()
		after := begin(wire.AlertUnknown)
		if before != nil {
			*after = *before // what is unknown is not clear
			after.resumed = false
		}
		after.Error, after.clearing = &text, time.Time{}
		return after
	case !e.holds && !before.firing():
		return nil
	case !e.holds:
		return m.afterFiring(before, e, now)
	case before == nil || before.State == wire.AlertUnknown:
		before = begin(wire.AlertPending)
	}
	after := state{Alert: wire.Alert{State: before.State, Severity: before.Severity, Since: before.Since}, began: before.began}
	if now.Sub(after.began) >= m.alert.For {
		after.State = wire.AlertFiring
	}
	return &after
}

// afterFiring returns the state of an alert that is firing although its condition does not hold any more.
func (m *Monitor) afterFiring(before *state, e Evaluation, now time.Time) *state {
	after := state{Alert: wire.Alert{State: wire.AlertFiring, Severity: before.Severity, Since: before.Since}, began: before.began}
	if e.unclear != nil {
		text := "alert: clear: " + e.unclear.Error()
		after.Error = &text
	}
	if !e.over {
		return &after
	}
	if after.clearing = before.clearing; after.clearing.IsZero() {
		after.clearing = now
	}
	if now.Sub(after.clearing) >= m.alert.ClearFor {
		return nil
	}
	return &after
}

// schedule has the task run when the conditions have held for long enough. A run that was scheduled before and is not
// wanted any more does nothing.
func (m *Monitor) schedule() {
	switch is := m.state; {
	case is == nil:
	case is.State == wire.AlertPending:
		m.in(m.alert.For - m.service.deps.Clock.Now().Sub(is.began))
	case !is.clearing.IsZero():
		m.in(m.alert.ClearFor - m.service.deps.Clock.Now().Sub(is.clearing))
	}
}

func (m *Monitor) in(wait time.Duration) { m.service.deps.Scheduler.Schedule(m.Key(), max(0, wait)) }

// Elapse is called when the time of the Monitor's task has come: a pending alert fires, a firing one is clear. It
// reports whether that has changed the state. It does nothing if it is not known any more whether the conditions hold:
// the next value decides.
func (m *Monitor) Elapse(r Reading) (changed bool) {
	is := m.state
	if is == nil || is.resumed || is.Error != nil || is.State != wire.AlertPending && is.clearing.IsZero() {
		return false
	}
	pending := is.State == wire.AlertPending
	m.Transition(r, Evaluation{holds: pending, over: !pending})
	return m.state == nil || m.state.State != is.State
}

// TakeOver has m continue in the state of before, whose definition it replaces, until the next value decides. But an
// alert that is pending by another condition is clear.
func (m *Monitor) TakeOver(before *Monitor) {
	if m == nil || m.service != nil && m.service.keeper != nil {
		defer m.takenOver(before)
	}
	if m == nil || before == nil || before.state == nil {
		return
	}
	is := *before.state
	same := config.Same(m.alert.If, before.alert.If)
	if is.State == wire.AlertPending && !same {
		return
	}
	if !same || !config.Same(m.alert.Clear, before.alert.Clear) {
		is.clearing = time.Time{}
	}
	m.state = &is
	m.schedule()
}

// takenOver has what is kept be that of m, which may be nil, instead of that of before.
func (m *Monitor) takenOver(before *Monitor) {
	if m == nil {
		before.End()
		return
	}
	m.service.keeper.monitors[m.subject.Name] = m
	m.service.save(m.subject.Name, false)
}

// Same reports whether two states of alerts say the same.
func Same(a, b *wire.Alert) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a.State != b.State || !a.Since.Equal(*b.Since) || (a.Error == nil) != (b.Error == nil) {
		return false
	}
	return a.Error == nil || *a.Error == *b.Error
}
