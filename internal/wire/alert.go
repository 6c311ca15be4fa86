package wire

import "time"

// The states of an alert.
const (
	AlertClear   = "clear"   // never in JSON: an alert that is clear is null, or not in a list
	AlertPending = "pending" // its condition holds, but not for long enough yet
	AlertFiring  = "firing"
	AlertUnknown = "unknown" // its condition cannot be evaluated, and it was clear before
)

// How bad it is that an alert fires, as the configuration says.
const (
	SeverityInfo     = "info"
	SeverityWarning  = "warning" // the default
	SeverityCritical = "critical"
)

// Why the alert of a job fires.
const (
	ReasonFailed   = "failed"
	ReasonTimedOut = "timed_out"
	ReasonLost     = "lost"
	ReasonMissed   = "missed" // a run of its schedule did not begin
	ReasonSlow     = "slow"   // a run takes longer than it should
	ReasonWarned   = "warned" // a run succeeded with a warning
)

// An Alert is an alert that is not clear.
type Alert struct {
	State        string        `json:"state"`            // AlertPending, AlertFiring or AlertUnknown
	Since        *time.Time    `json:"since"`            // when the condition began to hold, or to be unknown
	Severity     string        `json:"severity"`         // SeverityInfo, SeverityWarning or SeverityCritical
	Reason       string        `json:"reason,omitempty"` // of a job's: ReasonFailed ... ReasonWarned
	Run          string        `json:"run,omitempty"`    // of a job's: the run that is the reason, if one is
	If           string        `json:"if,omitempty"`     // of a source's: its condition, as configured; empty: it is about failed polls
	For          Span          `json:"for,omitempty"`    // of a source's: how long the condition must hold; 0: it fires at once
	Error        *string       `json:"error,omitempty"`  // why the condition of the newest value is unknown; nil: it is not
	Silenced     *Silenced     `json:"silenced"`         // null: receivers are told
	Acknowledged *Acknowledged `json:"acknowledged"`     // null: nobody has acknowledged it since it fires
}

// A Silenced says why receivers are not told of an alert.
type Silenced struct {
	ID     string    `json:"id"` // of the [Silence]; empty: a quiet time of the configuration
	Until  time.Time `json:"until"`
	By     string    `json:"by"`     // who made the silence; empty: the configuration
	Reason string    `json:"reason"` // empty: none was given
}

// An Acknowledged says who has acknowledged an alert that fires: receivers are not told of it again, but that it is
// resolved.
type Acknowledged struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"` // empty: none was given
}

// A Silence keeps receivers from being told of some alerts until a time. One without an ID is a quiet time of the
// configuration that has begun, which nobody can end.
type Silence struct {
	ID     string    `json:"id"`
	Of     string    `json:"of"` // the key of a source or a job, an UpstreamKey, a SectionKey, or SilenceAll
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`     // who made it; empty: the configuration
	Reason string    `json:"reason"` // empty: none was given
}

// SilenceAll is what a silence of all alerts is of.
const SilenceAll = "all"

// UpstreamKey is what a silence of all that belongs to an upstream is of.
func UpstreamKey(name string) string { return "upstream/" + name }

// SectionKey is what a silence of a section is of: of all that stands in it or below it.
func SectionKey(path string) string { return "section/" + path }

// Silences is the answer with every silence that has not ended, the oldest first.
type Silences struct {
	Silences []Silence `json:"silences"`
}

// A NewSilence is the body that makes a silence.
type NewSilence struct {
	Of     string `json:"of"`
	For    string `json:"for,omitempty"`    // a duration such as 1h; empty: Until is given
	Until  string `json:"until,omitempty"`  // a time as RFC 3339 has it; empty: For is given
	Reason string `json:"reason,omitempty"` // a text for people
}

// Acknowledge is the body that acknowledges the alert of a source or a job.
type Acknowledge struct {
	Of     string `json:"of"`               // the key of the source or the job
	Reason string `json:"reason,omitempty"` // a text for people
}

// Alerts is the answer with every alert that is not clear, every silence, and how the receivers are.
type Alerts struct {
	Alerts    []AlertObject `json:"alerts"` // of the sources and then of the jobs, in the order of their keys
	Silences  []Silence     `json:"silences"`
	Receivers []Receiver    `json:"receivers"` // in the order of their names
}

// An AlertObject is an alert in [Alerts].
type AlertObject struct {
	Key      string `json:"key"`                // of the source or the job
	Source   string `json:"source,omitempty"`   // its name
	Job      string `json:"job,omitempty"`      // its name
	Title    string `json:"title"`              // of the source or the job
	Section  string `json:"section,omitempty"`  // in which that stands; empty: in none
	Upstream string `json:"upstream,omitempty"` // that the source polls, or the job requests
	Alert
	About string `json:"about"` // why it is so, in one line for people: the newest error, or else the value; may be empty
	Told  []Told `json:"told"`  // what became of the newest message to each receiver that is to know of it, by name
}

// An AlertsVersion is what a stream has of [Alerts]: that they have changed.
type AlertsVersion struct {
	Key     string `json:"key"`     // AlertsKey
	Version int64  `json:"version"` // grows with each change, from 1
}

// What became of a message.
const (
	ToldWaiting = "waiting"  // it waits for others of its group, or to be tried again
	ToldDone    = "told"     // the receiver has it
	ToldGivenUp = "given_up" // it could not be delivered for too long
)

// A Told is what became of the newest message about an alert to a receiver.
type Told struct {
	To    string     `json:"to"`    // the receiver
	State string     `json:"state"` // ToldWaiting, ToldDone or ToldGivenUp
	At    *time.Time `json:"at"`    // when the receiver got it, or when it was given up; null: it waits
	Error *string    `json:"error"` // why it was not delivered when that was tried last; null: it was, or was not tried
}

// A Receiver is where people are told of alerts: an entry of notify in the configuration.
type Receiver struct {
	Name         string     `json:"name"`
	Kind         string     `json:"kind"`          // how messages are brought there, for example http, ntfy or mail
	Waiting      int        `json:"waiting"`       // messages that wait
	FailingSince *time.Time `json:"failing_since"` // since when none could be delivered; null: it works, or was not tried
	Error        *string    `json:"error"`         // why the last one could not; null: it could, or was not tried
	ToldAt       *time.Time `json:"told_at"`       // when it got the last one; null: not since the gateway started
}
