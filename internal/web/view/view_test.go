package view_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/deptest"
	"github.com/tidewire/tidewire/internal/web/fixture"
	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
)

var update = flag.Bool("update", false, "write testdata/views.json anew")

func TestDependencies(t *testing.T) {
	deptest.Check(t, deptest.Forbidden{
		"github.com/tidewire/tidewire/internal/config": "a view is made of answers of the API",
	})
}

// plantOf is a plant as a page has it.
func plantOf(set fixture.Set) (sources []wire.Source, jobs []wire.JobObject) {
	for _, s := range set.Sources {
		sources = append(sources, s.Source)
	}
	return sources, set.Jobs
}

func look(now time.Time) view.Look { return view.Look{Now: now, Operate: true} }

// A page as testdata/views.json has it.
type page struct {
	Plant    string          `json:"plant"`
	Verdict  view.Verdict    `json:"verdict"`
	Sections []*view.Section `json:"sections"`
	Cards    []view.Card     `json:"cards"`
	Jobs     []view.JobRow   `json:"jobs"`
	Recent   []view.Recent   `json:"recent"`
}

// What is made of the plants is what views.json has: the test of the modules makes the same of the JSON of these plants, in UTC and for
// somebody who may operate, and compares with the same file.
func TestViews(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("[")
	for i, p := range []struct {
		name string
		set  fixture.Set
	}{{"13", fixture.Plant(13)}, {"60", fixture.Plant(60)}, {"calm 13", fixture.Calm(13)}, {"hostile", fixture.Hostile()}, {"numbers", fixture.Numbers()}} {
		is := page{Plant: p.name, Jobs: []view.JobRow{}}
		l := look(p.set.Now)
		sources, jobs := plantOf(p.set)
		for _, s := range sources {
			is.Cards = append(is.Cards, l.Card(s))
		}
		for _, j := range jobs {
			is.Jobs = append(is.Jobs, l.JobRow(j))
		}
		for _, e := range p.set.Events {
			is.Recent = append(is.Recent, l.Recent([]wire.Event{e})...)
		}
		is.Verdict, is.Sections = l.Verdict(sources, jobs), l.Sections(sources)
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n")
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(is); err != nil {
			t.Fatal(err)
		}
	}
	b.WriteString("]\n")
	is := bytes.ReplaceAll(b.Bytes(), []byte(`,{"key":`), []byte(",\n"+`{"key":`)) // a line for each: differences are read
	const file = "testdata/views.json"
	if *update {
		if err := os.WriteFile(file, is, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || !bytes.Equal(want, is) {
		t.Errorf("views are not those of %s (%v): run with -update, look at the difference, and have the modules follow", file, err)
	}
}

// Whatever values are: texts are short, and have nothing that steers them.
func TestHostileValuesAreShort(t *testing.T) {
	set := fixture.Hostile()
	sources, _ := plantOf(set)
	for _, s := range sources {
		c := look(set.Now).Card(s)
		texts := []string{c.Title, c.Value, c.Unit, c.Exact, c.Text, c.Note, c.Short}
		for _, f := range c.Fields {
			texts = append(texts, f.Name, f.Value)
		}
		for _, text := range texts {
			if len([]rune(text)) > 201 || strings.ContainsAny(text, "\u202e\u200b\u200d\ufeff") {
				t.Errorf("%s says %.80q... of %d bytes", s.Name, text, len(text))
			}
		}
		if len(c.Fields) > 4 || c.Table != nil && (len(c.Table.Head) > 3 || len(c.Table.Rows) > 3) {
			t.Errorf("%s has %d fields and the table %v", s.Name, len(c.Fields), c.Table)
		}
	}
}

// Among many, a section with sources alone begins closed. One with others below it does not: it would hide theirs.
func TestSectionsThatBeginClosed(t *testing.T) {
	var sources []wire.Source
	for i := range 200 {
		sources = append(sources, wire.Source{Name: strconv.Itoa(i), State: wire.SourceOK, Section: []string{"Plant", "Plant/Line 1", ""}[i%3]})
	}
	var got []string
	var walk func([]*view.Section)
	walk = func(all []*view.Section) {
		for _, s := range all {
			got = append(got, fmt.Sprintf("%q %v", s.Path, s.Open))
			walk(s.Parts)
		}
	}
	walk(look(fixture.Now).Sections(sources))
	if got, want := strings.Join(got, ", "), `"Plant" true, "Plant/Line 1" false, "" true`; got != want {
		t.Errorf("the sections are %s, want %s", got, want)
	}
}

func TestSpokenConditions(t *testing.T) {
	for condition, want := range map[string]string{
		".level > 90": "level > 90", ". > 90": "value > 90", ".>0.5": "value>0.5", ".[0] == 1.5": "value[0] == 1.5", "length(.) > 3 and (. | length) < .9": "length(value) > 3 and (value | length) < .9",
		".a.b < 1": "a.b < 1", "-.a+.b[0].c": "-a+b[0].c", "any(.[]; .ok)": "any(value[]; ok)", "": "",
	} {
		if got := view.Spoken(condition); got != want {
			t.Errorf("%q is spoken as %q, want %q", condition, got, want)
		}
	}
}

func TestTimesInWords(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip(err)
	}
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, zone) // the day has 23 hours
	l := view.Look{Now: now, Zone: zone}
	for want, at := range map[string]time.Time{
		"00:30":           time.Date(2026, 3, 29, 0, 30, 0, 0, zone),
		"yesterday 23:59": time.Date(2026, 3, 28, 23, 59, 0, 0, zone),
		"tomorrow 00:00":  time.Date(2026, 3, 30, 0, 0, 0, 0, zone),
		"Thu 10:00":       time.Date(2026, 4, 2, 10, 0, 0, 0, zone),
		"22 Mar 10:00":    time.Date(2026, 3, 22, 10, 0, 0, 0, zone),
	} {
		if got := l.Clock(at); got != want {
			t.Errorf("Clock(%v) = %q, want %q", at, got, want)
		}
	}
	for want, d := range map[string]time.Duration{"12 s": 12 * time.Second, "4 min": 4*time.Minute + 59*time.Second, "5 h 12 min": 312 * time.Minute, "9 days": 9 * 24 * time.Hour, "0 s": -time.Hour, "300 ms": 300 * time.Millisecond} {
		if got := view.Lasted(d); got != want {
			t.Errorf("Lasted(%v) = %q, want %q", d, got, want)
		}
	}
}

// The alert of a job counts when its newest run says nothing about it, and a job that somebody has acknowledged is not counted.
func TestAlertsOfJobs(t *testing.T) {
	now := fixture.Now
	job := func(status string, a *wire.Alert) wire.JobObject {
		j := wire.JobObject{Name: "backup", Title: "Back up", Allowed: true, Alert: a}
		if status != "" {
			j.LastRun = &wire.Run{ID: "R", StartedAt: &now, FinishedAt: &now, Message: "m"}
			_ = json.Unmarshal([]byte(`"`+status+`"`), &j.LastRun.Status)
		}
		return j
	}
	missed := func(a wire.Alert) *wire.Alert {
		a.State, a.Since, a.Reason = wire.AlertFiring, &now, wire.ReasonMissed
		return &a
	}
	acked := &wire.Acknowledged{At: now, By: "ann"}
	for _, c := range []struct {
		of          wire.JobObject
		word, calm  string
		parts, rows int
	}{
		{job("succeeded", nil), "succeeded", "All is well", 0, 0},
		{job("succeeded", missed(wire.Alert{})), "alert", "", 1, 1},
		{job("", missed(wire.Alert{})), "alert", "", 1, 1},
		{job("succeeded", missed(wire.Alert{Acknowledged: acked})), "acknowledged", "", 1, 1},
		{job("succeeded", missed(wire.Alert{Silenced: &wire.Silenced{Until: now}})), "silenced", "All is well", 0, 0},
		{job("failed", missed(wire.Alert{})), "failed", "", 1, 1},
		{job("failed", missed(wire.Alert{Acknowledged: acked})), "failed", "", 1, 1},
	} {
		v := look(now).Verdict(nil, []wire.JobObject{c.of})
		if got := view.JudgeJob(c.of).Word; got != c.word || v.Calm != c.calm || len(v.Parts) != c.parts || len(v.Rows) != c.rows {
			t.Errorf("the job is %q and the verdict %+v, want %q, %q, %d parts and %d rows", got, v, c.word, c.calm, c.parts, c.rows)
		}
	}
}

func BenchmarkOverview(b *testing.B) {
	set := fixture.Plant(500)
	sources, jobs := plantOf(set)
	b.ReportAllocs()
	for b.Loop() {
		l := look(set.Now)
		l.Verdict(sources, jobs)
		l.Sections(sources)
	}
}

// A number without decimals is rounded for people, and whole where it is exact.
func TestNumbersAreRounded(t *testing.T) {
	for number, want := range map[string]string{
		"61.36278649734441": "61.363", "55.150000000000006": "55.15", "42.68000000000001": "42.68", "-0.30000000000000004": "−0.3", "0.3333333333333333": "0.33333",
		"83333.33333333334": "83,333.33", "999999.9999999999": "1,000,000", "21.125": "21.125", "0.1234567890123": "0.12346", "9.999996": "10", "0.000123456789": "0.00012346",
		"1234567.89": "1,234,567.89", "19.90": "19.9", "1.0846": "1.0846", "0.29876": "0.29876", "100000.125": "100,000.12", "20230815": "20,230,815", "12345.0": "12,345", "2.5e7": "25,000,000",
		"1796025824": "1,796,025,824", "-9223372036854775808": "−9,223,372,036,854,775,808", "18446744073709551615": "18,446,744,073,709,551,615", "12345678.25": "12,345,678.25",
		"123456789012345.678": "123,456,789,012,345.67", "1234567890123456.7": "1.23×10¹⁵", "18446744073709551615000": "1.84×10²²",
		"-0.0": "0", "6.02e23": "6.02×10²³", "1.6e-19": "1.60×10⁻¹⁹",
	} {
		if got := view.Number(json.Number(number), nil, true); got != want {
			t.Errorf("%s is shown as %s, want %s", number, got, want)
		}
	}
	for _, number := range []string{"61.36278649734441", "55.150000000000006", "83333.33333333334", "0.000123456789", "1234567890123456789012"} {
		if exact := view.Number(json.Number(number), nil, false); strings.NewReplacer(",", "", "−", "-").Replace(exact) != number {
			t.Errorf("%s is %s where it is exact", number, exact)
		}
	}
	for number, want := range map[string]string{"-0.04": "0.0", "-0.06": "−0.1", "5": "5.0", "9007199254740993": "9,007,199,254,740,993", "123456789": "123,456,789.0"} {
		if got := view.Number(json.Number(number), new(1), true); got != want {
			t.Errorf("%s with a decimal is shown as %s, want %s", number, got, want)
		}
	}
}

// A source that is told its values is not asked, so nobody is offered to poll it.
func TestNobodyPollsWhatIsTold(t *testing.T) {
	now := time.Now()
	source := wire.Source{Key: "source/backup", Name: "backup", Kind: "nats", State: wire.SourceStale, Since: &now, Error: new("nothing has come for 1 min")}
	for told, want := range map[bool]string{true: "Silence", false: "Poll now"} {
		source.Told = told
		rows := look(now).Verdict([]wire.Source{source}, nil).Rows
		if len(rows) != 1 || rows[0].Act.Act != want {
			t.Errorf("told %t: %+v, want to be offered %s", told, rows, want)
		}
	}
}

// A list of runs says what each was about, and no secret.
func TestRunsTellWhatTheyAreOf(t *testing.T) {
	args := wire.Args{{Name: "host", Title: "Device"}, {Name: "mode", Default: "soft"}, {Name: "pin", Secret: true}, {Name: "note", Default: ""}}
	runs := []wire.Run{
		{Args: map[string]any{"host": "gate", "mode": "soft", "pin": "***", "note": ""}},
		{Args: map[string]any{"host": "door-1", "mode": "hard"}},
		{},
	}
	var got []string
	for _, row := range look(time.Now()).RunRows(runs, args) {
		got = append(got, row.Of)
	}
	if want := []string{"Device gate", "Device door-1, Mode hard", ""}; !slices.Equal(got, want) {
		t.Errorf("runs are of %q, want %q", got, want)
	}
}

// A job whose runs have warned has not just "none failed", and its list says of what.
func TestWarnedRunsAreCounted(t *testing.T) {
	warned, failed, good := wire.Outcome{Status: "succeeded", Warned: true}, wire.Outcome{Status: "failed"}, wire.Outcome{Status: "succeeded"}
	for want, strip := range map[string][]wire.Outcome{
		"Last 3 runs: none failed, 2 warned": {warned, good, warned},
		"Last 2 runs: 1 failed, 1 warned":    {failed, warned},
		"Last 2 runs: 1 failed":              {failed, good},
		"Last 1 run: none failed":            {good},
	} {
		if got := view.Summary(wire.JobObject{Strip: strip}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	runs := []wire.Run{{Status: "succeeded", Warned: true, Message: "2 of 14 disks are nearly full"}, {Status: "succeeded", Message: "all is well"}}
	if rows := look(time.Now()).RunRows(runs, nil); rows[0].Text != "2 of 14 disks are nearly full" || rows[1].Text != "" {
		t.Errorf("the rows are %+v", rows)
	}
}
