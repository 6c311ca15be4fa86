package notify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/text"
)

// maxShown bounds a value or an error in a line for people, in characters.
const maxShown = 200

// Word sets m.Summary and m.Text by what the other fields say.
func (m *Message) Word() {
	if len(m.Alerts) == 0 {
		return
	}
	if m.Count == 1 {
		i := m.Alerts[0]
		m.Summary = i.title() + " " + m.verb(i.verb(m.State))
		if about := i.About(); about != "" && m.State == Firing {
			m.Summary += ": " + about
		}
		m.Text = i.times()
		if i.Run != "" && m.State == Firing {
			m.Text += "\nrun " + i.Run
		}
		return
	}
	m.Summary = fmt.Sprintf("%s %s", m.title(), m.verb("are "+m.word()))
	var lines []string
	for _, i := range m.Alerts {
		line := i.title()
		if about := i.About(); about != "" && m.State == Firing {
			line += ": " + about
		}
		lines = append(lines, line)
	}
	if more := m.Count - len(m.Alerts); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	m.Text = strings.Join(lines, "\n")
}

// title names what m is about.
func (m *Message) title() string {
	switch upstream, ok := strings.CutPrefix(m.Group, "upstream/"); {
	case m.Count == 1 && len(m.Alerts) == 1:
		return m.Alerts[0].title()
	case ok:
		return fmt.Sprintf("%d sources of %s", m.Count, upstream)
	}
	return fmt.Sprintf("%d alerts", m.Count)
}

// word is how several alerts are: failing, if each of them is because its source failed.
func (m *Message) word() string {
	for _, i := range m.Alerts {
		if i.Error == nil {
			return m.State
		}
	}
	if m.State == Firing {
		return "failing"
	}
	return m.State
}

// verb says with a verb such as "is firing" why it is told again.
func (m *Message) verb(verb string) string {
	if m.State != Firing {
		return verb
	}
	switch m.Again {
	case Repeat:
		if be, rest, ok := strings.Cut(verb, " "); ok && (be == "is" || be == "are") {
			return be + " still " + rest
		}
		return verb + " (again)"
	case Unsilenced:
		return verb + ", and not silenced any more"
	}
	return verb
}

func (i *Item) title() string {
	for _, name := range []string{i.Title, i.Source, i.Job} {
		if name != "" {
			return text.Words(name)
		}
	}
	return i.Key
}

// verb is how the alert is, after its title.
func (i *Item) verb(state string) string {
	switch {
	case i.Job == "" || i.Reason == "" && state == Firing:
		return "is " + state
	case state == Resolved:
		return "has recovered"
	}
	switch i.Reason {
	case "timed_out":
		return "timed out"
	case "lost":
		return "was lost"
	case "missed":
		return "did not start"
	case "slow":
		return "is slow"
	case "warned":
		return "has warned"
	}
	return i.Reason
}

// About is why the alert fires, in one line: the error, or the value.
func (i *Item) About() string {
	if i.Error != nil {
		return text.Cut(text.Words(*i.Error), maxShown)
	}
	return text.Cut(text.Words(i.value()), maxShown)
}

// value is the headline as text, empty if there is none.
func (i *Item) value() string {
	var s *string
	switch {
	case json.Unmarshal(i.Headline, &s) == nil && s != nil:
		return *s
	case string(i.Headline) == "null":
		return ""
	}
	return string(i.Headline)
}

// times says since and until when the alert fired, and how often before.
func (i *Item) times() string {
	var parts []string
	if i.Since != nil {
		parts = append(parts, "since "+i.Since.UTC().Format(time.RFC3339))
	}
	if i.Until != nil {
		parts = append(parts, "until "+i.Until.UTC().Format(time.RFC3339))
	}
	if i.Earlier > 0 {
		parts = append(parts, fmt.Sprintf("and %d times before", i.Earlier))
	}
	return strings.Join(parts, " ")
}
