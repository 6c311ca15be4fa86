package alert

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/clock"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/text"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A JobMonitor is the alert of one job. A nil JobMonitor is always clear, and all of its methods do nothing.
type JobMonitor struct {
	service *Service
	alert   *config.JobAlert
	subject Subject

	entry *entry // guarded by the mutex of the Service; nil: it has not begun
}

// Job returns the alert of a job, clear at first; nil if alert is nil.
func (s *Service) Job(of Subject, alert *config.JobAlert) *JobMonitor {
	if alert == nil {
		return nil
	}
	return &JobMonitor{service: s, alert: alert, subject: of}
}

// lock takes the mutex, has m be at work, and returns what gives it back.
func (m *JobMonitor) lock() (unlock func()) {
	s := m.service
	s.mu.Lock()
	if m.entry == nil {
		m.entry = s.entryLocked(m.subject)
		m.entry.changed = nil
		s.ownLocked(m.entry, m, m.alert.Severity, m.alert.Repeat, m.alert.Notify)
	}
	return s.mu.Unlock
}

// Ended tells that a run has ended: one that succeeded resolves the alert, unless it warned and the alert fires on that; one
// that was cancelled changes nothing. Of a run that it was told of last it may be told again.
func (m *JobMonitor) Ended(run wire.Run) {
	if m == nil || run.FinishedAt == nil {
		return
	}
	defer m.lock()()
	now := seen{Run: run.ID, Finished: *run.FinishedAt}
	if m.entry.seen.Run == now.Run && m.entry.seen.Finished.Equal(now.Finished) {
		return
	}
	m.entry.seen = now
	switch run.Status {
	case progress.StatusSucceeded:
		if run.Warned && slices.Contains(m.alert.On, config.ReasonWarned) {
			m.fireLocked(config.ReasonWarned, run.ID, run.FinishedAt, warningOf(run))
			break
		}
		m.entry.reading = Reading{}
		if m.entry.status != nil {
			m.service.setStatusLocked(m.entry, nil)
		}
	case progress.StatusFailed:
		m.fireLocked(config.ReasonFailed, run.ID, run.FinishedAt, whyOf(run))
	case progress.StatusTimedOut:
		m.fireLocked(config.ReasonTimedOut, run.ID, run.FinishedAt, whyOf(run))
	case progress.StatusLost:
		m.fireLocked(config.ReasonLost, run.ID, run.FinishedAt, run.Error)
	}
	m.service.saveLocked(m.entry, false)
}

// Passed tells of a run that has succeeded, while others of the job have not: the alert stays as it is.
func (m *JobMonitor) Passed(run wire.Run) {
	if m == nil || run.FinishedAt == nil {
		return
	}
	defer m.lock()()
	m.entry.seen = seen{Run: run.ID, Finished: *run.FinishedAt}
	m.service.saveLocked(m.entry, false)
}

// whyOf is why a run did not succeed, and the last that it said: an exit status alone tells people nothing.
func whyOf(run wire.Run) *string {
	said := text.Cut(run.Said(), 200)
	if run.Error == nil || said == "" || strings.Contains(*run.Error, said) || strings.Contains(said, *run.Error) {
		return run.Error
	}
	return new(*run.Error + ": " + said)
}

// warningOf is the exit code that is a warning, and the last that the run said.
func warningOf(run wire.Run) *string {
	why := "a warning"
	if run.ExitCode != nil {
		why = "exit status " + strconv.Itoa(*run.ExitCode)
	}
	if said := text.Cut(run.Said(), 200); said != "" {
		why += ": " + said
	}
	return &why
}

// Slow tells that a run has been at work for slow_after.
func (m *JobMonitor) Slow(run wire.Run) {
	if m == nil {
		return
	}
	defer m.lock()()
	why := "it has been at work for more than " + clock.Words(m.alert.SlowAfter)
	m.fireLocked(config.ReasonSlow, run.ID, nil, &why)
}

// Missed tells that a run that was due by the schedule at a time did not begin, and why.
func (m *JobMonitor) Missed(at time.Time, why string) {
	if m == nil {
		return
	}
	defer m.lock()()
	at = at.UTC().Truncate(time.Millisecond)
	m.fireLocked(config.ReasonMissed, "", &at, &why)
}

// fireLocked has the alert fire for a reason, if it is one of those that are configured. It does so since the given time,
// nil for now, unless it fires already.
func (m *JobMonitor) fireLocked(reason config.Reason, run string, since *time.Time, why *string) {
	if !slices.Contains(m.alert.On, reason) {
		return
	}
	s := m.service
	if m.entry.status.firing() {
		since = m.entry.status.since
	}
	m.entry.reading = Reading{Error: why}
	s.setStatusLocked(m.entry, &status{
		word: wire.AlertFiring, since: cmp.Or(since, s.deps.Clock.People(s.deps.Clock.Now())), reason: string(reason), run: run,
	})
}

// keptLocked returns the status that is becomes now that m defines the alert: clear if its reason is not configured any more.
func (m *JobMonitor) keptLocked(is *status) *status {
	if is != nil && !slices.Contains(m.alert.On, config.Reason(is.reason)) {
		return nil
	}
	return is
}

// TakeOver has m continue in the state of before, whose definition it replaces. Without m, before ends.
func (m *JobMonitor) TakeOver(before *JobMonitor) {
	if m == nil {
		before.End()
		return
	}
	defer m.lock()()
	m.service.setStatusLocked(m.entry, m.keptLocked(m.entry.status))
}

// Resume has m, the monitor of a job that is new in this process, go on where the process before it was.
func (m *JobMonitor) Resume() {
	if m == nil {
		return
	}
	defer m.lock()()
	r, ok := m.service.takeLeftLocked(m.entry)
	if !ok {
		return
	}
	m.service.resumeLocked(m.entry, r, m.keptLocked(statusOf(r.Alert)))
}

// End ends the alert, whose job is not configured any more, or has no alert any more. A receiver that knows that it fires
// is told that it is over.
func (m *JobMonitor) End() {
	if m == nil {
		return
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	m.service.endLocked(m.entry, m, removed)
}

// Alert is the state of the alert now, nil if it is clear. It must not be modified.
func (m *JobMonitor) Alert() *wire.Alert {
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

// Seen returns the newest end that [JobMonitor.Ended] was told of, in this process or one before: a run, and when it
// finished. Without one, it returns zero values.
func (m *JobMonitor) Seen() (run string, finished time.Time) {
	if m == nil {
		return "", time.Time{}
	}
	m.service.mu.Lock()
	defer m.service.mu.Unlock()
	if m.entry == nil {
		return "", time.Time{}
	}
	return m.entry.seen.Run, m.entry.seen.Finished
}
