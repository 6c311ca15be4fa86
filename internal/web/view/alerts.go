package view

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// Alerts are what the page of alerts shows.
type Alerts struct {
	Now       []AlertRow
	Silences  []SilenceRow
	Receivers []ReceiverRow
	Waiting   []Delivery // messages that are not told yet
	Told      []Delivery // newest first
	Past      []Episode  // of alerts that are over, newest first
}

// An AlertRow is an alert that is not clear.
type AlertRow struct {
	Key, Href, Title, Section string
	Badge                     // its word is how bad it is, while it fires
	Why                       string
	Known                     string     // who has acknowledged or silenced it, and why
	At                        *time.Time // when it began
	Since, Clock              string
	Run                       string // the run of a job that is the reason
	Told                      string // who knows of it
	Acknowledge, Silence      bool   // whoever looks may do that, and it makes sense
}

// A SilenceRow is a silence, or a quiet time of the configuration.
type SilenceRow struct {
	ID         string // empty: nobody can end it
	What       string
	Until      time.Time
	In         string // how long it lasts yet
	Clock      string
	By, Why    string
	MayEnd     bool
	Configured bool // it is a quiet time
}

// A ReceiverRow is where people are told of alerts.
type ReceiverRow struct {
	Name, Kind string
	State      string // ok, failing, or idle if nothing was told yet
	Text       string
	More       string     // what waits
	At         *time.Time // since when it is failing, or when it was told last
	Clock      string
}

// A Delivery is what became of a message.
type Delivery struct {
	At     *time.Time // nil: it waits
	Clock  string
	To     string
	What   string
	State  string // ok, stale or failing
	Result string
	Error  string
}

// An Episode is an alert that is over: from when it began to fire until it was resolved.
type Episode struct {
	Href, Title string
	At          time.Time // when it began; when it was over, if that is not known
	Clock       string
	Lasted      string // empty: its beginning is not known
}

// mostPast is how many episodes and messages a page lists.
const mostPast = 20

// A Subject says what people call what an alert or a silence is of, by its key, and whether whoever looks may silence it.
type Subject func(key string) (title string, may bool)

// Alerts lays out the alerts, with the newest events of the kinds alert and told.
func (l Look) Alerts(all wire.Alerts, past []wire.Event, subject Subject) Alerts {
	v := Alerts{}
	for _, a := range all.Alerts {
		v.Now = append(v.Now, l.alertRow(a, subject))
		v.Waiting = append(v.Waiting, waitingFor(a)...)
	}
	slices.SortStableFunc(v.Now, func(a, b AlertRow) int {
		return cmp.Or(a.Rank-b.Rank, badness(b.Word)-badness(a.Word), timeOf(b.At).Compare(timeOf(a.At)))
	})
	for _, s := range all.Silences {
		v.Silences = append(v.Silences, l.silenceRow(s, subject))
	}
	for _, r := range all.Receivers {
		v.Receivers = append(v.Receivers, l.receiverRow(r))
	}
	for _, e := range past {
		if e.Kind == "told" && len(v.Told) < mostPast {
			v.Told = append(v.Told, l.delivery(e))
		}
	}
	v.Past = l.episodes(past)
	return v
}

// badness orders the severities.
func badness(severity string) int {
	return slices.Index([]string{wire.SeverityInfo, wire.SeverityWarning, wire.SeverityCritical}, severity)
}

// JudgeAlert says what an alert shows.
func JudgeAlert(a wire.Alert) Badge {
	b := alerting
	switch {
	case a.State == wire.AlertUnknown:
		b = unknown
	case a.State == wire.AlertPending:
		b = pending
	case a.Silenced != nil:
		b = silenced
	case a.Acknowledged != nil:
		b = acknowledged
	default:
		b.Word = a.Severity
	}
	return b
}

func (l Look) alertRow(a wire.AlertObject, subject Subject) AlertRow {
	title, may := subject(a.Key)
	row := AlertRow{
		Key: a.Key, Href: hrefOf(a.Key), Title: Shown(cmp.Or(title, a.Title), 120), Section: a.Section, Badge: JudgeAlert(a.Alert),
		Why: l.why(a), At: a.Since, Run: a.Run, Told: toldOf(a.Told), Silence: may && a.Silenced == nil,
		Acknowledge: may && a.State == wire.AlertFiring && a.Acknowledged == nil,
	}
	if a.Since != nil {
		row.Since, row.Clock = l.Since(*a.Since), l.Clock(*a.Since)
	}
	switch {
	case a.Silenced != nil:
		row.Known = "silenced until " + l.Clock(a.Silenced.Until) + " by " + cmp.Or(who(a.Silenced.By), "the configuration") + because(a.Silenced.Reason)
	case a.Acknowledged != nil:
		row.Known = "acknowledged by " + who(a.Acknowledged.By) + " at " + l.Clock(a.Acknowledged.At) + because(a.Acknowledged.Reason)
	}
	return row
}

// who is a user as people are told of: one who has not signed in is somebody.
func who(name string) string {
	if name == "anonymous" {
		return "somebody"
	}
	return name
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// why is the condition of an alert, or what became of a job, and how the source is now.
func (l Look) why(a wire.AlertObject) string {
	var parts []string
	if a.If != "" {
		condition := Spoken(a.If)
		if a.For > 0 {
			condition += " for " + Lasted(time.Duration(a.For))
		}
		parts = append(parts, condition)
	}
	switch text := reasons[a.Reason]; {
	case a.State == wire.AlertUnknown && a.Error != nil:
		return "Cannot be judged: " + Shown(Unclear(*a.Error), 300)
	case text != "":
		parts = append(parts, text)
	case a.About != "" && a.If != "":
		parts = append(parts, "now "+Shown(a.About, 200))
	case a.About != "":
		parts = append(parts, causeOf(a.About))
	}
	return strings.Join(parts, " · ")
}

// toldOf says who knows of an alert.
func toldOf(all []wire.Told) string {
	var parts []string
	for _, t := range all {
		switch t.State {
		case wire.ToldDone:
			parts = append(parts, t.To+" was told")
		case wire.ToldWaiting:
			parts = append(parts, t.To+" is not told yet")
		default:
			parts = append(parts, t.To+" could not be told")
		}
	}
	return strings.Join(parts, ", ")
}

// waitingFor are the messages about an alert that are not told yet.
func waitingFor(a wire.AlertObject) (all []Delivery) {
	for _, t := range a.Told {
		if t.State != wire.ToldWaiting || t.Error == nil && a.Silenced != nil {
			continue
		}
		d := Delivery{To: t.To, What: Shown(a.Title, 120), State: "stale", Result: "waiting"}
		if t.Error != nil {
			d.Result, d.Error = "tried", causeOf(*t.Error)
		}
		all = append(all, d)
	}
	return all
}

// SilenceOf is what a silence is of, for people.
func SilenceOf(key string, subject Subject) string {
	kind, name, _ := strings.Cut(key, "/")
	switch {
	case key == wire.SilenceAll:
		return "Everything"
	case kind == "section":
		return "Everything in " + name
	case kind == "upstream":
		return "Everything of " + name
	}
	title, _ := subject(key)
	return Shown(cmp.Or(title, name), 120)
}

func (l Look) silenceRow(s wire.Silence, subject Subject) SilenceRow {
	_, may := subject(s.Of)
	return SilenceRow{
		ID: s.ID, What: SilenceOf(s.Of, subject), Until: s.Until, In: l.Until(s.Until), Clock: l.Clock(s.Until),
		By: cmp.Or(who(s.By), "the configuration"), Why: s.Reason, MayEnd: may && s.ID != "", Configured: s.ID == "",
	}
}

func (l Look) receiverRow(r wire.Receiver) ReceiverRow {
	row := ReceiverRow{Name: r.Name, Kind: r.Kind, State: "idle", Text: "nothing told since the start"}
	switch {
	case r.FailingSince != nil:
		row.State, row.Text, row.At = "failing", "cannot be reached", r.FailingSince
		if r.Error != nil {
			row.Text = causeOf(*r.Error)
		}
	case r.ToldAt != nil:
		row.State, row.Text, row.At = "ok", "told", r.ToldAt
	}
	if row.At != nil {
		row.Clock = l.Clock(*row.At)
	}
	if r.Waiting > 0 {
		row.More = Plural(r.Waiting, "message waits", "messages wait")
	}
	return row
}

// delivery is an event of the kind told.
func (l Look) delivery(e wire.Event) Delivery {
	var data struct {
		Receiver, State, Again string
		Count                  int
		Error                  *string
	}
	_ = json.Unmarshal(e.Data, &data) // it is of this program
	what := e.Title
	if what == "" {
		what = Plural(data.Count, "alert", "alerts")
	}
	d := Delivery{At: &e.Time, Clock: l.Clock(e.Time), To: data.Receiver, What: Shown(what, 120) + " " + data.State, State: "ok", Result: "told"}
	if data.Again != "" {
		d.What += ", again"
	}
	if data.Error != nil {
		d.State, d.Result, d.Error = "failing", "given up", causeOf(*data.Error)
	}
	return d
}

// request is what was asked of whom, before the reason why that failed.
var request = regexp.MustCompile(`^[A-Z]+ https?://\S+: `)

// causeOf is why a message could not be told, without what everybody knows who has configured it.
func causeOf(err string) string { return Sentence(Shown(request.ReplaceAllString(err, ""), 300)) }

// episodes are those of which events tell that they are over. Events are newest first.
func (l Look) episodes(past []wire.Event) (all []Episode) {
	open := map[string]int{} // by key: that of which the beginning is not found yet
	for _, e := range past {
		var data struct{ State string }
		if e.Kind != "alert" || json.Unmarshal(e.Data, &data) != nil || e.Source == "" && e.Job == "" {
			continue
		}
		key := keyOf(e)
		switch i, isOpen := open[key]; {
		case data.State == "resolved" && len(all) < mostPast:
			open[key] = len(all)
			all = append(all, Episode{Href: hrefOf(key), Title: Shown(e.Title, 120), At: e.Time, Clock: l.Clock(e.Time)})
		case data.State == "firing" && isOpen:
			all[i].Lasted = Lasted(all[i].At.Sub(e.Time))
			all[i].At, all[i].Clock = e.Time, l.Clock(e.Time)
			delete(open, key)
		}
	}
	slices.SortStableFunc(all, func(a, b Episode) int { return b.At.Compare(a.At) }) // by the time that is shown
	return all
}

// keyOf is that of the source or the job of an event; empty: it is about neither.
func keyOf(e wire.Event) string {
	switch {
	case e.Source != "":
		return wire.SourceKey(e.Source)
	case e.Job != "":
		return wire.JobKey(e.Job)
	}
	return ""
}
