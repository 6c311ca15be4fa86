package view

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// A SourceFacts is what the page of a source is made of.
type SourceFacts struct {
	wire.Source
	Chart        ChartFacts
	Availability wire.Availability
	Polls        []wire.Poll
	NoPast       string // why Availability and Polls are not known; empty: they are
	Alert        *AlertFacts
	Asks         string        // how it gets values, for people: "runs df"
	Timeout      time.Duration // of a poll; 0: none
	StaleAfter   time.Duration // 0: never
	Inputs, Uses []Named       // the sources that it is computed from, and that are computed from it
	RowOf, Rows  []Named       // the source that is split into it and others, and those that it is split into
	Answer       *string       // the newest answer before anything was picked; nil: it is not shown
	Manage       bool          // whoever looks may see answers
	Send         string        // the command by which a value is sent to it; empty: it gets its values itself
}

// A Named is another source, with what it shows.
type Named struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Badge
}

// An AlertFacts is an alert as configured, and how it is.
type AlertFacts struct {
	If       string // empty: that the source is stale or failing
	For      time.Duration
	Severity string
	Now      *wire.AlertObject // nil: it is clear
}

// A SourcePage is what the page of a source says.
type SourcePage struct {
	Card         Card
	Path         []Crumb
	Acts         []NamedAct
	Chart        Chart
	Shares       []Share
	Days         []DayBar
	FirstDay     string
	Outages      []OutageRow
	MoreOutages  string
	Polls        []PollRow
	PollsTitle   string // "Last 20 polls"
	NoPast       string
	Error        string // in full
	Values       []Field
	Alert        []Field
	Schedule     []Field
	Send         string // the command by which a value is sent; empty: it gets its values itself
	Inputs, Uses []Named
	RowOf, Rows  []Named
	Answer       string
	HasAnswer    bool
	Picked       string
	Since        time.Time // of the state
	SinceText    string
	GotAt        *time.Time // when the value was got; nil: never
	Next, NextIn string     // "next" and "in 4 s": when it is asked again
	NextAt       *time.Time // nil: Next is all that is said
}

// A NamedAct is a button, and what it is about where that is not clear.
type NamedAct struct {
	Act
	Title string
}

// A Crumb is a section that the source is in.
type Crumb struct{ Name, Path string }

// Bounds of what the page of a source shows.
const (
	mostValues  = 100
	mostJSON    = 64 << 10
	mostPolls   = 20
	mostOutages = 10
)

// SourcePage lays out the page of a source.
func (l Look) SourcePage(f SourceFacts) SourcePage {
	p := SourcePage{
		Card: l.Card(f.Source), Chart: l.Chart(f.Chart), NoPast: f.NoPast, Inputs: f.Inputs, Uses: f.Uses, RowOf: f.RowOf, Rows: f.Rows,
		Picked: indented(f.Value), Since: began(f.Source), Acts: l.actsOf(f), Send: f.Send,
	}
	if !p.Since.IsZero() {
		p.SinceText = l.Clock(p.Since)
	}
	p.GotAt, p.Next = f.UpdatedAt, p.Card.Next
	if f.NextAt != nil {
		in := l.soon(*f.NextAt)
		if words, found := strings.CutSuffix(p.Next, " "+in); found {
			p.Next, p.NextIn, p.NextAt = words, in, f.NextAt
		}
	}
	for i, name := range strings.Split(f.Section, "/") {
		if name != "" {
			p.Path = append(p.Path, Crumb{name, strings.Join(strings.Split(f.Section, "/")[:i+1], "/")})
		}
	}
	if f.Error != nil && *f.Error != f.Cause {
		p.Error = Shown(*f.Error, 1000)
	}
	if f.Answer != nil {
		p.HasAnswer, p.Answer = true, indented([]byte(*f.Answer))
	}
	p.Values = l.values(f.Source)
	p.Schedule = l.schedule(f)
	if f.Alert != nil {
		p.Alert = l.alert(*f.Alert)
	}
	if f.Chart.Kept == 0 {
		p.Chart.None = noNumbers(f)
	}
	p.availability(l, f.Availability)
	p.polls(l, f.Polls)
	p.PollsTitle = newest(len(p.Polls), "poll", "polls")
	if f.Send != "" {
		p.PollsTitle = newest(len(p.Polls), "value sent", "values sent")
	}
	p.Rows = slices.SortedStableFunc(slices.Values(f.Rows), func(a, b Named) int { return a.Rank - b.Rank })
	return p
}

// newest is the title of a list of the newest n.
func newest(n int, one, many string) string {
	switch n {
	case 0:
		return Sentence(many)
	case 1:
		return "Last " + one
	}
	return "Last " + Plural(n, one, many)
}

// noNumbers says why a source that keeps no numbers has no chart, and what to do for one, if there is something to be done.
func noNumbers(f SourceFacts) string {
	const how = " With show: {history: 24h} in the configuration, "
	switch {
	case len(f.RowOf) > 0:
		return "No numbers of this row are kept. With show: {history: 24h} of " + f.RowOf[0].Name + " in the configuration, those of all rows are."
	case len(f.Rows) > 0:
		return "The numbers of the rows are not kept, nor how many there are." + how + "both are."
	case f.UpdatedAt != nil && !hasNumbers(f.Value):
		return "The value has no numbers to draw."
	}
	return "This source keeps no numbers." + how + "it does."
}

// hasNumbers reports whether a value is a number, or has a field that is one.
func hasNumbers(raw []byte) bool {
	switch v := decode(raw).(type) {
	case json.Number:
		return true
	case map[string]any:
		for _, field := range v {
			if _, ok := field.(json.Number); ok {
				return true
			}
		}
	}
	return false
}

// actsOf are the buttons of the page.
func (l Look) actsOf(f SourceFacts) []NamedAct {
	if !l.Operate {
		return nil
	}
	var acts []NamedAct
	if a := f.Source.Alert; a != nil && a.State == wire.AlertFiring && a.Acknowledged == nil && a.Silenced == nil {
		acts = append(acts, NamedAct{Act: Act{Act: "Acknowledge", Do: "alerts/acknowledge", Method: "post", Field: "of", With: f.Key}})
	}
	if f.Alert != nil {
		acts = append(acts, NamedAct{Act: Act{Act: "Silence", Do: "alerts/silence", Method: "get", Field: "of", With: f.Key}})
	}
	if f.Source.Told || f.Send != "" { // which has no snapshot yet
		return acts
	}
	return append(acts, NamedAct{Act: Act{Act: "Poll now", Do: SourceHref(f.Name) + "/refresh", Method: "post"}})
}

// values are all fields of a value, exact. What is no object has none.
func (l Look) values(s wire.Source) []Field {
	object, _ := decode(s.Value).(map[string]any)
	names := order(s.Value)
	var all []Field
	for i, name := range names {
		if object == nil {
			break
		}
		if i == mostValues {
			all = append(all, Field{"", Plural(len(names)-i, "more field", "more fields") + " below"})
			break
		}
		text := l.brief(object[name])
		switch v := object[name].(type) {
		case json.Number:
			var decimals *int
			if name == s.Show.Value {
				decimals = s.Show.Decimals
			}
			text = Shown(Number(v, decimals, false), 100)
		case string:
			text = Shown(v, 500)
		}
		all = append(all, Field{Shown(name, 100), text})
	}
	return all
}

// schedule says when the source is polled, and why then.
func (l Look) schedule(f SourceFacts) []Field {
	kind := f.Kind
	switch {
	case f.Upstream != "":
		kind += ", upstream " + f.Upstream
	case f.Asks != "" && len(f.Inputs) == 0:
		kind += ", " + Shown(f.Asks, 200)
	}
	facts := []Field{{"Kind", kind}}
	switch {
	case len(f.Inputs) > 0:
		facts = append(facts, Field{"Computed", "when an input has changed"})
	case f.Every > 0 || f.Pace != "":
		every := "not polled"
		if f.Every > 0 {
			every = exactly(time.Duration(f.Every))
		}
		switch f.Pace {
		case "":
		case wire.PaceUnwatched:
			every += ", because nobody watches it"
		default:
			every += ", because " + Shown(Spoken(f.Pace), 200)
		}
		facts = append(facts, Field{"Every", every})
	case f.Send != "":
		facts = append(facts, Field{"Told", "by whoever sends a value"})
	case len(f.RowOf) > 0:
		facts = append(facts, Field{"Told", "by each poll of " + f.RowOf[0].Name})
	default:
		facts = append(facts, Field{"Told", "by its peer, when there is something new"})
	}
	if f.Timeout > 0 {
		facts = append(facts, Field{"Timeout", exactly(f.Timeout)})
	}
	if f.StaleAfter > 0 {
		facts = append(facts, Field{"Stale after", exactly(f.StaleAfter)})
	}
	if f.Replica != "" {
		facts = append(facts, Field{"Replica", f.Replica})
	}
	return facts
}

// exactly is a duration as configured: not rounded where that would say something else.
func exactly(d time.Duration) string {
	if d < 90*time.Second && d%time.Second != 0 && d > time.Second {
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	}
	return Lasted(d)
}

// alert says when the alert fires, how it is, and who knows.
func (l Look) alert(f AlertFacts) []Field {
	when := Spoken(f.If)
	if when == "" {
		when = "stale or failing"
	}
	if f.For > 0 {
		when += " for " + exactly(f.For)
	}
	facts := []Field{{"Condition", Shown(when, 300)}, {"Severity", f.Severity}}
	a := f.Now
	if a == nil {
		return append(facts, Field{"Now", "clear"})
	}
	words := map[string]string{wire.AlertFiring: "fires", wire.AlertPending: "holds, but not for long enough yet", wire.AlertUnknown: "cannot be judged"}
	now := words[a.State]
	if a.Since != nil {
		now += ", since " + l.Clock(*a.Since)
	}
	facts = append(facts, Field{"Now", now})
	if a.Error != nil {
		facts = append(facts, Field{"Why", Shown(Unclear(*a.Error), 300)})
	}
	if s := a.Silenced; s != nil {
		facts = append(facts, Field{"Silenced", "until " + l.Clock(s.Until) + by(s.By, s.Reason)})
	}
	if s := a.Acknowledged; s != nil {
		facts = append(facts, Field{"Acknowledged", l.Clock(s.At) + by(s.By, s.Reason)})
	}
	var told []string
	for _, t := range a.Told {
		text := t.To
		switch t.State {
		case wire.ToldDone:
			if t.At != nil {
				text += " " + l.Clock(*t.At)
			}
		case wire.ToldWaiting:
			text += " waiting"
		case wire.ToldGivenUp:
			text += " given up"
		}
		if t.Error != nil {
			text += " (" + Shown(*t.Error, 100) + ")"
		}
		told = append(told, text)
	}
	if told != nil {
		facts = append(facts, Field{"Told", strings.Join(told, ", ")})
	}
	return facts
}

func by(name, reason string) string {
	text := ""
	if name != "" {
		text = " by " + Shown(who(name), 60)
	}
	if reason != "" {
		text += ": " + Shown(reason, 200)
	}
	return text
}

// indented is a value for people, cut if it is very long.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		b.Reset()
		b.Write(raw)
	}
	if b.Len() <= mostJSON {
		return b.String()
	}
	return strings.ToValidUTF8(string(b.Bytes()[:mostJSON]), "") + "\n… " + sizeOf(b.Len()-mostJSON) + " more"
}
