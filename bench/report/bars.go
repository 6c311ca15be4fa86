package main

import (
	"fmt"
	"math"
)

// bar is something that must hold.
type bar struct {
	what, want, got string
	met             bool
}

// judge holds the results to the bars. What was not measured is NaN, which meets none.
func judge(r *results) []bar {
	every := func(series string, n int, unit string) float64 { return r.at("Every10ms", series, n, unit) }
	reschedule := func(series string) float64 { return r.at("Schedule", series, 1000, "ns/op") }
	bars := []bar{
		ahead(r, yardstick),
		ahead(r, peers...),
		atMost("Hot cycle, slowest over fastest N", 2, times, spread(r, "HotCycle", ours)),
		atMost("Hot cycle, allocations", 3, count, most(r, "HotCycle", "allocs/op")),
		atMost("Schedule, allocations", 0, count, most(r, "Schedule", "allocs/op")),
		atLeast("Schedule among 1,000: time of the faster of gocron and robfig/cron, over smartpoll's", 20, times,
			min(reschedule("gocron"), reschedule("robfig"))/reschedule(ours)),
		atLeast("1,000 tasks every 10 ms: runs, of the ideal", 85, percent, every(ours, 1000, "%ideal")),
		atMost("1,000 tasks every 10 ms: lateness, 99th percentile", 5, milliseconds, every(ours, 1000, "p99-ms")),
		atLeast("10,000 tasks every 10 ms: runs, over AfterFunc's", 0.45, times,
			every(ours, 10_000, "runs/s")/every(yardstick, 10_000, "runs/s")),
		atLeast("10,000 tasks every 10 ms: runs, over gocron's", 10, times,
			every(ours, 10_000, "runs/s")/every("gocron", 10_000, "runs/s")),
		atMost("Delivery, allocations", 0, count, most(r, "Deliver", "allocs/op")),
		atMost("Delivery, slowest over fastest N", 2, times, spread(r, "Deliver", ours)),
		atMost("Delivery, slowest over fastest number of hooks", 2, times, spread(r, "Hooks", "deliver")),
		atMost("Memory of a scheduled task", 250, bytesOf, most(r, "Memory", "B/task")),
	}
	if len(r.facts["baseline"]) > 0 {
		for _, n := range pairSizes {
			bars = append(bars, atMost(fmt.Sprintf("Hot cycle among %s with no option used: processor time, over that of commit %s", count(float64(n)), r.fact("baseline")),
				1.1, times, r.at("Now", ours, n, "cpu-ns/op")/r.at("Before", ours, n, "cpu-ns/op")))
		}
	}
	return bars
}

func atLeast(what string, want float64, format func(float64) string, got float64) bar {
	return bar{what, "at least " + format(want), shown(got, format), got >= want}
}

func atMost(what string, want float64, format func(float64) string, got float64) bar {
	return bar{what, "at most " + format(want), shown(got, format), got <= want}
}

// ahead is the bar on the hot cycle: faster than each of others at every size.
func ahead(r *results, others ...string) bar {
	b := bar{what: "Hot cycle: time of " + others[0] + ", over smartpoll's", want: "above 1× at every N", got: shown(math.NaN(), times)}
	if len(others) > 1 {
		b.what = "Hot cycle: time of the fastest peer, over smartpoll's"
	}
	least := math.Inf(1)
	for _, n := range r.sizes("HotCycle") {
		for _, s := range others {
			lead := r.at("HotCycle", s, n, "ns/op") / r.at("HotCycle", ours, n, "ns/op")
			if lead < least {
				least = lead
				b.got = fmt.Sprintf("%s (%s, N=%s)", times(lead), title(s), count(float64(n)))
			}
		}
	}
	b.met = least > 1 && !math.IsInf(least, 1)
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
