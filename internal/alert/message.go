package alert

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// The states of a [Message].
const (
	Firing   = "firing"
	Resolved = "resolved"
)

// maxValue bounds the value that a message has, in bytes of JSON: a larger one is left out.
const maxValue = 16 << 10

// A Message says that an alert began to fire or is over. As JSON it is the body of a webhook
// that has none of its own.
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
	if len(r.Value) <= maxValue {
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

// request is what a webhook is called with.
func (m Message) request(to *config.Notify) (*config.Request, error) {
	r, err := to.Request(m.field)
	if err == nil && to.Body == "" {
		r.Body, _ = json.Marshal(m) // everything in it encodes
		r.Header.Set("Content-Type", cmp.Or(r.Header.Get("Content-Type"), "application/json"))
	}
	return r, err
}

// field is what stands for a placeholder in a webhook.
func (m Message) field(name string) any {
	switch name {
	case "source":
		return m.Source
	case "title":
		return m.Title
	case "state":
		return m.State
	case "value":
		var text *string
		if json.Unmarshal(m.headline, &text) == nil && text != nil {
			return *text // in a header or a plain text it has no quotes
		}
		return m.headline
	case "error":
		if m.Error != nil {
			return *m.Error
		}
	case "since":
		if m.Since != nil {
			return m.Since.Format(time.RFC3339Nano)
		}
	}
	return nil
}
