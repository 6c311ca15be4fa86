package view_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/web/view"
	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

var atNight = time.Date(2026, 11, 29, 3, 12, 44, 0, time.UTC)

func ago(d time.Duration) *time.Time { return new(atNight.Add(-d)) }

func TestTheHeadOfARun(t *testing.T) {
	l := look(atNight)
	took := 3.0
	failed := wire.Run{
		Status: progress.StatusFailed, Message: "segment 36 of 60", Error: new("exit status 3"), CreatedAt: *ago(12 * time.Minute),
		StartedAt: ago(12 * time.Minute), FinishedAt: ago(11*time.Minute + 19*time.Second),
		Stages: []wire.Stage{{Name: "Snapshot", StartedAt: *ago(12 * time.Minute), Took: &took}, {Name: "Copy", StartedAt: *ago(12 * time.Minute), Took: new(38.0)}},
	}
	h := l.RunHead(failed)
	if h.State != "failing" || h.Line != "Exit status 3" || h.Rest != "at: segment 36 of 60" || h.When != "03:01" || h.Took != "41 s" || h.Busy {
		t.Errorf("a failed run has the head %+v", h)
	}
	printed := failed
	printed.Message, printed.Output = "no such branch", "deploying\nno such branch\n"
	if h := l.RunHead(printed); h.Line != "Exit status 3: no such branch" || h.Rest != "" {
		t.Errorf("a run that has reported no progress has the head %+v", h)
	}
	if len(h.Stages) != 2 || h.Stages[0] != (view.Stage{"Snapshot", "ok", "3 s"}) || h.Stages[1] != (view.Stage{"Copy", "failing", "38 s"}) {
		t.Errorf("its stages are %+v, want the last one to have failed", h.Stages)
	}
	running := wire.Run{
		Status: progress.StatusRunning, Message: "94 of 254", StartedAt: ago(65 * time.Second), UpdatedAt: *ago(4 * time.Second), ETA: new(34.0),
		Stages: []wire.Stage{{Name: "Scan", StartedAt: *ago(61 * time.Second)}},
	}
	h = l.RunHead(running)
	if !h.Busy || h.Elapsed != "65 s" || h.Rest != "about 30 s left" || h.Stages[0] != (view.Stage{"Scan", "running", "61 s"}) {
		t.Errorf("a run in progress has the head %+v", h)
	}
	h = l.RunHead(wire.Run{Status: progress.StatusQueued, Position: 2, CreatedAt: *ago(time.Minute)})
	if !h.Busy || h.Line != "Waits for the end of 2 runs" || h.When != "03:11" || h.Begun != nil {
		t.Errorf("a queued run has the head %+v", h)
	}
}

func TestWhatIsKnownOfARun(t *testing.T) {
	l := look(atNight)
	facts := func(r wire.Run, timetable string) string {
		var all []string
		for _, f := range l.RunFacts(r, timetable, func(job string) string { return "the " + job }) {
			all = append(all, f.Name+": "+f.Text)
		}
		return strings.Join(all, "; ")
	}
	r := wire.Run{Trigger: wire.TriggerSchedule, Requests: 1, CreatedAt: *ago(time.Minute), StartedAt: ago(time.Minute)}
	if got, want := facts(r, "every day at 03:00"), "Started by: its timetable, every day at 03:00; Started: 03:11"; got != want {
		t.Errorf("a run of the timetable: %q, want %q", got, want)
	}
	r = wire.Run{After: &wire.RunRef{Job: "scan", ID: "A"}, Requests: 1, CreatedAt: *ago(0), StartedAt: ago(0), Then: []wire.RunRef{{Job: "report", ID: "B"}, {Job: "mail"}}}
	if got, want := facts(r, ""), "Started by: a run of the scan; Started: 03:12; Then: the report; Then: the mail, which did not start or is not kept"; got != want {
		t.Errorf("a run between others: %q, want %q", got, want)
	}
	r = wire.Run{Trigger: wire.TriggerAPI, By: "Mara", Requests: 3, CreatedAt: *ago(time.Hour), StartedAt: ago(time.Minute), ExitCode: new(3), Like: "R"}
	if got, want := facts(r, ""), "Started by: Mara and 2 others; Asked for: 02:12; Started: 03:11; Exit status: 3; As: an earlier run"; got != want {
		t.Errorf("a run that others joined: %q, want %q", got, want)
	}
}

// Values that try to break a page are shown as text, of a length that fits.
func TestHostileArgumentsAndResults(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	facts := view.ArgFacts(map[string]any{"b": true, "a": long, "n": 1e308, "s": "a\u202eb\x1b[31m"}, wire.Args{{Name: "n", Title: "Number"}})
	if facts[0].Name != "Number" || facts[0].Text != "1"+strings.Repeat("0", 308) || len([]rune(facts[1].Text)) > 500 || facts[2].Text != "yes" || strings.ContainsAny(facts[3].Text, "\u202e\x1b") {
		t.Errorf("the arguments are shown as %.600v", facts)
	}
	if got := view.Result(json.RawMessage(`{"a":"` + long + `"}`)); len(got) > 21_000 {
		t.Errorf("the result is shown with %d bytes", len(got))
	}
	if got, want := view.Result(json.RawMessage(`["\u003cb\u003e \u0026 \\u003c \u00e9"]`)), "[\n  \"<b> & \\\\u003c \\u00e9\"\n]"; got != want {
		t.Errorf("the result is %s, want %s", got, want)
	}
	if got := view.Result(json.RawMessage("null")); got != "" {
		t.Errorf("no result is shown as %q", got)
	}
}

// A form is filled in with what was given, and never with a secret.
func TestTheFormOfAJob(t *testing.T) {
	args := wire.Args{
		{Name: "wait", Type: "int", Default: 300.0, Min: new(50.0), Max: new(5000.0)},
		{Name: "mode", Type: "enum", Values: []string{"fast", "thorough"}, Default: "fast"},
		{Name: "log_all", Type: "bool", Default: true},
		{Name: "pin", Type: "string", Secret: true, Required: true},
	}
	got := view.ArgFields(args, nil, nil)
	want := []view.ArgField{
		{Name: "wait", Label: "Wait", Kind: "text", Mode: "numeric", Value: "300", Hint: "Whole number from 50 to 5000"},
		{Name: "mode", Label: "Mode", Kind: "choice", Value: "fast", Options: []string{"fast", "thorough"}},
		{Name: "log_all", Label: "Log all", Kind: "check", Checked: true},
		{Name: "pin", Label: "Pin", Kind: "password", Hint: "Never shown or logged", Required: true},
	}
	for i := range want {
		a, _ := json.Marshal(got[i])
		b, _ := json.Marshal(want[i])
		if string(a) != string(b) {
			t.Errorf("field %d is %s, want %s", i, a, b)
		}
	}
	got = view.ArgFields(args, map[string]any{"wait": json.Number("70"), "log_all": false, "pin": "12345"}, map[string]string{"wait": "Too small"})
	if got[0].Value != "70" || got[0].Problem != "Too small" || got[2].Checked || got[3].Value != "" {
		t.Errorf("what was given is shown as %+v", got)
	}
}
