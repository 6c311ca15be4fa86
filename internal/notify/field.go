package notify

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/text"
)

// Fields are the placeholders for a message in the texts of a receiver.
var Fields = []string{
	"source", "title", "state", "value", "error", "since", "summary", "text", "severity", "link", "count",
}

// IsField reports whether name is one of [Fields].
func IsField(name string) bool { return slices.Contains(Fields, name) }

// field is what stands for a placeholder. Of several alerts, the title counts them, the source lists them, there is no
// value, and the error is that of the first.
func (m *Message) field(name string) any {
	switch name {
	case "state":
		return m.State
	case "summary":
		return m.Summary
	case "text":
		return m.Text
	case "severity":
		return m.Severity
	case "link":
		return m.Link
	case "count":
		return m.Count
	case "title":
		return m.title()
	case "source":
		return m.names()
	}
	if len(m.Alerts) == 0 {
		return nil
	}
	switch i := m.Alerts[0]; {
	case name == "value" && m.Count == 1:
		var s *string
		if json.Unmarshal(i.Headline, &s) == nil && s != nil {
			return *s // in a header or a plain text it has no quotes
		}
		return i.Headline
	case name == "error" && i.Error != nil:
		return *i.Error
	case name == "since" && i.Since != nil:
		return i.Since.Format(time.RFC3339Nano)
	}
	return nil
}

// line is field without line breaks and control characters, but for those of text, which has lines.
func (m *Message) line(name string) any {
	clean := text.Line
	if name == "text" {
		clean = text.Plain
	}
	switch v := m.field(name).(type) {
	case string:
		return clean(v)
	case json.RawMessage:
		return json.RawMessage(clean(string(v)))
	default:
		return v
	}
}

// names lists the names of the sources or jobs.
func (m *Message) names() string {
	var all []string
	for _, i := range m.Alerts {
		all = append(all, i.Source+i.Job) // it is one of them
	}
	return text.Cut(strings.Join(all, ", "), 1000)
}
