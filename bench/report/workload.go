package main

import "github.com/tidewire/tidewire/bench/figures"

// workload is one of the benchmarks, and how it is shown.
type workload struct {
	name    string // of the benchmark
	title   string
	about   string
	series  []string
	units   []unit // one table each
	tenths  bool   // an iteration is a tenth of a second
	hooks   bool   // by the number of hooks rather than tasks
	memory  bool   // only among 10,000
	picture string // a file, empty for none
	yLabel  string
}

// unit is what a table of a workload shows.
type unit struct {
	name   string // as go test -bench prints it
	title  string
	format func(float64) string
	allocs bool // show them too
	ratio  bool // to smartpoll's
}

var workloads = []*workload{
	{
		name:  "HotCycle",
		title: "Hot cycle",
		about: `One task that schedules itself at once, among N−1 that are scheduled far ahead: the time from one start to the next,
both stages included. The second stage is a TaskHook for smartpoll and a mutex for the others. AfterFunc starts a new
timer each time; Timer.Reset is the same with the task's timer kept at hand, where there is neither a key to look up nor
anything to allocate, and so the least that a timer of the runtime can cost. gocron's job calls RunNow; robfig/cron and
go-quartz have a schedule that is always due, with their own guards against overlapping runs, which is faster than
rescheduling.`,
		series: []string{ours, yardstick, "Timer.Reset", "gocron", "robfig", "go-quartz"},
		units: []unit{
			{
				name:   "ns/op",
				title:  "Time of a cycle (allocations)",
				format: figures.Duration,
				allocs: true,
				ratio:  true,
			},
		},
		picture: "smartpoll-hot-cycle.svg",
		yLabel:  "time of a two-stage cycle",
	},
	{
		name:  "Schedule",
		title: "Schedule on an idle key",
		about: `Another time for one task that is scheduled and not running, among N. AfterFunc: Timer.Reset, with the timer at
hand. gocron: Update. robfig/cron: Remove and Schedule. go-quartz: ScheduleJob with Replace.`,
		series: everyone,
		units: []unit{
			{name: "ns/op", title: "Time of a call (allocations)", format: figures.Duration, allocs: true, ratio: true},
		},
		picture: "smartpoll-schedule.svg",
		yLabel:  "time of a call",
	},
	{
		name:  "Every10ms",
		title: "All tasks every 10 ms",
		about: `N tasks that do nothing, each every 10 ms, their starts spread over the 10 ms. smartpoll and AfterFunc schedule
again from the second stage, 10 ms after the end, as does robfig/cron, from the time at which its timer fired; since no timer
is on time, they cannot reach 100 %. gocron (singleton mode) and go-quartz run at a fixed rate. Lateness is by how much longer
than 10 ms it took from one start of a task to its next; with 10,000 tasks and more, two cores are too few for anybody, and it
grows until each has its turn. A goroutine of smartpoll that has ended a run takes the next task that is due, so that many
tasks at once need few goroutines; AfterFunc begins one for each run. Counting begins when all tasks have run once, or after
three seconds.`,
		series: everyone,
		units: []unit{
			{name: "runs/s", title: "Runs per second", format: figures.Count},
			{name: "%ideal", title: "Runs, of the ideal 100 per second and task", format: figures.Percent},
			{name: "p50-ms", title: "Lateness, median", format: figures.Milliseconds},
			{name: "p99-ms", title: "Lateness, 99th percentile", format: figures.Milliseconds},
			{name: "cpu-us/run", title: "Processor time of a run, of the whole process", format: figures.Microseconds},
		},
		tenths:  true,
		picture: "smartpoll-every-10ms.svg",
		yLabel:  "runs per second",
	},
	{
		name:  "Deliver",
		title: "Hook delivery",
		about: `From a send on an unbuffered channel of a hook until the next value can be sent. No peer has channels that its
loop listens to; what is shown for them is the nearest thing, a question to their loop (gocron: NextRun, robfig/cron: Entry,
go-quartz: GetScheduledJob). AfterFunc is a goroutine that receives from the channel and takes the mutex.`,
		series: everyone,
		units: []unit{
			{
				name:   "ns/op",
				title:  "Time of a delivery (allocations)",
				format: figures.Duration,
				allocs: true,
				ratio:  true,
			},
		},
		picture: "smartpoll-deliver.svg",
		yLabel:  "time of a delivery",
	},
	{
		name:   "Hooks",
		title:  "Number of hooks",
		about:  `smartpoll among 100 tasks, with hooks on further channels on which nothing is sent.`,
		series: []string{"cycle", "deliver"},
		units: []unit{
			{
				name:   "ns/op",
				title:  "Time of a hot cycle and of a delivery (allocations)",
				format: figures.Duration,
				allocs: true,
			},
		},
		hooks: true,
	},
	{
		name:   "Memory",
		title:  "Memory",
		about:  `What a scheduled task occupies, heap and stacks, its function and its key included.`,
		series: everyone,
		units:  []unit{{name: "B/task", title: "Memory of a task", format: figures.Bytes, ratio: true}},
		memory: true,
	},
}

// figures returns what is measured of w.
func (w *workload) figures(sizes []int) []figure {
	switch {
	case w.hooks:
		sizes = []int{0, 1, 4, 16, 64}
	case w.memory:
		sizes = []int{10_000}
	}
	var figures []figure
	for _, n := range sizes {
		for _, s := range w.series {
			figures = append(figures, figure{w.name, s, n})
		}
	}
	return figures
}

// axis is what the sizes of a workload figures.Count, in the names of its benchmarks.
func axis(name string) string {
	for _, w := range workloads {
		if w.name == name && w.hooks {
			return "hooks"
		}
	}
	return "n"
}

// plot draws the workload's first table.
func (w *workload) plot(r *results) []byte {
	c := figures.Chart{
		Title: w.title,
		X:     figures.Axis{Label: "tasks", Format: figures.Count},
		Y:     figures.Axis{Label: w.yLabel, Format: w.units[0].format},
	}
	for _, s := range w.series {
		l := figures.Line{Name: title(s), Colour: colours[s], Bold: s == ours}
		for _, n := range r.sizes(w.name) {
			if v := r.at(w.name, s, n, w.units[0].name); v > 0 {
				l.Points = append(l.Points, figures.Point{X: float64(n), Y: v})
			}
		}
		c.Lines = append(c.Lines, l)
	}
	return c.SVG()
}
