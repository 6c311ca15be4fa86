package notify

import (
	"encoding/json"
	"time"
)

// The states of a [Message] and of an [Item].
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// Why a firing alert is told again: the values of [Message].Again.
const (
	Repeat     = "repeat"     // it is repeated while it fires
	Changed    = "changed"    // it fires for another reason
	Unsilenced = "unsilenced" // a silence is over, or a quiet time, and it still fires
)

const (
	// MaxItems is how many alerts a [Message] names. [Message].Count has all of them.
	MaxItems = 20
	// MaxValue bounds the value of an [Item], in bytes of JSON: a larger one is left out.
	MaxValue = 16 << 10
)

// A Message is what a receiver is told of one alert, or of several of one upstream. As JSON it is the body of a webhook
// that has none of its own, and the input of expressions and programs.
type Message struct {
	ID       string    `json:"id"`       // the same each time that it is sent
	State    string    `json:"state"`    // Firing or Resolved
	Again    string    `json:"again"`    // why it is told again: Repeat, Changed or Unsilenced; empty: it is not
	Severity string    `json:"severity"` // "info", "warning" or "critical": the highest of its alerts
	Summary  string    `json:"summary"`  // one line for people
	Text     string    `json:"text"`     // further lines for people; may be empty
	Link     string    `json:"link"`     // the page; empty: it has no address
	Group    string    `json:"group"`    // what its alerts have in common: "upstream/NAME", or the key of the only one
	Count    int       `json:"count"`    // of its alerts
	Firing   int       `json:"firing"`   // how many of the group still fire, as far as this receiver knows then
	At       time.Time `json:"at"`       // when it was made
	Alerts   []Item    `json:"alerts"`   // at most MaxItems of its alerts
}

// An Item is one alert of a [Message].
type Item struct {
	Key      string          `json:"key"`      // "source/NAME" or "job/NAME"
	Source   string          `json:"source"`   // its name; empty: it is the alert of a job
	Job      string          `json:"job"`      // its name; empty: it is the alert of a source
	Title    string          `json:"title"`    // for people
	State    string          `json:"state"`    // Firing or Resolved
	Severity string          `json:"severity"` // "info", "warning" or "critical"
	Reason   string          `json:"reason"`   // of a job: "failed", "timed_out", "lost", "missed", "warned" or "slow"
	Run      string          `json:"run"`      // of a job: the id of the run; empty: none
	Value    json.RawMessage `json:"value"`    // null if there is none, or one of more than MaxValue
	Headline json.RawMessage `json:"headline"` // the part of Value that people are shown first; null: none
	Error    *string         `json:"error"`    // why the source, or the run, failed; null: it did not
	Since    *time.Time      `json:"since"`    // when the alert began
	Until    *time.Time      `json:"until"`    // when it was resolved; null: it fires
	Earlier  int             `json:"earlier"`  // how often it fired before, and this receiver was not told
}

// Sample is a message as it could be, to try on what a receiver is made of.
var Sample = sampleOf("")

// Samples are messages of each sort: that a source fires whose value is unknown, that a run of a job has failed, and that
// several sources of an upstream are fine again. What makes something of messages has to work on all.
func Samples() []Message {
	return []Message{Sample, sampleOf("job"), sampleOf("group")}
}

func sampleOf(sort string) Message {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	i := Item{
		Key: "source/tank", Source: "tank", Title: "Tank", State: Firing, Severity: "warning",
		Value: json.RawMessage("93.5"), Headline: json.RawMessage("93.5"), Since: &at,
	}
	m := Message{ID: "sample", State: Firing, Severity: "warning", Group: i.Key, Count: 1, Firing: 1, At: at}
	failure := "exit status 1"
	switch sort {
	case "job":
		i.Key, i.Source, i.Job, i.Title, i.Reason, i.Run = "job/sync", "", "sync", "Sync", "failed", "r1"
		i.Value, i.Headline, i.Error, m.Group = nil, nil, &failure, i.Key
	case "group":
		i.State, i.Until, i.Value, i.Headline = Resolved, &at, nil, nil
		m.State, m.Group, m.Count, m.Firing = Resolved, "upstream/plant", 2, 0
		m.Alerts = []Item{i}
	}
	m.Alerts = append(m.Alerts, i)
	m.Word()
	return m
}

// Test is a message that says that a receiver is tested, as if an alert began, or ended.
func Test(name, state, link string, at time.Time) Message {
	i := Item{Key: "test/" + name, Title: "Test of " + name, State: state, Severity: "info", Since: &at}
	m := Message{
		ID: "test-" + at.Format("20060102150405.000000000") + "-" + state, State: state, Severity: i.Severity, Link: link,
		Group: i.Key, Count: 1, At: at, Alerts: []Item{i},
	}
	if state == Firing {
		m.Firing = 1
	}
	m.Word()
	m.Text = "This is a test of Tidewire. Nothing has happened."
	return m
}
