//go:build linux

package main

import (
	"math"
	"slices"

	"github.com/tidewire/tidewire/bench/figures"
)

// results are those of a run, and the facts about it.
type results struct {
	Quick                                  bool
	Machine, Go, Commit, Date, Peers, Took string
	Load                                   []string // averages, before each job
	Measured                               []measured
}

// of returns the outcomes of a figure: the undisturbed ones, or all if there is none.
func (r *results) of(workload, subject string, n int) (outcomes []measured, disturbed bool) {
	for _, m := range r.Measured {
		if m.Job.Workload == workload && m.Job.Subject == subject && m.Job.N == n && m.Error == "" {
			outcomes = append(outcomes, m)
		}
	}
	quiet := slices.DeleteFunc(slices.Clone(outcomes), func(m measured) bool { return m.Others > disturbance })
	if len(quiet) > 0 {
		return quiet, false
	}
	return outcomes, true
}

// disturbed reports whether there is no undisturbed outcome.
func (r *results) disturbed(workload, subject string, n int) bool {
	_, disturbed := r.of(workload, subject, n)
	return disturbed
}

// at returns the median of a value, NaN if it was not measured.
func (r *results) at(workload, subject string, n int, name string) float64 {
	outcomes, _ := r.of(workload, subject, n)
	var values []float64
	for _, m := range outcomes {
		if v, ok := m.Values[name]; ok {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// least is the smallest of the values of several subjects, of those that have one.
func (r *results) least(workload string, n int, name string, subjects ...string) float64 {
	least := math.Inf(1)
	for _, s := range subjects {
		if v := r.at(workload, s, n, name); v < least {
			least = v
		}
	}
	if math.IsInf(least, 1) {
		return math.NaN()
	}
	return least
}

// has reports whether a workload was measured on a subject, successfully or not.
func (r *results) has(workload, subject string) bool {
	return slices.ContainsFunc(
		r.Measured, func(m measured) bool { return m.Job.Workload == workload && m.Job.Subject == subject },
	)
}

// title is the name of a subject for a reader.
func title(name string) string {
	for _, s := range subjects {
		if s.name == name {
			return s.title
		}
	}
	if name == rawLoop {
		return "write(2) in a loop"
	}
	return name
}

// colour is that of a subject in pictures.
func colour(name string) string {
	for i, s := range subjects {
		if s.name == name {
			return figures.Palette[i]
		}
	}
	return "#888888"
}

// compare draws a value of several subjects.
func compare(
	r *results, heading, workload string, n int, name string, format func(float64) string, subjects []string,
) []byte {
	c := figures.BarChart{Title: heading, Format: format}
	for _, s := range subjects {
		if v := r.at(column{workload: workload}.of(s), s, n, name); !math.IsNaN(v) {
			c.Values = append(c.Values, figures.Value{Name: title(s), Colour: colour(s), V: v})
		}
	}
	return c.SVG()
}

// overTime draws the series of a workload.
func overTime(r *results, heading, label, workload string, n int, format func(float64) string) []byte {
	c := figures.Chart{Title: heading, X: figures.Axis{Label: "seconds", Linear: true, Format: figures.Count},
		Y: figures.Axis{Label: label, Linear: true, Format: format}}
	for _, s := range libraries {
		l := figures.Line{Name: title(s), Colour: colour(s), Bold: slices.Contains(ours, s)}
		if outcomes, _ := r.of(workload, s, n); len(outcomes) > 0 {
			for _, p := range outcomes[0].Series {
				l.Points = append(l.Points, figures.Point(p))
			}
		}
		c.Lines = append(c.Lines, l)
	}
	return c.SVG()
}
