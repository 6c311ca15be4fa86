package view

import (
	"strconv"

	"github.com/tidewire/tidewire/internal/wire"
)

// An Overview is all sources and jobs, or those that a filter lets pass.
type Overview struct {
	Verdict  Verdict
	Filter   Filter
	Found    string // how many sources the filter lets pass; empty: there is no filter
	Density  string // Cards, Rows or Tiles
	Sections []*Section
	Jobs     []JobRow
	Recent   []Recent
	Operate  bool // whoever looks may do what is about no job
}

// Overview lays out all sources and jobs, or those that f lets pass; the state in f is one of sources. An empty density is the one that
// fits.
func (l Look) Overview(sources []wire.Source, jobs []wire.JobObject, f Filter, density string) Overview {
	o := Overview{Verdict: l.Verdict(sources, jobs), Filter: f, Density: density, Operate: l.Operate}
	some := sources
	if f.On() {
		some = nil
		for _, s := range sources {
			if f.Matches(s.Name, s.Title, s.Section, Judge(s)) {
				some = append(some, s)
			}
		}
		o.Found = strconv.Itoa(len(some)) + " of " + strconv.Itoa(len(sources)) + ": " + f.Words()
		if f.State != "" { // the list is what was asked for
			o.Verdict.Rows, o.Verdict.More, o.Verdict.Quiet, o.Verdict.Known = nil, 0, nil, nil
		}
		for i := range o.Verdict.Parts {
			o.Verdict.Parts[i].Current = o.Verdict.Parts[i].Filter == f.State
		}
	}
	if density != Cards && density != Rows && density != Tiles {
		o.Density = DensityOf(len(some))
	}
	if o.Sections = l.Sections(some); f.On() {
		open(o.Sections)
	}
	for _, j := range jobs {
		if (Filter{Q: f.Q, Section: f.Section}).Matches(j.Name, j.Title, j.Section, JudgeJob(j)) {
			o.Jobs = append(o.Jobs, l.JobRow(j))
		}
	}
	return o
}

// open opens all sections: what was searched for is seen.
func open(all []*Section) {
	for _, s := range all {
		s.Open = true
		open(s.Parts)
	}
}
