package view_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

var night = time.Date(2026, 11, 29, 3, 12, 44, 0, time.UTC)

func before(d time.Duration) *time.Time { return new(night.Add(-d)) }

// subject calls a source by its name in capitals, and lets people silence what is not of the office.
func subject(key string) (string, bool) {
	_, name, _ := strings.Cut(key, "/")
	return strings.ToUpper(name), key != "job/office"
}

func alertOf(name, state, severity string, since time.Duration, change ...func(*wire.AlertObject)) wire.AlertObject {
	a := wire.AlertObject{Key: "source/" + name, Source: name, Title: name, Alert: wire.Alert{State: state, Severity: severity, Since: before(since)}}
	for _, c := range change {
		c(&a)
	}
	return a
}

// What fires is first, the worst and newest of it, and last what somebody knows of.
func TestAlertsAreInTheOrderOfWhatIsToBeDone(t *testing.T) {
	acknowledged := func(a *wire.AlertObject) {
		a.Acknowledged = &wire.Acknowledged{At: *before(time.Minute), By: "Jonas", Reason: "on my way"}
	}
	silenced := func(a *wire.AlertObject) {
		a.Silenced = &wire.Silenced{ID: "s", Until: night.Add(time.Hour), By: "Mara"}
	}
	v := view.Look{Now: night}.Alerts(wire.Alerts{Alerts: []wire.AlertObject{
		alertOf("calm", wire.AlertFiring, wire.SeverityCritical, time.Minute, silenced),
		alertOf("seen", wire.AlertFiring, wire.SeverityCritical, time.Minute, acknowledged),
		alertOf("soon", wire.AlertPending, wire.SeverityWarning, time.Minute),
		alertOf("old", wire.AlertFiring, wire.SeverityWarning, time.Hour),
		alertOf("new", wire.AlertFiring, wire.SeverityWarning, time.Minute),
		alertOf("info", wire.AlertFiring, wire.SeverityInfo, time.Second),
		alertOf("bad", wire.AlertFiring, wire.SeverityCritical, 2*time.Hour),
		alertOf("what", wire.AlertUnknown, wire.SeverityCritical, time.Minute),
	}}, nil, subject)
	var got []string
	for _, a := range v.Now {
		got = append(got, fmt.Sprint(a.Title, " ", a.State, " ", a.Word, " ", a.Since, " ", a.Acknowledge, " ", a.Silence))
	}
	want := []string{
		"BAD alert critical 2 h true true", "NEW alert warning 60 s true true", "OLD alert warning 1 h true true", "INFO alert info 1 s true true",
		"WHAT unknown alert unknown 60 s false true", "SEEN acknowledged acknowledged 60 s false true",
		"SOON pending alert soon 60 s false true", "CALM silenced silenced 60 s true false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("alerts are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, want := v.Now[5].Known, "acknowledged by Jonas at 03:11: on my way"; got != want {
		t.Errorf("known: %q, want %q", got, want)
	}
	if got, want := v.Now[7].Known, "silenced until 04:12 by Mara"; got != want {
		t.Errorf("known: %q, want %q", got, want)
	}
}

func TestWhyAnAlertFires(t *testing.T) {
	for _, tt := range []struct {
		change func(a *wire.AlertObject)
		want   string
	}{
		{func(a *wire.AlertObject) { a.If, a.For, a.About = ".level > 90", wire.Span(time.Minute), "93.4" }, "level > 90 for 60 s · now 93.4"},
		{func(a *wire.AlertObject) { a.Reason, a.About = wire.ReasonFailed, "exit status 3: no space left" }, "Exit status 3: no space left"},
		{func(a *wire.AlertObject) { a.About = "GET http://10.0.0.9/tank: 503 Service Unavailable" }, "503 Service Unavailable"},
		{func(a *wire.AlertObject) { a.About = "connection refused" }, "Connection refused"},
		{func(a *wire.AlertObject) { a.Reason = wire.ReasonMissed }, "A run of its timetable did not begin"},
		{func(a *wire.AlertObject) {
			a.State, a.Error = wire.AlertUnknown, new("alert: jq: .level: expected an object")
		}, "Cannot be judged: .level: expected an object"},
		{func(a *wire.AlertObject) { a.About = "a\u202eb\x1b[31m" }, "Ab[31m"},
		{func(*wire.AlertObject) {}, ""},
	} {
		v := view.Look{Now: night}.Alerts(wire.Alerts{Alerts: []wire.AlertObject{alertOf("a", wire.AlertFiring, "warning", 0, tt.change)}}, nil, subject)
		if got := v.Now[0].Why; got != tt.want {
			t.Errorf("why = %q, want %q", got, tt.want)
		}
	}
}

func TestSilencesAndReceivers(t *testing.T) {
	at := night.Add(3 * time.Hour)
	v := view.Look{Now: night}.Alerts(wire.Alerts{
		Silences: []wire.Silence{
			{ID: "a", Of: "source/tank", Until: at, By: "Mara", Reason: "gearbox"}, {ID: "b", Of: "section/Plant/Line 1", Until: at, By: "Mara"},
			{ID: "c", Of: "upstream/plc", Until: at, By: "Mara"}, {ID: "d", Of: "all", Until: at, By: "Mara"},
			{ID: "e", Of: "job/office", Until: at, By: "Mara"}, {Of: "all", Until: at},
		},
		Receivers: []wire.Receiver{
			{Name: "mail", Kind: "mail", Waiting: 2, FailingSince: before(time.Hour), Error: new("POST http://x/y: 550 no such user")},
			{Name: "ops", Kind: "ntfy", ToldAt: before(time.Minute)}, {Name: "new", Kind: "http"},
		},
	}, nil, subject)
	var got []string
	for _, s := range v.Silences {
		got = append(got, fmt.Sprint(s.What, ", ", s.In, ", ", s.By, ", ", s.MayEnd))
	}
	for _, r := range v.Receivers {
		got = append(got, strings.TrimSpace(fmt.Sprint(r.Name, ", ", r.State, ", ", r.Text, ", ", r.Clock, " ", r.More)))
	}
	want := []string{
		"TANK, 3 h, Mara, true", "Everything in Plant/Line 1, 3 h, Mara, true", "Everything of plc, 3 h, Mara, true", "Everything, 3 h, Mara, true",
		"OFFICE, 3 h, Mara, false", "Everything, 3 h, the configuration, false",
		"mail, failing, 550 no such user, 02:12 2 messages wait", "ops, ok, told, 03:11", "new, idle, nothing told since the start,",
	}
	if !slices.Equal(got, want) {
		t.Errorf("there are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// happened is an event of so long ago.
func happened(ago time.Duration, kind, source, job, text string, data any) wire.Event {
	object, _ := json.Marshal(data)
	return wire.Event{ID: fmt.Sprint(int(ago)), Time: *before(ago), Kind: kind, Source: source, Job: job, Title: strings.ToUpper(source + job), Text: text, Data: object}
}

type is map[string]any

func TestEpisodesAndDeliveries(t *testing.T) {
	past := []wire.Event{
		happened(time.Minute, "alert", "c", "", "firing", is{"state": "firing"}), // it fires still
		happened(2*time.Minute, "told", "a", "", "", is{"receiver": "ops", "state": "resolved", "count": 1}),
		happened(3*time.Minute, "alert", "a", "", "resolved", is{"state": "resolved"}),
		happened(4*time.Minute, "alert", "", "", "section/x silenced", is{"state": "silenced", "of": "section/x"}),
		happened(5*time.Minute, "alert", "b", "", "resolved", is{"state": "resolved"}), // its beginning is not kept
		happened(6*time.Minute, "told", "", "", "", is{"receiver": "mail", "state": "firing", "count": 3, "again": "repeat", "error": "GET https://x: no"}),
		happened(51*time.Minute, "alert", "a", "", "firing", is{"state": "firing"}),
		happened(52*time.Minute, "alert", "a", "", "resolved", is{"state": "resolved"}),
		happened(53*time.Minute, "alert", "a", "", "firing", is{"state": "firing"}),
	}
	v := view.Look{Now: night}.Alerts(wire.Alerts{}, past, subject)
	var got []string
	for _, e := range v.Past {
		got = append(got, e.Title+" "+e.Clock+" "+e.Lasted)
	}
	for _, d := range v.Told {
		got = append(got, d.To+" "+d.Result+" "+d.What+" "+d.State+" "+d.Error)
	}
	want := []string{"B 03:07 ", "A 02:21 48 min", "A 02:19 60 s", "ops told A resolved ok ", "mail given up 3 alerts firing, again failing No"}
	if !slices.Equal(got, want) {
		t.Errorf("there were\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What is news says what happened to what; that a run began is none.
func TestRecent(t *testing.T) {
	var got []string
	for _, r := range (view.Look{Now: night}).Recent([]wire.Event{
		happened(time.Minute, "state", "a", "", "stale: no route", is{"state": "stale"}),
		happened(2*time.Minute, "alert", "a", "", "firing", is{"state": "firing"}),
		happened(3*time.Minute, "alert", "a", "", "source/a silenced until 4", is{"state": "silenced", "of": "source/a", "until": night.Add(time.Hour), "reason": "gearbox"}),
		happened(3*time.Minute, "alert", "", "", "the silence of section/x was ended", is{"state": "unsilenced", "of": "section/x/y"}),
		happened(4*time.Minute, "run", "", "b", "started", is{"status": "queued"}),
		happened(5*time.Minute, "run", "", "b", "failed after 3s", is{"status": "failed"}),
		happened(6*time.Minute, "told", "a", "", "ops was told", is{}),
		happened(7*time.Minute, "sign-in", "", "", "signed in", is{}),
		happened(8*time.Minute, "reload", "", "", "refused: x", is{"error": "x"}),
		happened(9*time.Minute, "replica", "", "", "b died", is{"state": "died"}),
		happened(10*time.Minute, "store", "", "", "state cannot be stored", is{"state": "failing"}),
		happened(11*time.Minute, "start", "", "", "started", is{}),
		happened(12*time.Minute, "alert", "a", "", "resolved", is{"state": "resolved"}),
		happened(13*time.Minute, "state", "a", "", "ok", is{"state": "ok"}),
	}) {
		got = append(got, r.Ago+" "+r.State+" "+r.Href+" "+r.Title+": "+r.Text)
	}
	want := []string{
		"60 s stale sources/a A: stale: no route", "2 min alert sources/a A: firing", "3 min silenced sources/a A: silenced until 04:12: gearbox",
		"3 min alert  Everything in x/y: no longer silenced",
		"5 min failing jobs/b B: failed after 3s", "8 min failing  Configuration: refused: x", "9 min lost  Replicas: b died",
		"10 min failing  State: state cannot be stored",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recent:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
