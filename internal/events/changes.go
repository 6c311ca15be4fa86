package events

import (
	"fmt"
	"time"

	"github.com/tidewire/tidewire/internal/archive"
	"github.com/tidewire/tidewire/internal/clock"
)

const (
	// calmAfter is the time over which the changes of one thing are counted.
	calmAfter = 10 * time.Minute
	// maxChanges is how many of them are events of their own.
	maxChanges = 10
	// maxWindows bounds the things whose changes are counted: upstreams choose the names of rows.
	maxWindows = 10_000
)

// A subject is whose changes are counted together: a source or a job.
type subject struct{ kind, source, job string }

// A window counts the changes of a subject.
type window struct {
	since time.Time // of the first, by the monotonic clock
	all   int
	last  change // the newest
}

// A change is the data of a [State] or an [Alert].
type change struct {
	State  string  `json:"state"`            // since then
	Before string  `json:"before,omitempty"` // until then; empty: it is not told
	Error  *string `json:"error,omitempty"`  // why
	Reason string  `json:"reason,omitempty"` // of the alert of a job: why it fires
	More   int     `json:"more,omitempty"`   // of an event that tells of many changes: how many
}

// SourceChanged records that a source changed its state, and why if it is not ok.
func (j *Journal) SourceChanged(source, before, state string, why *string) {
	j.changed(subject{State, source, ""}, change{State: state, Before: before, Error: briefError(why)})
}

// AlertChanged records that the alert of a source or a job, whose name is given, began to fire, fires for another reason, or is
// resolved. Reason is that of a job.
func (j *Journal) AlertChanged(source, job, state, reason string) {
	j.changed(subject{Alert, source, job}, change{State: state, Reason: reason})
}

// briefError bounds the error of a change; nil: there is none.
func briefError(s *string) *string {
	if s == nil {
		return nil
	}
	return new(brief(*s))
}

// changed records a change, unless there were too many of that subject.
func (j *Journal) changed(of subject, c change) {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := j.flapped[of]
	now := j.deps.Clock.Now()
	if w != nil && now.Sub(w.since) >= calmAfter {
		j.reportLocked(of, w)
		w = nil
	}
	if w == nil {
		if len(j.flapped) >= maxWindows {
			j.makeRoomLocked()
		}
		w = &window{since: now}
		j.flapped[of] = w
	}
	w.all, w.last = w.all+1, c
	if w.all > maxChanges {
		return
	}
	said := c.State
	if c.Reason != "" {
		said += ": " + c.Reason
	}
	if c.Error != nil {
		said += ": " + *c.Error
	}
	j.addLocked(archive.Event{Kind: of.kind, Source: of.source, Job: of.job, Text: said}, c)
}

// makeRoomLocked ends a window, one of which nothing is to be told if there is any.
func (j *Journal) makeRoomLocked() {
	for of, w := range j.flapped {
		if w.all <= maxChanges {
			delete(j.flapped, of)
			return
		}
	}
	for of, w := range j.flapped {
		j.reportLocked(of, w)
		return
	}
}

// Report records how many changes were not recorded, of the windows that are over by now. It is to be called about once
// a second.
func (j *Journal) Report() { j.report(false) }

// report is Report, for all windows if all is true.
func (j *Journal) report(all bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for of, w := range j.flapped {
		if all || j.deps.Clock.Now().Sub(w.since) >= calmAfter {
			j.reportLocked(of, w)
		}
	}
}

// reportLocked ends a window.
func (j *Journal) reportLocked(of subject, w *window) {
	delete(j.flapped, of)
	if more := w.all - maxChanges; more > 0 {
		w.last.More, w.last.Before = more, ""
		within := j.deps.Clock.Now().Sub(w.since).Round(time.Second)
		j.addLocked(archive.Event{
			Kind: of.kind, Source: of.source, Job: of.job,
			Text: fmt.Sprintf("%d more changes within %s, now %s", more, clock.Words(within), w.last.State),
		}, w.last)
	}
}
