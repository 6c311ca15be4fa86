package main

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/tidewire/tidewire/bench/figures"
)

// summary is what the command prints.
func summary(r *results, bars []figures.Bar) string {
	var out bytes.Buffer
	fmt.Fprintf(
		&out, "%s\n%s, commit %s, load average %s\n\n", r.fact("machine"), r.fact("go"), r.fact("commit"),
		figures.Range(r.facts["load"]),
	)
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, w := range workloads {
		for _, u := range w.units {
			fmt.Fprintf(table, "%s: %s\n", w.title, u.title)
			for _, row := range w.table(r, u) {
				fmt.Fprintf(table, "  %s\n", strings.Join(row, "\t"))
			}
			fmt.Fprintln(table)
		}
	}
	table.Flush()
	for _, b := range bars {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", b.Mark(), b.What, b.Got, b.Want)
	}
	table.Flush()
	return out.String()
}

// table returns the rows of a table, the head first: a series each, a size per column.
func (w *workload) table(r *results, u unit) [][]string {
	sizes := r.sizes(w.name)
	head := []string{""}
	for _, n := range sizes {
		head = append(head, axis(w.name)+"="+strconv.Itoa(n))
	}
	rows := [][]string{head}
	for _, s := range w.series {
		row := []string{title(s)}
		for _, n := range sizes {
			row = append(row, w.cell(r, u, s, n))
		}
		rows = append(rows, row)
	}
	return rows
}

func (w *workload) cell(r *results, u unit, series string, n int) string {
	v := r.at(w.name, series, n, u.name)
	cell := figures.Shown(v, u.format)
	if math.IsNaN(v) {
		return cell
	}
	if u.allocs {
		cell += " (" + figures.Shown(r.at(w.name, series, n, "allocs/op"), figures.Count) + ")"
	}
	if own := r.at(w.name, ours, n, u.name); u.ratio && series != ours && !math.IsNaN(own) {
		cell += " " + figures.Times(v/own)
	}
	return cell
}

// page is docs/benchmarks-smartpoll.md. It is long because the text of the page is in it.
func page(r *results, bars []figures.Bar) []byte {
	var out bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }

	p("# smartpoll beside its peers")
	p("")
	p(
		"This page is written by the command that measures: `cd bench && go run ./report`, some five minutes on two cores. It exits",
	)
	p(
		"with an error if a bar below is missed; `-quick` takes about a minute and writes nothing. `ci/bench.sh` runs the same",
	)
	p("benchmarks as `go test -bench` does. The code of each contender is in [bench/smartpoll](../bench/smartpoll).")
	p("")
	p("| | |")
	p("|---|---|")
	p("| Machine | %s |", r.fact("machine"))
	p("| Go | %s |", r.fact("go"))
	p("| Commit | %s, %s |", r.fact("commit"), r.fact("date"))
	p("| Peers | %s; time.AfterFunc of Go itself |", r.fact("peers"))
	p("| Load average | %s while measuring, the measurement itself included |", figures.Range(r.facts["load"]))
	if failed := r.facts["failed"]; len(failed) > 0 {
		p("| Failed | %s |", strings.Join(failed, ", "))
	}
	p("")
	p(
		"Every figure is the median of %s rounds; in a round each figure is measured once, in a process of its own. Figures on a",
		r.fact("rounds"),
	)
	p(
		"shared machine vary by a third and more: compare within a table, and ratios rather than nanoseconds. × is the contender's",
	)
	p("figure over smartpoll's in the same column, – is what was not measured or does not exist.")
	p("")
	p("## Bars")
	p("")
	p("%s", figures.BarTable(bars))
	if len(r.facts["baseline"]) > 0 {
		p("")
		p(
			"Commit %s is smartpoll before it got its options; %s pairs of runs, in turns, on one processor.",
			r.fact("baseline"), r.fact("pairs"),
		)
	}
	for _, w := range workloads {
		p("")
		p("## %s", w.title)
		p("")
		p("%s", w.about)
		if w.picture != "" {
			p("")
			p("![%s: %s by number of tasks, logarithmic](images/%s)", w.title, w.yLabel, w.picture)
		}
		for _, u := range w.units {
			p("")
			p("%s:", u.title)
			p("")
			p("%s", figures.Table(w.table(r, u)))
		}
	}
	p("")
	p("## What is not shown")
	p("")
	p(
		"- Tasks that do something. These do nothing, so that the scheduler is all there is to measure; a task that asks an",
	)
	p(
		"  upstream takes a thousand times as long as any cycle here, and then the differences are in what a scheduler can do.",
	)
	p("- More than two cores. A hook is exclusive, so hooks do not get faster with cores; tasks do.")
	p(
		"- What peers can do and smartpoll cannot: cron expressions of their own, schedules that survive a restart of the process,",
	)
	p("  several processes that share one schedule.")
	p(
		"- Equal work. The peers' guards against overlapping runs, and a mutex for the second stage, are the nearest to two stages",
	)
	p("  that they have; AfterFunc has no keys, errors, contexts or stop at all.")
	p("- go-quartz beyond 10,000 jobs: adding one walks all others, so that setting up takes longer than measuring.")
	p("- joeycumines/go-smartpoll itself, whose interface this is.")
	return out.Bytes()
}
