package view

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
	"github.com/tidewire/tidewire/sse/progress"
)

// A Verdict answers whether all is well, and if not, what is not, since when, and why.
type Verdict struct {
	State string  `json:"state"` // of the worst
	Parts []Count `json:"parts"`
	Calm  string  `json:"calm"` // the sentence when nothing is wrong
	Rest  string  `json:"rest"` // what else there is to say, in one line
	Rows  []Need  `json:"rows"`
	More  int     `json:"more"`  // how many more there are
	Total int     `json:"total"` // how many need attention
	Quiet []Need  `json:"quiet"` // silenced, or about to alert: known
	Known []Count `json:"known"` // instead of Quiet, if there are many
}

// A Count is how many sources or jobs are in a state.
type Count struct {
	Badge
	N       int    `json:"n"`
	Text    string `json:"text"`
	Filter  string `json:"filter"` // what shows them alone: ?state=Filter
	Current bool   `json:"-"`      // they are shown alone

	Href string `json:"href"` // the page that shows them alone
}

// countOf is how many of a state there are; those of jobs are shown by the page of jobs.
func countOf(b Badge, n int, text, filter string) Count {
	c := Count{Badge: b, N: n, Text: text, Filter: filter, Href: "?state=" + filter}
	if filter == "failed" {
		c.Href = "jobs?show=failed"
	}
	return c
}

// A Need is something that needs attention, or is known to.
type Need struct {
	Key     string `json:"key"`
	State   string `json:"state"`
	Word    string `json:"word"`
	Href    string `json:"href"`
	Title   string `json:"title"`
	Section string `json:"section"`
	Value   string `json:"value"`
	Unit    string `json:"unit"`
	Cause   string `json:"cause"`
	Since   string `json:"since"` // for how long
	Clock   string `json:"clock"` // since when
	By      string `json:"by"`    // who has acknowledged it; empty: nobody
	Act
	at time.Time
}

const (
	mostRows  = 8 // of what needs attention are shown before "more"
	mostQuiet = 4 // are named; more are counted
)

// Count is how many sources and jobs the sentence of the verdict counts: all that need attention but those that somebody has
// acknowledged.
func (v Verdict) Count() int {
	n := 0
	for _, part := range v.Parts {
		n += part.N
	}
	return n
}

// Verdict looks at all sources and jobs.
func (l Look) Verdict(sources []wire.Source, jobs []wire.JobObject) Verdict {
	v := Verdict{Parts: []Count{}, Rows: []Need{}, Quiet: []Need{}, Known: []Count{}}
	counts := map[Badge]int{}
	fine, failed, seen := 0, 0, 0
	for _, s := range sources {
		switch b := Judge(s); {
		case b == ok:
			fine++
		case b.Needs:
			n := l.needOf(s)
			if v.Rows = append(v.Rows, n); n.By == "" {
				counts[b]++
			} else {
				seen++
			}
		case b.State != waiting.State:
			v.Quiet = append(v.Quiet, l.needOf(s))
		}
	}
	for _, j := range jobs {
		switch b := JudgeJob(j); {
		case b.Needs:
			n := l.needOfJob(j)
			switch v.Rows = append(v.Rows, n); {
			case n.By != "":
				seen++
			case b == alerting:
				counts[b]++
			default:
				failed++
			}
		case b == silenced:
			v.Quiet = append(v.Quiet, l.needOfJob(j))
		}
	}
	v.count(counts, failed, seen)
	v.finish(fine, len(sources), len(jobs))
	return v
}

// count words what is wrong, worst first. What somebody has acknowledged is not counted beside anything else.
func (v *Verdict) count(counts map[Badge]int, failed, seen int) {
	for b, n := range counts {
		c := countOf(b, n, b.Word, b.State)
		if n > 1 && strings.HasPrefix(c.Text, "alert") {
			c.Text = "alerts" + strings.TrimPrefix(c.Text, "alert")
		}
		v.Parts = append(v.Parts, c)
	}
	if failed > 0 {
		c := countOf(statuses[progress.StatusFailed], failed, "jobs failed", "failed")
		if failed == 1 {
			c.Text = "job failed"
		}
		v.Parts = append(v.Parts, c)
	}
	if len(v.Parts) == 0 && seen > 0 {
		v.Parts = append(v.Parts, countOf(acknowledged, seen, acknowledged.Word, acknowledged.State))
	}
	slices.SortFunc(v.Parts, func(a, b Count) int { return cmp.Or(a.Rank-b.Rank, strings.Compare(a.Text, b.Text)) })
}

// finish orders what was found, newest first and what somebody has acknowledged last, and words the rest.
func (v *Verdict) finish(fine, sources, jobs int) {
	slices.SortStableFunc(v.Rows, func(a, b Need) int {
		seen := func(n Need) int { return map[bool]int{true: 1}[n.By != ""] }
		return cmp.Or(seen(a)-seen(b), b.at.Compare(a.at))
	})
	if len(v.Quiet) > mostQuiet {
		v.Known, v.Quiet = tally(v.Quiet), []Need{}
	}
	v.Total = len(v.Rows)
	if len(v.Rows) > mostRows+2 {
		v.More, v.Rows = len(v.Rows)-mostRows, v.Rows[:mostRows]
	}
	if len(v.Parts) > 0 {
		v.State = v.Parts[0].State
		v.Rest = strconv.Itoa(fine) + " of " + Plural(sources, "source", "sources") + " ok"
		if sources == 0 && jobs > 0 {
			v.Rest = "of " + Plural(jobs, "job", "jobs")
		}
		return
	}
	v.State, v.Calm = "ok", "All is well"
	if sources == 0 && jobs > 0 {
		v.Rest = Plural(jobs, "job", "jobs") + ", none failed"
		return
	}
	v.Rest = Plural(sources, "source", "sources") + " ok"
	if jobs > 0 {
		v.Rest += ", " + Plural(jobs, "job", "jobs") + ", none failed"
	}
	if fine < sources {
		v.Rest = strconv.Itoa(fine) + " of " + v.Rest
	}
}

// tally is how many are in each state, in the order in which the states come.
func tally(all []Need) (counts []Count) {
	for _, n := range all {
		i := slices.IndexFunc(counts, func(c Count) bool { return c.State == n.State })
		if i < 0 {
			b := pending
			if n.State == silenced.State {
				b = silenced
			}
			i, counts = len(counts), append(counts, countOf(b, 0, b.Word, b.State))
		}
		counts[i].N++
	}
	return counts
}

// needOf is a source that needs attention, or is known to.
func (l Look) needOf(s wire.Source) Need {
	c := l.Card(s)
	n := Need{
		Key: c.Key, State: c.State, Word: c.Word, Href: c.Href, Title: c.Title, Section: c.Section, Value: c.Value, Unit: c.Unit,
		Cause: l.Cause(s), Since: c.Since, at: began(s),
	}
	if n.Value == "–" {
		n.Value = ""
	}
	l.attend(&n, s.Alert)
	if l.Operate {
		n.Act = Act{Act: "Silence", Do: "alerts/silence", Method: "get", Field: "of", With: s.Key}
		if (s.State == wire.SourceFailing || s.State == wire.SourceStale) && !s.Told {
			n.Act = Act{Act: "Poll now", Do: SourceHref(s.Name) + "/refresh", Method: "post"}
		}
	}
	return n
}

// needOfJob is a job that needs attention, or is known to.
func (l Look) needOfJob(j wire.JobObject) Need {
	r := l.JobRow(j)
	n := Need{Key: r.Key, State: r.State, Word: r.Word, Href: r.Href, Title: r.Title, Section: r.Section, Cause: jobCause(j)}
	if r.Rank == statuses[progress.StatusFailed].Rank {
		n.at = timeOf(j.LastRun.FinishedAt)
	} else {
		n.at = timeOf(j.Alert.Since)
	}
	if !n.at.IsZero() {
		n.Since = l.Since(n.at)
	}
	l.attend(&n, j.Alert)
	switch {
	case !j.Allowed:
	case j.LastRun != nil && JudgeRun(j.LastRun.Status, j.LastRun.Warned).Needs:
		n.Act = Act{Act: "Run again", Do: JobHref(j.Name) + "/run", Method: "post", Field: "like", With: j.LastRun.ID, Blocked: l.start(j).Blocked}
		if j.Confirm != "" || slices.ContainsFunc(j.Args, func(a wire.Arg) bool { return a.Secret }) { // what is secret is not kept
			n.Act.Method = "get"
		}
	default:
		n.Act = Act{Act: "Silence", Do: "alerts/silence", Method: "get", Field: "of", With: r.Key}
	}
	return n
}

// attend says since when, who has acknowledged an alert, and until when it is silenced.
func (l Look) attend(n *Need, a *wire.Alert) {
	if !n.at.IsZero() {
		n.Clock = l.Clock(n.at)
	}
	if a == nil {
		return
	}
	if a.Acknowledged != nil {
		n.By = who(a.Acknowledged.By)
	}
	if s := a.Silenced; s != nil && n.State == silenced.State {
		n.Cause = "until " + l.Clock(s.Until)
		if s.Reason != "" {
			n.Cause += ": " + s.Reason
		}
	}
}
