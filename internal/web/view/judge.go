package view

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A Badge is the one thing that is said about a source or a job: a glyph and a colour, by its state, and a word.
type Badge struct {
	State string `json:"state"`
	Word  string `json:"word"`
	Rank  int    `json:"rank"`  // smaller is worse
	Needs bool   `json:"needs"` // it needs attention
}

// What a source shows.
var (
	alerting     = Badge{"alert", "alert", 0, true}
	failing      = Badge{"failing", "failing", 1, true}
	stale        = Badge{"stale", "stale", 3, true}
	unknown      = Badge{"unknown", "alert unknown", 4, true}
	acknowledged = Badge{"acknowledged", "acknowledged", 5, true}
	pending      = Badge{"pending", "alert soon", 6, false}
	silenced     = Badge{"silenced", "silenced", 7, false}
	waiting      = Badge{"waiting", "first poll", 9, false}
	unsent       = Badge{"waiting", "first value", 9, false} // nobody polls it
	ok           = Badge{"ok", "ok", 10, false}
)

// Judge says what a source shows. An alert outranks how the source is; a silence takes it back.
func Judge(s wire.Source) Badge {
	a := s.Alert
	fires := a != nil && a.State == wire.AlertFiring
	switch {
	case fires && a.Silenced == nil && a.Acknowledged == nil:
		return alerting
	case s.State == wire.SourceFailing:
		return failing
	case s.State == wire.SourceStale:
		return stale
	case a != nil && a.State == wire.AlertUnknown:
		return unknown
	case fires && a.Silenced == nil:
		return acknowledged
	case fires:
		return silenced
	case a != nil && a.State == wire.AlertPending:
		return pending
	case s.State == wire.SourcePending && !polled(s):
		return unsent
	case s.State == wire.SourcePending:
		return waiting
	}
	return ok
}

var statuses = map[progress.Status]Badge{
	progress.StatusRunning:    {"running", "running", 9, false},
	progress.StatusCancelling: {"running", "cancelling", 9, false},
	progress.StatusQueued:     {"queued", "queued", 9, false},
	progress.StatusSucceeded:  {"ok", "succeeded", 10, false},
	progress.StatusFailed:     {"failing", "failed", 2, true},
	progress.StatusTimedOut:   {"timed_out", "timed out", 2, true},
	progress.StatusLost:       {"lost", "lost", 2, true},
	progress.StatusCancelled:  {"cancelled", "cancelled", 9, false},
	wire.StatusWarned:         warned,
}

var (
	warned = Badge{"warned", "warned", 8, false}
	idle   = Badge{"idle", "never ran", 9, false}
)

// JudgeRun says what a run shows.
func JudgeRun(status progress.Status, isWarned bool) Badge {
	if isWarned {
		return warned
	}
	if b, ok := statuses[status]; ok {
		return b
	}
	return idle
}

// JudgeJob says what a job shows: how its newest run is, unless its alert is about something else.
func JudgeJob(j wire.JobObject) Badge {
	b := idle
	if j.LastRun != nil {
		b = JudgeRun(j.LastRun.Status, j.LastRun.Warned)
	}
	if a := j.Alert; a != nil && a.State == wire.AlertFiring && !b.Needs {
		switch {
		case a.Silenced != nil:
			return silenced
		case a.Acknowledged != nil:
			return acknowledged
		}
		return alerting
	}
	return b
}

// Cause says why a source is in the state that it shows, before anything about the request.
func (l Look) Cause(s wire.Source) string {
	a := s.Alert
	switch Judge(s).State {
	case "alert", "acknowledged", "silenced":
		if a.If == "" {
			return Sentence(s.Cause)
		}
		return Spoken(a.If)
	case "pending":
		soon := "alerts soon"
		if a.Since != nil && a.For > 0 {
			soon = "alerts in " + Lasted(time.Duration(a.For)-l.Now.Sub(*a.Since))
		}
		if a.If == "" {
			return Sentence(soon)
		}
		return Spoken(a.If) + ", " + soon
	case "unknown":
		if a.Error == nil {
			return "Cannot be judged"
		}
		return "Cannot be judged: " + Unclear(*a.Error)
	}
	return Sentence(s.Cause)
}

// reasons are why the alert of a job fires although its newest run says nothing about it.
var reasons = map[string]string{
	wire.ReasonMissed: "A run of its timetable did not begin", wire.ReasonSlow: "Takes longer than it should",
}

// ended is how the run ended of which the alert of a job tells, while a newer one is at work.
var ended = map[string]string{
	wire.ReasonFailed: "A run has failed", wire.ReasonTimedOut: "A run has timed out", wire.ReasonLost: "A run was lost",
	wire.ReasonWarned: "A run has warned",
}

// jobCause says why a job is in the state that it shows.
func jobCause(j wire.JobObject) string {
	if b := JudgeJob(j); b == alerting || b == acknowledged || b == silenced {
		if text := cmp.Or(reasons[j.Alert.Reason], ended[j.Alert.Reason]); text != "" {
			return text
		}
		if j.Alert.Error != nil {
			return Sentence(Unclear(*j.Alert.Error))
		}
	}
	if j.LastRun != nil {
		return why(*j.LastRun)
	}
	return ""
}

// runError is the error of a run, unless that says no more than its status does.
func runError(r wire.Run) string {
	if r.Error == nil || *r.Error == string(r.Status) {
		return ""
	}
	return *r.Error
}

// why is why a run did not succeed, with the last that it said if it failed: an exit status alone tells people nothing.
func why(r wire.Run) string {
	text, said := runError(r), Shown(r.Said(), mostSaid)
	if r.Status != progress.StatusFailed || text == "" || said == "" || strings.Contains(text, said) {
		return Sentence(text)
	}
	return Sentence(text) + ": " + said
}

const mostSaid = 200 // characters of what a run said last

// began is when the state that a source shows began; the zero time if that is not known.
func began(s wire.Source) time.Time {
	at := s.Since
	if b := Judge(s); s.Alert != nil && b != failing && b != stale {
		at = s.Alert.Since
	}
	return timeOf(at)
}

func timeOf(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return *at
}

// polled reports whether a source is asked for its values; otherwise they come to it.
func polled(s wire.Source) bool { return s.Every > 0 || s.NextAt != nil || s.Pace != "" }

// Next says when a source is asked again, and why then.
func (l Look) Next(s wire.Source) string {
	switch {
	case len(s.Inputs) > 0:
		return "computed"
	case s.NextAt == nil && s.Pace == wire.PaceUnwatched:
		return "nobody watches"
	case s.NextAt == nil && s.Every == 0:
		return "told"
	case s.NextAt == nil:
		return ""
	case s.State == wire.SourcePending:
		return "polling"
	}
	return again[s.Waiting] + " " + l.soon(*s.NextAt)
}

// again are the words for another poll, by what it waits for.
var again = map[string]string{"": "next", wire.WaitingBackoff: "again", wire.WaitingRateLimit: "rate limit, again"}

// soon says when what is due at a time comes: "in 4 s".
func (l Look) soon(t time.Time) string {
	if !t.After(l.Now) {
		return "any moment"
	}
	return "in " + l.Until(t)
}

var (
	fieldPoint = regexp.MustCompile(`(^|[^\pL\pN_)\]"?.])\.([\pL_])`)       // of a field of the value, and not of one in a field
	wholePoint = regexp.MustCompile(`(^|[\s(|,])\.($|[\s()|,\[<>=!+*/%-])`) // the value itself
)

// Spoken is a condition as people read it: its fields without their points, and the value by that name.
func Spoken(condition string) string {
	return fieldPoint.ReplaceAllString(wholePoint.ReplaceAllString(condition, "${1}value$2"), "$1$2")
}

// Unclear is why an alert cannot be judged, without the names of what has judged it.
func Unclear(text string) string {
	return strings.TrimPrefix(strings.TrimPrefix(text, "alert: "), "jq: ")
}

// Sentence begins with a capital.
func Sentence(text string) string {
	for i, r := range text {
		return strings.ToUpper(string(r)) + text[i+len(string(r)):]
	}
	return ""
}
