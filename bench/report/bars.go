package main

import (
	"fmt"
	"math"

	"github.com/tidewire/tidewire/bench/figures"
)

// evaluate compares the results with the bars. Values that were not measured are NaN, which meets no bar.
func evaluate(r *results) []figures.Bar {
	every := func(series string, n int, unit string) float64 { return r.at("Every10ms", series, n, unit) }
	reschedule := func(series string) float64 { return r.at("Schedule", series, 1000, "ns/op") }
	bars := []figures.Bar{
		ahead(r, yardstick),
		ahead(r, peers...),
		figures.AtMost("Hot cycle, slowest over fastest N", 2, figures.Times, spread(r, "HotCycle", ours)),
		figures.AtMost("Hot cycle, allocations", 3, figures.Count, most(r, "HotCycle", "allocs/op")),
		figures.AtMost("Schedule, allocations", 0, figures.Count, most(r, "Schedule", "allocs/op")),
		figures.AtLeast(
			"Schedule among 1,000: time of the faster of gocron and robfig/cron, over smartpoll's", 20, figures.Times,
			min(reschedule("gocron"), reschedule("robfig"))/reschedule(ours),
		),
		figures.AtLeast(
			"1,000 tasks every 10 ms: runs, of the ideal", 85, figures.Percent, every(ours, 1000, "%ideal"),
		),
		figures.AtMost(
			"1,000 tasks every 10 ms: lateness, 99th percentile", 5, figures.Milliseconds, every(ours, 1000, "p99-ms"),
		),
		figures.AtLeast("10,000 tasks every 10 ms: runs, over AfterFunc's", 0.75, figures.Times,
			every(ours, 10_000, "runs/s")/every(yardstick, 10_000, "runs/s")),
		figures.AtLeast("10,000 tasks every 10 ms: runs, over gocron's", 10, figures.Times,
			every(ours, 10_000, "runs/s")/every("gocron", 10_000, "runs/s")),
		figures.AtMost("Delivery, allocations", 0, figures.Count, most(r, "Deliver", "allocs/op")),
		figures.AtMost("Delivery, slowest over fastest N", 2, figures.Times, spread(r, "Deliver", ours)),
		figures.AtMost(
			"Delivery, slowest over fastest number of hooks", 2, figures.Times, spread(r, "Hooks", "deliver"),
		),
		figures.AtMost("Memory of a scheduled task", 250, figures.Bytes, most(r, "Memory", "B/task")),
	}
	if len(r.facts["baseline"]) > 0 {
		for _, n := range pairSizes {
			bars = append(
				bars,
				figures.AtMost(
					fmt.Sprintf(
						"Hot cycle among %s with no option used: processor time, over that of commit %s",
						figures.Count(float64(n)), r.fact("baseline"),
					),
					1.1, figures.Times, r.at("Now", ours, n, "cpu-ns/op")/r.at("Before", ours, n, "cpu-ns/op"),
				),
			)
		}
	}
	return bars
}

// ahead is the bar on the hot cycle: faster than each of others at every size.
func ahead(r *results, others ...string) figures.Bar {
	b := figures.Bar{
		What: "Hot cycle: time of " + others[0] + ", over smartpoll's",
		Want: "above 1× at every N",
		Got:  figures.Shown(math.NaN(), figures.Times),
	}
	if len(others) > 1 {
		b.What = "Hot cycle: time of the fastest peer, over smartpoll's"
	}
	least := math.Inf(1)
	for _, n := range r.sizes("HotCycle") {
		for _, s := range others {
			lead := r.at("HotCycle", s, n, "ns/op") / r.at("HotCycle", ours, n, "ns/op")
			if lead < least {
				least = lead
				b.Got = fmt.Sprintf("%s (%s, N=%s)", figures.Times(lead), title(s), figures.Count(float64(n)))
			}
		}
	}
	b.Met = least > 1 && !math.IsInf(least, 1)
	return b
}

// spread is by how much the time at the slowest size is above that at the fastest.
func spread(r *results, workload, series string) float64 {
	least, most := math.Inf(1), math.Inf(-1)
	for _, n := range r.sizes(workload) {
		v := r.at(workload, series, n, "ns/op")
		least, most = min(least, v), max(most, v)
	}
	return most / least
}

// most is smartpoll's largest value over the sizes.
func most(r *results, workload, unit string) float64 {
	most := math.Inf(-1)
	for _, n := range r.sizes(workload) {
		most = max(most, r.at(workload, ours, n, unit))
	}
	if math.IsInf(most, -1) {
		return math.NaN()
	}
	return most
}
