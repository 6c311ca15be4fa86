package natsstoretest_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report prints the figures of a chaos, and what its log says against the gateways.
func (f *chaosFleet) report(file string) {
	f.t.Helper()
	in, err := os.Open(file)
	if err != nil {
		f.t.Fatal(err)
	}
	defer in.Close()
	all, err := readRecords(in)
	if err != nil {
		f.t.Fatal(err)
	}
	wrong := checkGateways(all)
	for _, w := range wrong[:min(50, len(wrong))] {
		f.t.Error(w)
	}
	f.t.Logf("%d wrong; the log is %s\n%s%s", len(wrong), file, figuresOf(all), f.spent())
}

// spent says how much processor time the processes of the gateways have taken.
func (f *chaosFleet) spent() string {
	var b strings.Builder
	for place, p := range f.places {
		p.mu.Lock()
		fmt.Fprintf(&b, "%s: %v of processor time\n", placeName(place), p.spent.Round(100*time.Millisecond))
		p.mu.Unlock()
	}
	return b.String()
}

// figuresOf returns a table of the times that the faults of a log have taken: how long clients that watch a source heard
// nothing, how long sources were not polled, and when clients knew that a run was lost.
func figuresOf(all []record) string {
	events, polls := map[string][]time.Duration{}, map[string][]time.Duration{}
	count := map[string]int{}
	watches := map[string]bool{} // clients that watch a source
	var end time.Duration
	for _, e := range all {
		end = e.At
		switch e.What {
		case isOpened:
			watches[e.By] = e.Run == "" && e.Name != ""
		case isEvent:
			if watches[e.By] {
				events[e.By] = append(events[e.By], e.At)
			}
		case isPoll:
			polls[e.Name] = append(polls[e.Name], e.At)
		case isAnswered:
			count[fmt.Sprintf("answered with %03d", e.Code)]++
		case isEnd:
			if e.By == "g0" {
				count["ended as "+e.Status]++
			}
		case isWork, isInstant, isTold, isTurn, isMissing, isLine:
			count[e.What]++
		}
	}
	silences, gaps := map[string][]time.Duration{}, map[string][]time.Duration{}
	for _, e := range all {
		if e.What != isDisturb && e.What != isCalm {
			continue
		}
		kind, until := e.Fault, e.At+between-2*time.Second // what begins then is due to the next one
		if e.What == isCalm {
			kind, until = "none", end
		}
		for _, of := range events {
			silences[kind] = append(silences[kind], longest(of, e.At, until))
		}
		for _, of := range polls {
			gaps[kind] = append(gaps[kind], longest(of, e.At, until))
		}
	}
	var b strings.Builder
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "within 20 s of\tsilence of clients: median\tp99\tmost\twithout a poll: median\tp99\tmost")
	for _, kind := range []string{faultServer, faultTerm, faultKill, faultStop, faultCut, faultStep, "none"} {
		if len(silences[kind]) == 0 {
			continue
		}
		s, g := ranks(silences[kind]), ranks(gaps[kind])
		fmt.Fprintf(table, "%s\t%v\t%v\t%v\t%v\t%v\t%v\n", kind, s[0], s[1], s[2], g[0], g[1], g[2])
	}
	table.Flush()
	var names []string
	for name := range count {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, "%s: %d\n", name, count[name])
	}
	return b.String()
}

// longest returns the longest time between two moments of which the later one is after from, and the earlier one before
// until, and not long before from: what took longer is due to something else.
func longest(at []time.Duration, from, until time.Duration) (most time.Duration) {
	for i := 1; i < len(at); i++ {
		if at[i] > from && at[i-1] < until && at[i-1] > from-2*time.Second {
			most = max(most, at[i]-at[i-1])
		}
	}
	return most
}

// ranks returns the median, the 99th percentile and the largest of times.
func ranks(all []time.Duration) [3]time.Duration {
	slices.Sort(all)
	of := [3]time.Duration{all[len(all)/2], all[len(all)*99/100], all[len(all)-1]}
	for i := range of {
		of[i] = of[i].Round(10 * time.Millisecond)
	}
	return of
}
