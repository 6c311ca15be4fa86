package events

import (
	"strings"

	"github.com/tidewire/tidewire/internal/archive"
)

// A Message is one that a receiver was told about alerts, or that it could not be told.
type Message struct {
	Receiver string
	ID       string   // of the message
	State    string   // "firing" or "resolved"
	Again    string   // why it was told again; empty: it was not
	Summary  string   // what it says
	Alerts   []string // source/NAME or job/NAME
	GivenUp  error    // why the receiver will not get it; nil: it has it
}

// A toldData is the data of a [Told].
type toldData struct {
	Receiver string   `json:"receiver"`
	Message  string   `json:"message"`
	State    string   `json:"state"`
	Again    string   `json:"again,omitempty"`
	Count    int      `json:"count"`
	Alerts   []string `json:"alerts"`          // at most maxListed of them
	Error    *string  `json:"error,omitempty"` // why it was given up; nil: it was told
}

// Told records what became of a message. The event is of a source or a job if the message is about nothing else.
func (j *Journal) Told(m Message) {
	data := toldData{
		Receiver: m.Receiver, Message: m.ID, State: m.State, Again: m.Again,
		Count: len(m.Alerts), Alerts: m.Alerts[:min(len(m.Alerts), maxListed)],
	}
	e := archive.Event{Kind: Told, Text: m.Receiver + " was told: " + m.Summary}
	if len(m.Alerts) == 1 {
		if job, ok := strings.CutPrefix(m.Alerts[0], "job/"); ok {
			e.Job = job
		} else {
			e.Source = strings.TrimPrefix(m.Alerts[0], "source/")
		}
	}
	if m.GivenUp != nil {
		data.Error = new(brief(m.GivenUp.Error()))
		e.Text = m.Receiver + " was not told: " + m.Summary + " (" + *data.Error + ")"
	}
	j.add(e, data)
}
