package view

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A Recent is something that happened, in one line.
type Recent struct {
	Key   string    `json:"key"`   // event/ and its ID
	State string    `json:"state"` // whose glyph it has
	Href  string    `json:"href"`  // of the page of what it happened to, below the root of the gateway; empty: there is none
	Title string    `json:"title"` // of that; empty: it happened to the gateway
	Text  string    `json:"text"`
	Time  time.Time `json:"time"`
	Ago   string    `json:"ago"`
	Clock string    `json:"clock"`
}

// mostRecent is how many events are shown beside sources.
const mostRecent = 8

// RecentKinds are the kinds of events that are news for people who look at the page.
var RecentKinds = []string{"state", "alert", "run", "reload", "start", "store", "replica"}

// Recent lays out events, which are newest first.
func (l Look) Recent(events []wire.Event) []Recent {
	all := []Recent{}
	for _, e := range events {
		if r, isNews := l.recent(e); isNews && len(all) < mostRecent {
			all = append(all, r)
		}
	}
	return all
}

// asked is what was requested, before why that failed.
var asked = regexp.MustCompile(`^(\w+: )?[A-Z]+ https?://\S+: `)

// endOf is how a run has ended, which one of those side by side it was, and how long it took if that is known.
func endOf(text, lane string, seconds float64) string {
	if seconds > 0 {
		ended, _, _ := strings.Cut(text, " after ")
		text = ended + " after " + Took(seconds)
	}
	if lane != "" {
		text = Shown(lane, 80) + ": " + text
	}
	return text
}

// recent lays out one event; false: it is no news.
func (l Look) recent(e wire.Event) (r Recent, isNews bool) {
	var data struct {
		State, Status, Of, Reason, Lane string
		Seconds                         float64
		Until                           time.Time
	}
	_ = json.Unmarshal(e.Data, &data) // it is of this program
	r = Recent{
		Key: "event/" + e.ID, Href: hrefOf(keyOf(e)), Title: Shown(e.Title, 120), Text: Shown(e.Text, 200), Time: e.Time,
		Ago: l.Since(e.Time), Clock: l.Clock(e.Time), State: "waiting",
	}
	switch e.Kind {
	case "state":
		r.State, r.Text = data.State, Shown(asked.ReplaceAllString(e.Text, "$1"), 200)
	case "alert":
		r.State = map[string]string{"firing": "alert", "resolved": "ok", "unsilenced": "alert"}[data.State]
		if r.State == "" {
			r.State = data.State
		}
		if r.Title == "" && data.Of != "" {
			r.Title = SilenceOf(data.Of, func(string) (string, bool) { return "", false })
		}
		switch {
		case data.State == "silenced" && !data.Until.IsZero():
			r.Text = Shown("silenced until "+l.Clock(data.Until)+because(data.Reason), 200)
		case data.State == "unsilenced":
			r.Text = "no longer silenced"
		}
	case "run":
		r.State = JudgeRun(progress.Status(data.Status), false).State
		if e.Run != "" {
			r.Href = "runs/" + e.Run
		}
		r.Text = endOf(r.Text, data.Lane, data.Seconds)
		if data.Status == "queued" || data.Status == "cancelling" {
			return r, false // its end is the news
		}
	case "store":
		r.State, r.Title = data.State, "State"
	case "replica":
		r.Title = "Replicas"
		if data.State == "died" || data.State == "away" {
			r.State = "lost"
		}
	case "start":
		r.Title = "Tidewire"
	case "reload":
		r.Title = "Configuration"
		if strings.HasPrefix(e.Text, "refused") {
			r.State = "failing"
		}
	default:
		return r, false
	}
	return r, true
}
