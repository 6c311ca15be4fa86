package main

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/web/fixture"
)

// A verdict answers whether all is well, and if not, what is not, since when, and why.
type verdict struct {
	State string // of the worst
	Only  string // the state that the page is filtered by; empty: all are shown
	Lost  string // since when nothing is known; empty: it is
	Parts []count
	Calm  string // the sentence when nothing is wrong
	Rest  string // what else there is to say, in one line
	Rows  []need
	More  int
	Quiet []need  // silenced, paused: known and wanted
	Known []count // instead of Quiet, if there are many
}

type count struct {
	badge
	N      int
	Text   string
	Filter string // what shows them alone: ?state=Filter
}

// A need is something that needs attention.
type need struct {
	badge
	Href, Title, Section string
	Value, Unit          string
	Cause                string
	Since, Clock         string
	Act                  string // the word of its button
	Do                   string // the address that the button posts to
	By                   string // who has seen it
	at                   time.Time
}

// mostRows is how many rows of what needs attention are shown before "more".
const mostRows = 8

// judgeAll looks at everything.
func judgeAll(s fixture.Set) verdict {
	v := verdict{State: "ok"}
	counts := map[string]*count{}
	add := func(b badge, text string) {
		c := counts[text]
		if c == nil {
			c = &count{badge: b, Text: text, Filter: b.State}
			counts[text] = c
		}
		c.N++
	}
	ok, rest := 0, 0
	for _, src := range s.Sources {
		c := cardOf(src)
		n := need{badge: c.badge, Href: "sources/" + c.Name, Title: c.Title, Section: c.Section, Value: c.Value, Unit: c.Unit, Cause: cause(src),
			Since: c.Since, Clock: clock(c.At), at: c.At, Act: "Silence", Do: "api/v1/silences"}
		switch {
		case c.needs:
			if c.State != "acknowledged" { // somebody is on it: its row says so
				add(c.badge, c.Word)
			}
			if src.State == "failing" || src.State == "stale" {
				n.Act, n.Do = "Poll now", "api/v1/sources/"+c.Name+"/refresh"
			}
			if src.Alert != nil && src.Alert.Acked != nil {
				n.By = src.Alert.Acked.By
			}
			v.Rows = append(v.Rows, n)
		case c.State == "silenced":
			n.Cause = "until " + clock(src.Alert.Silence.Until) + ": " + src.Alert.Silence.Reason
			v.Quiet = append(v.Quiet, n)
		case c.State == "paused" || c.State == "pending":
			v.Quiet = append(v.Quiet, n)
		case c.State == "ok":
			ok++
		default:
			rest++
		}
	}
	failedJobs := 0
	for _, j := range s.Jobs {
		if b := judgeJob(j); b.needs {
			failedJobs++
			r := j.LastRun
			v.Rows = append(v.Rows, need{badge: b, Href: "jobs/" + j.Name, Title: j.Title, Section: j.Section, Cause: sentence(*r.Error),
				Since: since(*r.FinishedAt), Clock: clock(*r.FinishedAt), at: *r.FinishedAt, Act: "Run again", Do: "api/v1/jobs/" + j.Name + "/runs"})
		}
	}
	v.finish(counts, ok, failedJobs, len(s.Sources), len(s.Jobs))
	return v
}

// finish orders what was found and words it.
func (v *verdict) finish(counts map[string]*count, ok, failedJobs, sources, jobs int) {
	for _, c := range counts {
		v.Parts = append(v.Parts, *c)
	}
	if failedJobs > 0 {
		v.Parts = append(v.Parts, count{badge{"failing", "failed", 2, true}, failedJobs, map[bool]string{true: "job failed", false: "jobs failed"}[failedJobs == 1], "failed"})
	}
	slices.SortFunc(v.Parts, func(a, b count) int { return cmp.Or(a.rank-b.rank, strings.Compare(a.Text, b.Text)) })
	for i := range v.Parts {
		if p := &v.Parts[i]; p.N > 1 && strings.HasPrefix(p.Text, "alert") {
			p.Text = "alerts" + strings.TrimPrefix(p.Text, "alert")
		}
	}
	// Newest first; what somebody has acknowledged comes last.
	slices.SortStableFunc(v.Rows, func(a, b need) int {
		seen := func(n need) int { return map[bool]int{true: 1}[n.By != ""] }
		return cmp.Or(seen(a)-seen(b), b.at.Compare(a.at))
	})
	if len(v.Quiet) > 4 {
		for _, n := range v.Quiet {
			k := slices.IndexFunc(v.Known, func(c count) bool { return c.badge == n.badge })
			if k < 0 {
				k, v.Known = len(v.Known), append(v.Known, count{badge: n.badge})
			}
			v.Known[k].N++
		}
		v.Quiet = nil
	}
	if len(v.Rows) > mostRows+2 {
		v.More, v.Rows = len(v.Rows)-mostRows, v.Rows[:mostRows]
	}
	if len(v.Parts) > 0 {
		v.State = v.Parts[0].State
		v.Rest = strconv.Itoa(ok) + " of " + plural(sources, "source", "sources") + " ok"
		return
	}
	v.Calm = "All is well"
	v.Rest = plural(sources, "source", "sources") + " ok, " + plural(jobs, "job", "jobs") + ", none failed"
}

// A section is a part of the plant, with its parts.
type section struct {
	Name, Path string
	OK         int
	Depth      int
	State      string
	Counts     []count
	Total      int
	Cards      []card
	Parts      []*section
	Open       bool
}

// fewest is from how many sources on sections begin closed: as rooms, with a dot for each source.
const fewest = 100

// sections sorts cards into the sections that they name, in the order of the file.
func sections(all []fixture.Source) []*section {
	root := &section{}
	for _, s := range all {
		at := root
		path := ""
		for i, name := range strings.Split(s.Section, "/") {
			path = strings.TrimPrefix(path+"/"+name, "/")
			k := slices.IndexFunc(at.Parts, func(p *section) bool { return p.Name == name })
			if k < 0 {
				k = len(at.Parts)
				at.Parts = append(at.Parts, &section{Name: name, Path: path, Depth: i + 2, Open: true})
			}
			at = at.Parts[k]
		}
		at.Cards = append(at.Cards, cardOf(s))
	}
	for _, s := range root.Parts {
		s.roll(len(all) > fewest)
	}
	return root.Parts
}

// roll counts the states below s. With close, s begins closed if it has sources itself.
func (s *section) roll(close bool) map[badge]int {
	n := map[badge]int{}
	for _, c := range s.Cards {
		n[c.badge]++
	}
	for _, part := range s.Parts {
		for b, k := range part.roll(close) {
			n[b] += k
		}
	}
	for b, k := range n {
		s.Total += k
		if b.State == "ok" {
			s.OK += k
		} else {
			s.Counts = append(s.Counts, count{b, k, b.Word, b.State})
		}
	}
	slices.SortFunc(s.Counts, func(a, b count) int { return a.rank - b.rank })
	s.State = "ok"
	if len(s.Counts) > 0 && s.Counts[0].needs {
		s.State = s.Counts[0].State
	}
	s.Open = !close || len(s.Cards) == 0
	return n
}

// leaves are the sections that have sources themselves.
func leaves(all []*section) (list []*section) {
	for _, s := range all {
		if len(s.Cards) > 0 {
			list = append(list, s)
		}
		list = append(list, leaves(s.Parts)...)
	}
	return list
}

// In is the section that s is a part of; empty: none.
func (s *section) In() string {
	in, _ := strings.CutSuffix(s.Path, s.Name)
	return strings.ReplaceAll(strings.TrimSuffix(in, "/"), "/", " / ")
}

// Bad are the cards of s that are not ok.
func (s *section) Bad() (list []card) {
	for _, c := range s.Cards {
		if c.State != "ok" {
			list = append(list, c)
		}
	}
	return list
}

// A jobRow is all that a row shows of a job.
type jobRow struct {
	Name, Title, Section string
	badge
	Line    string
	Bad     bool
	When    string
	Next    string
	Strip   []bar
	Summary string // of the strip, in words
	Percent *float64
	Busy    bool
	Elapsed string
	Run     string // the word of the button
	Do      string // the address that it posts to
	Blocked string // why it cannot be pressed
}

func rowOf(j fixture.Job) jobRow {
	r := jobRow{Name: j.Name, Title: j.Title, Section: j.Section, badge: judgeJob(j), Strip: strip(j), Run: "Run", Do: "api/v1/jobs/" + j.Name + "/runs"}
	bad := 0
	for _, o := range j.Strip {
		if runWords[o.Status].needs {
			bad++
		}
	}
	r.Summary = "Last " + plural(len(j.Strip), "run", "runs") + ": " + plural(bad, "failed", "failed")
	if bad == 0 {
		r.Summary = "Last " + plural(len(j.Strip), "run", "runs") + ": none failed"
	}
	if j.NextAt != nil {
		r.Next = "next " + clock(*j.NextAt)
	}
	if j.AvailableAt != nil {
		r.Run, r.Blocked = "in "+until(*j.AvailableAt), "its limit allows a start in "+until(*j.AvailableAt)
	}
	run := j.LastRun
	if run == nil {
		return r
	}
	switch run.Status {
	case "running":
		r.Run, r.Do = "Cancel", "api/v1/runs/"+run.ID+"/cancel"
		r.Busy, r.Percent, r.Elapsed, r.Line = true, run.Percent, since(*run.StartedAt), run.Message
		if run.ETA != nil {
			r.Elapsed += ", about " + lasted(time.Duration(*run.ETA)*time.Second) + " left"
		}
		return r
	case "queued":
		r.Line = run.Message
		return r
	}
	r.Line = run.Message
	if run.Error != nil {
		r.Line, r.Bad = sentence(*run.Error), true
	}
	r.When = clock(*run.FinishedAt) + ", took " + lasted(run.FinishedAt.Sub(*run.StartedAt))
	return r
}
