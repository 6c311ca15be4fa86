package alert

import (
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/notify"
	"github.com/tidewire/tidewire/internal/wire"
)

// The states of a [Message].
const (
	Firing   = notify.Firing
	Resolved = notify.Resolved
)

// A Message says that an alert began to fire or is over, as it is kept.
type Message struct {
	Source string          `json:"source"`
	Title  string          `json:"title"`
	State  string          `json:"state"` // Firing or Resolved
	Value  json.RawMessage `json:"value"` // null if there is none, or a larger one than 16 KiB
	Error  *string         `json:"error"` // why the source failed; null: it did not
	Since  *time.Time      `json:"since"` // when the condition began to hold

	headline json.RawMessage // the part of Value that people are shown first
}

// deliver has every webhook of the alert get a message.
func (m *Monitor) deliver(state string, r Reading, since *time.Time) {
	message := Message{Source: m.subject.Name, Title: m.subject.Title, State: state, Error: r.Error, Since: since}
	if len(r.Value) <= notify.MaxValue {
		message.Value, message.headline = r.Value, headlineOf(m.subject.Headline, r.Value)
	}
	for _, to := range m.alert.Notify {
		m.service.deliver(to, message)
	}
}

// headlineOf is the member of a value that has that name or is the only one, else all of it.
func headlineOf(name string, value json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return value
	}
	if member, ok := object[name]; ok {
		return member
	}
	if len(object) == 1 {
		for _, member := range object {
			return member
		}
	}
	return value
}

// told is m as a receiver is told it.
func (m Message) told() notify.Message {
	i := notify.Item{
		Key: wire.SourceKey(m.Source), Source: m.Source, Title: m.Title, State: m.State, Severity: "warning",
		Value: m.Value, Headline: m.headline, Error: m.Error, Since: m.Since,
	}
	told := notify.Message{
		State: m.State, Severity: i.Severity, Group: i.Key, Count: 1, At: time.Now().UTC(), Alerts: []notify.Item{i},
	}
	if m.State == Firing {
		told.Firing = 1
	}
	told.Word()
	return told
}
