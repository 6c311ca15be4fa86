package main

import (
	"encoding/json"
	"html/template"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// A view is one page that is drawn.
type view struct {
	name, template string
	width          int  // the only width of its picture; 0: all
	fits           bool // it is as high as the screen

	Title   string // of the document
	Tab     string // which of overview, jobs, alerts is shown
	Density string
	Filter  string // what is shown, if it is not all
	Kiosk   bool
	Band    *band // what is said above everything
	Set     fixture.Set
	Verdict verdict
	Parts   []*section
	Jobs    []jobRow
	Source  *sourcePage
	Job     *jobPage
	Run     *runPage
	Rooms   []*section // of the kiosk: what fits
}

// Connection is what the head says of the connection; nil: nothing.
func (v view) Connection() *badge {
	switch {
	case v.template == "sign-in":
		return nil
	case v.template == "signed-out":
		return &badge{State: "cancelled", Word: "Signed out"}
	case v.Band != nil && v.Band.State == "lost":
		return &badge{State: "lost", Word: "Reconnecting"}
	case v.Band != nil && v.Band.State == "paused":
		return &badge{State: "paused", Word: "Paused"}
	}
	return &badge{State: "live", Word: "Live"}
}

// A band is a message of the page about itself.
type band struct{ State, Text, More, Act string }

func jsonInt(n int) json.Number { return json.Number(strconv.Itoa(n)) }

var functions = template.FuncMap{
	"kb":    func(n int64) string { return number(jsonInt(int(n/1000)), nil, false) + " kB" },
	"clock": clock, "since": since, "until": until, "took": took,
	"dict": func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return m
	},
	"spoken": spoken, "sentence": sentence, "judge": judge,
	"titles": func(s fixture.Set, keys []string) string {
		var list []string
		for _, key := range keys {
			title := strings.ReplaceAll(strings.TrimPrefix(key, "section/"), "/", " / ")
			for _, src := range s.Sources {
				if src.Key == key {
					title = src.Title
				}
			}
			list = append(list, title)
		}
		return strings.Join(list, ", ")
	},
	"alertBadge": func(s fixture.Source) badge { // whatever the source is besides
		s.State = "ok"
		return judge(s)
	},
	"now": func() string { return fixture.Now.Format("15:04:05") },
	"seq": func(n int) []int { return make([]int, n) },
	"add": func(a, b int) int { return a + b },
	"event": func(to string) string {
		return map[string]string{"firing": "alert", "failed": "failing", "resolved": "ok"}[to]
	},
}

// overview is the first view of a plant.
func overview(name string, s fixture.Set, density string) view {
	v := view{name: name, template: "overview", Tab: "overview", Density: density, Set: s, Verdict: judgeAll(s), Parts: sections(s.Sources), Title: "Tidewire"}
	for _, j := range s.Jobs {
		v.Jobs = append(v.Jobs, rowOf(j))
	}
	if n := len(v.Verdict.Rows) + v.Verdict.More; n > 0 {
		v.Title = "(" + strconv.Itoa(n) + ") Tidewire"
	}
	return v
}

// with changes a view.
func (v view) with(change func(*view)) view {
	change(&v)
	return v
}

func views() []view {
	few, all := fixture.Plant(13), []view{}
	add := func(v view) { all = append(all, v) }
	add(overview("overview-13", few, "cards"))
	add(overview("overview-60", fixture.Plant(60), "cards"))
	add(overview("calm-13", fixture.Calm(13), "cards"))
	add(overview("calm-60", fixture.Calm(60), "cards"))
	add(overview("rows-60", fixture.Plant(60), "rows"))
	add(overview("tiles-2000", fixture.Plant(2000), "tiles"))
	add(overview("tiles-500", fixture.Plant(500), "tiles"))
	add(overview("hostile", fixture.Hostile(), "cards"))
	add(overview("jobs", few, "").with(func(v *view) { v.template, v.Tab = "jobs", "jobs" }))
	add(overview("alerts", few, "").with(func(v *view) { v.template, v.Tab = "alerts", "alerts" }))
	add(sourceView("source-tank", few, "tank"))
	add(sourceView("source-labeller", few, "labeller"))
	add(jobView("job-backup", few, "backup"))
	add(jobView("job-discover", few, "discover"))
	add(runView("run-discover", few, "discover"))
	add(runView("run-backup", few, "backup"))
	add(view{name: "sign-in", template: "sign-in", Title: "Sign in to Tidewire"})
	add(view{name: "skeleton", template: "skeleton", Tab: "overview", Density: "cards", Title: "Tidewire"})
	add(view{name: "empty", template: "empty", Tab: "overview", Title: "Tidewire"})
	lastKnown := judgeAll(few)
	lastKnown.Lost = "03:11:58"
	lost := fixture.Plant(13)
	for i := range lost.Sources {
		lost.Sources[i] = unknownNow(lost.Sources[i])
	}
	add(overview("lost", lost, "cards").with(func(v *view) {
		v.Verdict = lastKnown
		v.Band = &band{"lost", "No connection since 03:11:58", "What you see is 46 s old. Trying again in 4 s.", "Try now"}
	}))
	add(overview("paused", few, "cards").with(func(v *view) {
		v.Band = &band{"paused", "Values are held since 03:11:58", "States and alerts stay live.", "Resume"}
	}))
	add(overview("config", few, "cards").with(func(v *view) {
		v.Band = &band{"failing", "tidewire.yaml cannot be loaded", `Line 7, column 5: unknown key "evry" in source "tank", did you mean "every"? The previous configuration stays in effect.`, "Show all 3"}
	}))
	add(overview("signed-out", few, "cards").with(func(v *view) { v.template = "signed-out" }))
	add(filtered(fixture.Plant(60)))
	add(overview("run-dialog", few, "").with(func(v *view) { v.template, v.Tab = "run-dialog", "jobs" }))
	add(overview("silence-dialog", few, "").with(func(v *view) { v.template, v.Tab = "silence-dialog", "alerts" }))
	add(overview("help", few, "cards").with(func(v *view) { v.template = "help" }))
	add(overview("elsewhere", few, "").with(func(v *view) { v.template = "elsewhere" }))
	add(view{name: "gone", template: "gone", Tab: "jobs", Title: "Not found"})
	for name, s := range map[string]fixture.Set{"kiosk-13": few, "kiosk-calm": fixture.Calm(60), "kiosk-500": fixture.Plant(500)} {
		add(overview(name, s, "tiles").with(func(v *view) {
			v.template, v.Kiosk, v.width, v.fits, v.Rooms = "kiosk", true, 1920, true, leaves(v.Parts)
		}))
	}
	add(overview("kiosk-lost", lost, "tiles").with(func(v *view) {
		v.Verdict = lastKnown
		v.template, v.Kiosk, v.width, v.fits, v.Rooms = "kiosk", true, 1920, true, leaves(v.Parts)
		v.Band = &band{"lost", "No connection since 03:11:58", "Everything below is 46 s old.", ""}
	}))
	return all
}

// unknownNow is a source as a page shows it that has not heard of it for 46 s: it ages by the clock of the page.
func unknownNow(s fixture.Source) fixture.Source {
	if s.UpdatedAt != nil {
		s.UpdatedAt = new(s.UpdatedAt.Add(-46 * time.Second))
	}
	if s.StaleAt != nil && s.State == "ok" && s.Paused == nil {
		s.State, s.Cause, s.Since = "stale", "No connection to the gateway", fixture.Now.Add(-46*time.Second)
	}
	if s.Paused == nil {
		s.NextAt, s.Waiting = nil, "not known"
	}
	return s
}

// filtered is the page of ?state=failing.
func filtered(all fixture.Set) view {
	v := overview("filtered", all, "cards")
	some := all
	some.Sources = nil
	for _, s := range all.Sources {
		if judge(s).State == "failing" {
			some.Sources = append(some.Sources, s)
		}
	}
	v.Verdict.Only = "failing"
	v.Parts, v.Filter = sections(some.Sources), strconv.Itoa(len(some.Sources))+" of 60: failing"
	return v
}

// A label is a badge for other pages: white on dark, its colours are fixed because nobody knows what it stands on.
type label struct {
	ID, Name, Text, Fill                   string
	Width, Left, Right                     int
	MidLeft, MidRight, TextLeft, TextRight int
}

// Badges are those of /badge/NAME.svg: the value, the state, and how available it was.
func (v view) Badges() (list []label) {
	for i, b := range [][3]string{{"Tank T-101", "✗ alert, 93.4 %", "#a51d16"}, {"Filler 1", "✓ 412 bottles/min", "#146c3c"},
		{"Weather, harbour", "◷ stale, 14 min", "#875300"}, {"Tank T-101", "99.71 % of 30 days", "#146c3c"}, {"Orders backlog", "paused", "#566270"}} {
		left, right := 7*len([]rune(b[0])), 7*len([]rune(b[1]))
		list = append(list, label{strconv.Itoa(i), b[0], b[1], b[2], left + right + 24, left + 12, right + 12, left/2 + 6, left + right/2 + 18, left, right})
	}
	return list
}
