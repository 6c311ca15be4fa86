package main

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/bench/figures"
)

func TestParse(t *testing.T) {
	r, err := parse(strings.NewReader(`machine: a machine: with a colon
load: 0.50
BenchmarkSchedule/go-quartz/n=1000-2         	  100	 30 ns/op	  8 B/op	  1 allocs/op
load: 1.25
BenchmarkSchedule/go-quartz/n=1000-2         	  100	 10 ns/op	  8 B/op	  1 allocs/op
BenchmarkSchedule/go-quartz/n=1000-2         	  100	 20 ns/op	  8 B/op	  1 allocs/op
BenchmarkHooks/cycle/hooks=0  	  100	 10 ns/op
BenchmarkHooks/cycle/hooks=0  	  100	 20 ns/op
PASS
`))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		got, want float64
	}{
		{r.at("Schedule", "go-quartz", 1000, "ns/op"), 20},
		{r.at("Schedule", "go-quartz", 1000, "allocs/op"), 1},
		{r.at("Hooks", "cycle", 0, "ns/op"), 15},
	} {
		if test.got != test.want {
			t.Errorf("median = %v, want %v", test.got, test.want)
		}
	}
	if got := r.at("Schedule", "go-quartz", 10, "ns/op"); !math.IsNaN(got) {
		t.Errorf("median of nothing = %v, want NaN", got)
	}
	if got, want := r.fact("machine"), "a machine: with a colon"; got != want {
		t.Errorf("fact = %q, want %q", got, want)
	}
	if got, want := figures.Range(r.facts["load"]), "0.5 to 1.2"; got != want {
		t.Errorf("Range() = %q, want %q", got, want)
	}
	for _, bad := range []string{"BenchmarkX/y/n=1 1 nothing ns/op", "BenchmarkX/y/n=1 1 5", "BenchmarkX/y 1 5 ns/op", "BenchmarkX/y/n=many 1 5 ns/op", "Benchmark"} {
		if _, err := parse(strings.NewReader(bad)); err == nil {
			t.Errorf("parse(%q) succeeded, want an error", bad)
		}
	}
}

// measured returns results that meet every bar, some of them just so.
func measured() *results {
	r := &results{facts: map[string][]string{"baseline": {"abc"}, "load": {"1"}}, values: map[figure]map[string][]float64{}}
	for _, n := range []int{10, 1000, 10_000} {
		r.set("HotCycle", ours, n, "ns/op", 100+float64(n)/100) // up to twice
		r.set("HotCycle", ours, n, "allocs/op", 3)
		r.set("HotCycle", yardstick, n, "ns/op", 210)
		r.set("Deliver", ours, n, "ns/op", 300)
		r.set("Deliver", ours, n, "allocs/op", 0)
		r.set("Schedule", ours, n, "ns/op", 100)
		r.set("Schedule", ours, n, "allocs/op", 0)
		for _, s := range peers {
			r.set("HotCycle", s, n, "ns/op", 5000)
			r.set("Schedule", s, n, "ns/op", 2000)
		}
		r.set("Every10ms", ours, n, "runs/s", 750_000)
		r.set("Every10ms", yardstick, n, "runs/s", 1_000_000)
		r.set("Every10ms", "gocron", n, "runs/s", 75_000)
		r.set("Every10ms", ours, n, "%ideal", 85)
		r.set("Every10ms", ours, n, "p99-ms", 5)
	}
	for _, hooks := range []int{0, 64} {
		r.set("Hooks", "deliver", hooks, "ns/op", 300)
	}
	r.set("Memory", ours, 10_000, "B/task", 250)
	for _, n := range pairSizes {
		r.set("Now", ours, n, "cpu-ns/op", 110)
		r.set("Before", ours, n, "cpu-ns/op", 100)
	}
	return r
}

func (r *results) set(workload, series string, n int, unit string, v float64) {
	f := figure{workload, series, n}
	if r.values[f] == nil {
		r.values[f] = map[string][]float64{}
	}
	r.values[f][unit] = []float64{v}
}

func missed(bars []figures.Bar) []string {
	var names []string
	for _, b := range bars {
		if !b.Met {
			names = append(names, b.What)
		}
	}
	return names
}

// Each bar is missed if what it is about is a little worse, and only that one.
func TestJudge(t *testing.T) {
	bars := evaluate(measured())
	if got := missed(bars); got != nil {
		t.Fatalf("missed %q, want none", got)
	}
	seen := map[string]bool{}
	for _, test := range []struct {
		workload, series string
		n                int
		unit             string
		v                float64
		want             string
	}{
		{"HotCycle", yardstick, 10_000, "ns/op", 199, "Hot cycle: time of AfterFunc, over smartpoll's"},
		{"HotCycle", "robfig", 10, "ns/op", 99, "Hot cycle: time of the fastest peer, over smartpoll's"},
		{"HotCycle", ours, 10_000, "ns/op", 201, "Hot cycle, slowest over fastest N"},
		{"HotCycle", ours, 1000, "allocs/op", 4, "Hot cycle, allocations"},
		{"Schedule", ours, 10, "allocs/op", 1, "Schedule, allocations"},
		{"Schedule", "gocron", 1000, "ns/op", 1999, "Schedule among 1,000: time of the faster of gocron and robfig/cron, over smartpoll's"},
		{"Every10ms", ours, 1000, "%ideal", 84, "1,000 tasks every 10 ms: runs, of the ideal"},
		{"Every10ms", ours, 1000, "p99-ms", 5.1, "1,000 tasks every 10 ms: lateness, 99th percentile"},
		{"Every10ms", yardstick, 10_000, "runs/s", 1_001_000, "10,000 tasks every 10 ms: runs, over AfterFunc's"},
		{"Every10ms", "gocron", 10_000, "runs/s", 75_100, "10,000 tasks every 10 ms: runs, over gocron's"},
		{"Deliver", ours, 1000, "allocs/op", 1, "Delivery, allocations"},
		{"Deliver", ours, 1000, "ns/op", 601, "Delivery, slowest over fastest N"},
		{"Hooks", "deliver", 64, "ns/op", 601, "Delivery, slowest over fastest number of hooks"},
		{"Memory", ours, 10_000, "B/task", 251, "Memory of a scheduled task"},
		{"Now", ours, 10, "cpu-ns/op", 111, "Hot cycle among 10 with no option used: processor time, over that of commit abc"},
		{"Before", ours, 1000, "cpu-ns/op", 99, "Hot cycle among 1,000 with no option used: processor time, over that of commit abc"},
	} {
		r := measured()
		r.set(test.workload, test.series, test.n, test.unit, test.v)
		if got := missed(evaluate(r)); !slices.Equal(got, []string{test.want}) {
			t.Errorf("%s/%s/%d = %v %s: missed %q, want %q", test.workload, test.series, test.n, test.v, test.unit, got, test.want)
		}
		seen[test.want] = true
	}
	for _, b := range bars {
		if !seen[b.What] {
			t.Errorf("nothing misses the bar %q", b.What)
		}
	}
	if got, want := len(missed(evaluate(&results{facts: map[string][]string{"baseline": {"abc"}}}))), len(bars); got != want {
		t.Errorf("without results, %d bars are missed, want all %d", got, want)
	}
}

func TestPage(t *testing.T) {
	r := measured()
	r.set("Every10ms", ours, 10_000, "p99-ms", 12.345)
	text := string(page(r, evaluate(r)))
	for _, want := range []string{
		"| time.AfterFunc + mutex | 210 ns (–) 2.1× |",
		"| smartpoll | 5 ms | 5 ms | 12.3 ms |",
		"| Memory of a scheduled task | at most 250 B | 250 B | met |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not contain %q:\n%s", want, text)
		}
	}
	for row := range strings.Lines(text) {
		if strings.Contains(row, "NaN") || strings.Contains(row, "Inf") {
			t.Errorf("the page says %q", row)
		}
	}
}
