package view_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web/fixture"
	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

// sourceFacts are those of a source of the plant.
func sourceFacts(t *testing.T, set fixture.Set, name string) view.SourceFacts {
	t.Helper()
	i := slices.IndexFunc(set.Sources, func(s fixture.Source) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no source %q", name)
	}
	f := view.SourceFacts{Source: set.Sources[i].Source}
	past := fixture.PastOf(name)
	f.Availability, f.Polls = past.Availability, past.Polls.Polls
	f.Chart = view.ChartFacts{Source: f.Source, Kept: 31 * 24 * time.Hour, Field: "level", Numbers: past.History, Until: set.Now, Firing: past.Firing, If: ".level > 90"}
	return f
}

func TestThePageOfASource(t *testing.T) {
	set := fixture.Plant(13)
	f := sourceFacts(t, set, "tank")
	f.Alert = &view.AlertFacts{If: ".level > 90", For: time.Minute, Severity: "critical", Now: &wire.AlertObject{Alert: *f.Source.Alert, Told: []wire.Told{
		{To: "mail", State: wire.ToldWaiting, Error: new("connection refused")}, {To: "ops", State: wire.ToldDone, At: new(set.Now.Add(-12 * time.Minute))},
	}}}
	f.Timeout, f.StaleAfter = 2*time.Second, 5*time.Second
	p := look(set.Now).SourcePage(f)
	if p.Card.State != "alert" || fmt.Sprint(p.Path) != "[{Plant Plant} {Line 1 Plant/Line 1}]" {
		t.Errorf("the head is %s, %v", p.Card.State, p.Path)
	}
	var acts []string
	for _, act := range p.Acts {
		acts = append(acts, act.Method+" "+act.Do)
	}
	if got, want := strings.Join(acts, ", "), "post alerts/acknowledge, get alerts/silence, post sources/tank/refresh"; got != want {
		t.Errorf("one can %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(p.Alert), "[{Condition level > 90 for 60 s} {Severity critical} {Now fires, since 03:00} {Told mail waiting (connection refused), ops 03:00}]"; got != want {
		t.Errorf("the alert is %s, want %s", got, want)
	}
	if got := len(p.Polls); got != 20 || p.Polls[13].Word != "failed" || p.Polls[13].Error != "i/o timeout after 2 s" || p.Polls[13].Width != 60 {
		t.Errorf("%d polls, of which one is %+v", got, p.Polls[13])
	}
	if len(p.Days) != 30 || p.Days[0].OK != 0 || p.Days[29].Bad != 6 || p.Days[29].Text != "28 Nov: 94.60 % ok" || p.FirstDay != "30 Oct" {
		t.Errorf("the days are %+v", p.Days)
	}
	if got, want := fmt.Sprint(p.Shares[0]), "{24 h 94.62 % 77 min stale}"; strings.Replace(got, "1 h 17 min", "77 min", 1) != want {
		t.Errorf("the day was %s, want %s", got, want)
	}
	if len(look(set.Now).SourcePage(f).Acts) != 3 || len(view.Look{Now: set.Now}.SourcePage(f).Acts) != 0 {
		t.Error("the actions do not depend on who looks")
	}
}

func TestAChartInWords(t *testing.T) {
	set := fixture.Plant(13)
	c := sourceFacts(t, set, "tank").Chart
	got := look(set.Now).Chart(c)
	t.Log(got.Summary)
	for _, want := range []string{"Level over 24 h: between 6", " %. The alert fired 3 times, for 1 h 41 min in all. No data from yesterday "} {
		if !strings.Contains(got.Summary, want) {
			t.Errorf("the summary is %q, want %q in it", got.Summary, want)
		}
	}
	if want := `[{"at":90,"text":"alert above 90 %","bad":true},{"at":0,"text":"lowest 0 %","bad":false},{"at":100,"text":"highest 100 %","bad":false}]`; got.Limits != want {
		t.Errorf("the limits are %s, want %s", got.Limits, want)
	}
	var ranges []string
	for _, r := range got.Ranges {
		ranges = append(ranges, fmt.Sprint(r.Text, " ", r.Query, " ", r.Current))
	}
	if got, want := strings.Join(ranges, "; "), "1 h ?over=1h false; 24 h ?over=24h true; 7 d ?over=7d false; 31 d ?over=31d false"; got != want {
		t.Errorf("the ranges are %s, want %s", got, want)
	}
	c.Table, c.Field, c.If = true, "in & out", `.["in & out"] <= -1.5e3`
	table := look(set.Now).Chart(c)
	if len(table.Table) != 288 || table.Other != "?over=24h&field=in+%26+out" || !strings.Contains(table.Limits, "alert below −1500") {
		t.Errorf("%d rows, the chart is at %s, its limits %s", len(table.Table), table.Other, table.Limits)
	}
}

// Conditions that are not one comparison of the field with a number have no line, and a chart without numbers says why.
func TestWhatAChartDoesNotHave(t *testing.T) {
	now := fixture.Now
	for _, condition := range []string{"", ".level > 90 and .pump", ".level > .limit", ".inflow > 3", "(.level) > 1", `.["le\"vel"] > 1`, ".level == 3"} {
		c := view.ChartFacts{Field: "level", If: condition, Kept: time.Hour, Source: wire.Source{Show: wire.Show{Value: "level"}, UpdatedAt: &now}, Until: now,
			Numbers: wire.History{Fields: []string{"level"}, T: []int64{1}, V: wire.Numbers{1}, Min: wire.Numbers{1}, Max: wire.Numbers{1}}}
		if got := look(now).Chart(c); got.Limits != "[]" || len(got.Ranges) != 1 {
			t.Errorf("%q has the limits %s, and %d ranges", condition, got.Limits, len(got.Ranges))
		}
	}
	for want, c := range map[string]view.ChartFacts{
		"There is no value yet": {Kept: time.Minute},
		"have no numbers":       {Kept: time.Minute, Source: wire.Source{UpdatedAt: &now}},
		"the disk":              {Kept: time.Minute, Problem: "the disk"},
	} {
		if got := look(now).Chart(c).None; !strings.Contains(got, want) {
			t.Errorf("the chart says %q, want %q", got, want)
		}
	}
	empty := look(now).Chart(view.ChartFacts{Kept: 15 * time.Minute, Until: now, Numbers: wire.History{Fields: []string{""}, T: []int64{1}, V: wire.Numbers{math.NaN()}}})
	if empty.Summary != "Value over 15 min: no numbers." || now.Sub(empty.From) != 15*time.Minute {
		t.Errorf("the summary is %q from %v", empty.Summary, empty.From)
	}
}

// A source that keeps no numbers says what to do, where something can be done.
func TestWhyThereIsNoChart(t *testing.T) {
	now, rows := fixture.Now, []view.Named{{Name: "fleet/1", Badge: view.Badge{Rank: 10}}, {Name: "fleet/2", Badge: view.Badge{Rank: 3}}}
	for want, f := range map[string]view.SourceFacts{
		"This source keeps no numbers. With show: {history: 24h} in the configuration, it does.": {Source: wire.Source{Value: []byte(`{"a":"b","n":1}`), UpdatedAt: &now}},
		"The value has no numbers to draw.": {Source: wire.Source{Value: []byte(`["a"]`), UpdatedAt: &now}},
		"No numbers of this row are kept. With show: {history: 24h} of fleet in the configuration, those of all rows are.":        {RowOf: []view.Named{{Name: "fleet"}}},
		"The numbers of the rows are not kept, nor how many there are. With show: {history: 24h} in the configuration, both are.": {Rows: rows, Source: wire.Source{Value: []byte(`2`)}},
	} {
		if p := look(now).SourcePage(f); p.Chart.None != want || p.PollsTitle != "Polls" {
			t.Errorf("%q, %q, want %q", p.PollsTitle, p.Chart.None, want)
		}
	}
	if rows[0].Name != "fleet/1" {
		t.Error("the rows of whoever asks were sorted")
	}
	p := look(now).SourcePage(view.SourceFacts{Send: "curl", Rows: rows, Polls: []wire.Poll{{At: now}}})
	if p.PollsTitle != "Last value sent" || p.Rows[0].Name != "fleet/2" {
		t.Errorf("%q, %v: want what is not ok first", p.PollsTitle, p.Rows)
	}
}

// Whatever a value is, its page is bounded.
func TestHostileValuesOnThePageOfASource(t *testing.T) {
	set := fixture.Hostile()
	for _, s := range set.Sources {
		p := look(set.Now).SourcePage(sourceFacts(t, set, s.Name))
		if len(p.Picked) > 80<<10 || len(p.Values) > 101 || len(p.Error) > 4000 {
			t.Errorf("%s: %d bytes of JSON, %d values, an error of %d bytes", s.Name, len(p.Picked), len(p.Values), len(p.Error))
		}
		for _, f := range p.Values {
			if len(f.Value) > 2100 || len(f.Name) > 500 {
				t.Errorf("%s: a value of %d bytes", s.Name, len(f.Value))
			}
		}
	}
}
