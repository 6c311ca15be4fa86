package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// A sourcePage is what /sources/NAME shows.
type sourcePage struct {
	Card        card
	Of          fixture.Source
	Past        fixture.Past
	Plot        *plot
	Days        []dayBar
	Shares      []share
	Polls       []pollRow
	Raw, Picked string
	Schedule    []field
	Path        []string
}

type dayBar struct {
	X             int
	OK, Bad, None float64 // heights of 32
	Y             float64 // where what was bad begins
	Title         string
}

var windows = map[string]string{"24h": "24 h", "7d": "7 d", "30d": "30 d", "365d": "365 d"}

// A share is how much of the known time a source was ok.
type share struct{ Over, OK, Rest string }

type pollRow struct {
	At, Took, Word, State, Error, Size string
	Width                              int // of its bar, of 60
}

func sourceView(file string, set fixture.Set, name string) view {
	i := slices.IndexFunc(set.Sources, func(s fixture.Source) bool { return s.Name == name })
	s := set.Sources[i]
	p := &sourcePage{Card: cardOf(s), Of: s, Past: fixture.PastOf(name), Path: strings.Split(s.Section, "/")}
	if name == "tank" {
		p.Plot = new(plotOf(p.Past))
	}
	for i, d := range p.Past.Availability.Days {
		bad := d.Failing + d.Stale
		b := dayBar{X: i * 10, OK: d.OK * 32, Bad: bad * 32, None: d.Unknown * 32, Title: d.From.Format("2 Jan") + ": " + fmt.Sprintf("%.1f %% ok", d.OK*100)}
		if bad > 0 {
			b.Bad = max(b.Bad, 6)
		}
		b.Y = 32 - b.Bad
		p.Days = append(p.Days, b)
	}
	for _, w := range p.Past.Availability.Windows {
		var rest []string
		for _, part := range []struct {
			of   float64
			word string
		}{{w.Stale, "stale"}, {w.Failing, "failing"}, {w.Unknown, "unknown"}} {
			if part.of > 0 {
				rest = append(rest, fmt.Sprintf("%.2f %% %s", part.of*100, part.word))
			}
		}
		ok := "–"
		if w.Availability != nil {
			ok = fmt.Sprintf("%.2f %%", *w.Availability)
		}
		p.Shares = append(p.Shares, share{windows[w.Window], ok, strings.Join(rest, ", ")})
	}
	for _, poll := range p.Past.Polls.Polls {
		row := pollRow{At: poll.At.Format("15:04:05"), Took: took(poll.Took), Word: "ok", State: "ok", Size: "–", Width: min(60, max(2, int(poll.Took*4000)))}
		if poll.Size != nil {
			row.Size = fmt.Sprintf("%d B", *poll.Size)
		}
		if poll.Error != nil {
			row.Word, row.State, row.Error = "failed", "failing", *poll.Error
		}
		p.Polls = append(p.Polls, row)
	}
	p.Picked = indented(s.Value)
	p.Raw = "40  0x03A6  u16 × 0.1  level   93.4\n41  0x002A  u16 × 0.1  inflow   4.2\n42  0x0009  bit 3      pump    true\n42  0x0009  bits 0–1   valve   open"
	if name != "tank" {
		p.Raw = "There never was an answer."
	}
	p.Schedule = []field{{"Kind", s.Kind + ", upstream " + s.Upstream}, {"Asks", s.Request}, {"Every", s.Every}, {"Next poll", next(s)}}
	if s.Pace != "" {
		p.Schedule[2].Value += ", because " + s.Pace
	}
	return view{name: file, template: "source", Tab: "overview", Set: set, Source: p, Title: p.Card.Title + ", " + p.Card.Word}
}

func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

// A jobPage is what /jobs/NAME shows.
type jobPage struct {
	Row  jobRow
	Of   fixture.Job
	Run  fixture.Run
	Past []pastRun
	Args []field
}

type pastRun struct {
	badge
	ID, At, Took, By, Text string
	Width                  int // of its bar, of 120
}

func jobView(file string, set fixture.Set, name string) view {
	j := set.Jobs[slices.IndexFunc(set.Jobs, func(j fixture.Job) bool { return j.Name == name })]
	p := &jobPage{Row: rowOf(j), Of: j}
	if k := slices.IndexFunc(set.Runs, func(r fixture.Run) bool { return r.Job == name }); k >= 0 {
		p.Run = set.Runs[k]
		p.Args = argsOf(p.Run)
	}
	longest := 1.0
	for _, o := range j.Strip {
		longest = max(longest, o.Took)
	}
	for _, o := range slices.Backward(j.Strip) {
		row := pastRun{badge: runWords[o.Status], ID: o.ID, At: clock(o.StartedAt), Took: took(o.Took), By: "timetable", Width: max(2, int(o.Took/longest*120))}
		if j.At == "" {
			row.By = "Jonas Weber"
		}
		if o.ID == p.Run.ID && p.Run.Error != nil {
			row.Text = sentence(*p.Run.Error)
		}
		p.Past = append(p.Past, row)
	}
	return view{name: file, template: "job-view", Tab: "jobs", Set: set, Job: p, Title: j.Title + ", " + p.Row.Word}
}

func argsOf(r fixture.Run) []field {
	var list []field
	for name, v := range r.Args {
		text := fmt.Sprint(v)
		if b, ok := v.(bool); ok {
			text = map[bool]string{true: "yes", false: "no"}[b]
		}
		list = append(list, field{name, text})
	}
	slices.SortFunc(list, func(a, b field) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// A runPage is what /runs/ID shows.
type runPage struct {
	Row    jobRow
	Job    fixture.Job
	Of     fixture.Run
	Facts  []field
	Args   []field
	Lines  []logLine
	Result string
}

type logLine struct {
	N     int
	At    string
	Text  string
	Error bool
}

func runView(file string, set fixture.Set, name string) view {
	j := set.Jobs[slices.IndexFunc(set.Jobs, func(j fixture.Job) bool { return j.Name == name })]
	r := set.Runs[slices.IndexFunc(set.Runs, func(r fixture.Run) bool { return r.Job == name })]
	p := &runPage{Row: rowOf(j), Job: j, Of: r, Args: argsOf(r)}
	by := "its timetable, " + j.At
	if r.By != "" {
		by = r.By
	}
	if r.Requests > 1 {
		by += fmt.Sprintf(" and %d others", r.Requests-1)
	}
	p.Facts = []field{{"Started by", by}, {"Started", clock(*r.StartedAt)}}
	if r.FinishedAt != nil {
		p.Facts = append(p.Facts, field{"Ended", clock(*r.FinishedAt) + ", after " + took(r.FinishedAt.Sub(*r.StartedAt).Seconds())})
	}
	if r.ExitCode != nil {
		p.Facts = append(p.Facts, field{"Exit status", fmt.Sprint(*r.ExitCode)})
	}
	if string(r.Result) != "null" {
		p.Result = indented(r.Result)
	}
	first := 1
	if r.Cut > 0 {
		first = 18_231
	}
	for i, l := range r.Log {
		p.Lines = append(p.Lines, logLine{first + i, l.At.Format("15:04:05"), l.Text, l.Error})
	}
	return view{name: file, template: "run", Tab: "jobs", Set: set, Run: p, Title: j.Title + ", " + p.Row.Word}
}
