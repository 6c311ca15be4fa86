//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/bench/figures"
)

// The jobs of the tests are this binary.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "readers" || os.Args[1] == "job") {
		main()
		return
	}
	os.Exit(m.Run())
}

// Every workload gives a value for ours, and every peer can be measured.
func TestJobs(t *testing.T) {
	want := map[string]string{
		"memory": "rss-KB", "paced": "cpu-us", "floor": "cpu-us", "flat": "p99-ms", "publish": "publish-us", "stall": "healthy-%",
		"slow": "end-s", "paced-100k": "deliveries/s", "paced-150k": "deliveries/s", "floor-100k": "deliveries/s",
		"memory-tls": "rss-KB", "memory-h2-50": "rss-KB", "memory-h2-6": "rss-KB", "paced-tls": "received-%",
		"paced-h2-50": "received-%", "paced-h2-6": "received-%",
		"topics-one": "cpu-us", "topics-sets": "cpu-us", "topics-fast": "cpu-us",
		"pause-none": "cpu-us", "pause-0s": "cpu-us", "pause-1s": "cpu-us", "deploy": "last-s",
		"last": "whole", "h2": "beats", "jobs": "heap-B", "topics": "heap-B",
	}
	tried := map[string]bool{}
	var wg sync.WaitGroup
	for _, batch := range plan(false, false) {
		for _, j := range batch {
			j.N, j.Time, j.Patience = min(j.N, 20), min(j.Time, 300*time.Millisecond), 0
			name := j.Workload + " " + j.Subject
			if tried[name] || slices.Contains(peers, j.Subject) && j.Workload != "paced" && j.Workload != "topics" {
				continue
			}
			tried[name] = true
			wg.Go(func() {
				m := j.run(t.Context())
				v, ok := m.Values[want[j.Workload]]
				if m.Error != "" || !ok || math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("%s: %s = %v, %v, error %q; want a number", name, want[j.Workload], v, ok, m.Error)
				}
				if m.Job != j {
					t.Errorf("job = %+v, want %+v", m.Job, j)
				}
			})
		}
	}
	wg.Wait()
}

func TestJobSaysWhatIsWrong(t *testing.T) {
	m := job{Workload: "none"}.run(t.Context())
	if m.Error == "" {
		t.Error("a job without a workload succeeded")
	}
}

// Stamps are counted and aged wherever reads split the stream; one that is split has no age.
func TestRead(t *testing.T) {
	text := fmt.Sprintf("data: {\"ts\":\"~%019d\"}\n\n", time.Now().UnixNano())
	for split := range len(text) {
		p, err := newPipe()
		if err != nil {
			t.Fatal(err)
		}
		r := &readers{buf: make([]byte, 4096), takeAge: true}
		c := &reader{fd: p.out, kind: fast, streams: 1, open: true}
		for _, part := range []string{text[:split], text[split:]} {
			if part == "" {
				continue
			}
			if err := p.write(part); err != nil {
				t.Fatal(err)
			}
			r.read(c, r.buf)
		}
		if r.frames != 1 || c.frames != 1 || r.bytes != int64(len(text)) {
			t.Errorf("split at %d: %d frames, %d bytes; want 1, %d", split, r.frames, r.bytes, len(text))
		}
		if wholeStamp := split <= strings.Index(text, "~") || split >= strings.Index(text, "~")+20; wholeStamp != (len(r.ages) == 1) {
			t.Errorf("split at %d: %d ages", split, len(r.ages))
		}
		p.close()
		r.read(c, r.buf)
		if c.open {
			t.Error("the end of a stream goes unnoticed")
		}
	}
}

func TestCheck(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
	event := func(n int) string { return "data: " + string(encode(n)) + "\n\n" }
	for _, test := range []struct {
		name, text string
		last       int
		whole      bool
	}{
		{"ascending", head + event(1) + ":\n\n" + event(5), 5, true},
		{"descending", head + event(5) + event(1), 5, false},
		{"torn", head + event(1) + event(2)[:50] + event(3), 1, false},
		{"no head", event(1), 0, false},
	} {
		if last, whole := check([]byte(test.text)); last != test.last || whole != test.whole {
			t.Errorf("%s: check = %d, %v, want %d, %v", test.name, last, whole, test.last, test.whole)
		}
	}
}

// passing returns results that meet every bar.
func passing() *results {
	r := &results{Load: []string{"0.5", "2"}}
	add := func(workload, subject string, n int, values map[string]float64) {
		r.Measured = append(r.Measured, measured{Job: job{Workload: workload, Subject: subject, N: n}, Values: values})
	}
	for _, s := range slices.Concat(libraries, []string{parked}) {
		add("memory", s, 10_000, map[string]float64{"rss-KB": 20})
		add("paced", s, 1000, map[string]float64{"cpu-us": 6})
		for by, n := range carriedN {
			add("memory-"+by, s, n, map[string]float64{"rss-KB": 20})
			add("paced-"+by, s, 1000, map[string]float64{"cpu-us": 6})
		}
		add("paced-100k", s, 1000, map[string]float64{"deliveries/s": 95_000})
		add("paced-150k", s, 1000, map[string]float64{"deliveries/s": 110_000})
		add("flat", s, 1000, map[string]float64{"p50-ms": 5, "p99-ms": 15})
		add("publish", s, 1, map[string]float64{"publish-us": 50})
		add("publish", s, 10_000, map[string]float64{"publish-us": 100})
		add("stall", s, 1000, map[string]float64{"healthy-%": 99, "evicted-%": 100, "evicted-after-s": 5, "publish-max-ms": 5, "grown-MB": 2})
		add("slow", s, 1, map[string]float64{"end-s": 1})
		add("last", s, 1, map[string]float64{"missing": 0, "whole": 1})
		add("h2", s, 200, map[string]float64{"ended": 0, "beats": 3})
	}
	for _, s := range owners {
		for _, workload := range topicsWorkloads {
			add(workload, s, fewTopics, map[string]float64{"cpu-us": 10})
			add(workload, s, manyOfTopics, map[string]float64{"cpu-us": 13})
		}
		add("pause-none", s, pausedTopics, map[string]float64{"cpu-us": 10})
		add("pause-0s", s, pausedTopics, map[string]float64{"cpu-us": 110})
		add("pause-1s", s, pausedTopics, map[string]float64{"cpu-us": 29})
	}
	for _, s := range ours {
		add("deploy", s, returning, map[string]float64{"last-s": 5, "publish-waited-ms": 1})
	}
	set := func(workload, subject, name string, v float64) {
		for _, m := range r.Measured {
			if m.Job.Workload == workload && m.Job.Subject == subject {
				m.Values[name] = v
			}
		}
	}
	set("memory", handOff, "rss-KB", 2)
	set("memory", blocking, "rss-KB", 16)
	set("paced", handOff, "cpu-us", 4.3)
	set("paced", blocking, "cpu-us", 4.8)
	set("paced-150k", "go-sse", "deliveries/s", 100_000)
	add("floor", rawLoop, 1000, map[string]float64{"cpu-us": 3.32})
	add("floor-100k", rawLoop, 1000, map[string]float64{"deliveries/s": 100_000})
	add("jobs", progressJobs, 100_000, map[string]float64{"rss-B": 1024, "goroutines": 0})
	return r
}

func TestJudge(t *testing.T) {
	for _, b := range evaluate(passing()) {
		if !b.Met {
			t.Errorf("%s: %s, %s; want it met", b.What, b.Want, b.Got)
		}
	}
	for _, b := range evaluate(&results{}) {
		if b.Met {
			t.Errorf("%s: met without a measurement", b.What)
		}
	}
	// Each value that ours are held to can miss a bar.
	for i, m := range passing().Measured {
		by := strings.TrimPrefix(strings.TrimPrefix(m.Job.Workload, "memory-"), "paced-")
		if !slices.Contains(taken, m.Job.Subject) && m.Job.Subject != progressJobs || carriedN[by] > 0 && m.Job.Subject != blocking {
			continue
		}
		for name, v := range m.Values {
			worse := 1.5*v + 1
			if name == "deliveries/s" || strings.HasPrefix(name, "healthy") || strings.HasPrefix(name, "evicted-%") || name == "beats" || name == "whole" {
				worse = 0
			}
			if m.Job.Workload == "publish" && m.Job.N == 1 {
				worse = 10 // what Publish to 10,000 is compared with
			}
			switch m.Job.Workload {
			case "pause-none", "pause-0s":
				worse = v / 2
			default:
				if m.Job.N == fewTopics {
					worse = v / 2
				}
			}
			r := passing()
			r.Measured[i].Values[name] = worse
			missed := false
			for _, b := range evaluate(r) {
				missed = missed || !b.Met
			}
			if !missed {
				t.Errorf("%s %s N=%d: %s = %v misses no bar", m.Job.Workload, m.Job.Subject, m.Job.N, name, worse)
			}
		}
	}
}

// What other processes have disturbed counts only where there is nothing better.
func TestDisturbed(t *testing.T) {
	r := &results{}
	add := func(v, others float64) {
		r.Measured = append(r.Measured, measured{Job: job{Workload: "paced", Subject: handOff, N: 1000}, Values: map[string]float64{"cpu-us": v}, Others: others})
	}
	check := func(want float64, disturbed bool) {
		t.Helper()
		if got := r.at("paced", handOff, 1000, "cpu-us"); got != want || r.disturbed("paced", handOff, 1000) != disturbed {
			t.Errorf("at = %v, disturbed = %v; want %v, %v", got, !disturbed, want, disturbed)
		}
	}
	add(9, 1)
	check(9, true)
	add(11, 1)
	check(10, true)
	add(3, 0.1)
	check(3, false)
	add(5, 0.3)
	check(4, false)
}

func TestPage(t *testing.T) {
	r := passing()
	text := string(page(r, evaluate(r)))
	for _, want := range []string{"| Load average | 0.5 to 2.0 ", "| sse, hand-off engine | 2 KB |", "images/sse-slow.svg", "| met |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(text, "missed**") || strings.Contains(text, "NaN") {
		t.Errorf("the page shows a missed bar or NaN:\n%s", text)
	}
	for name, svg := range pictures(r) {
		if !strings.HasPrefix(string(svg), "<svg ") || !strings.Contains(text, "images/"+name) {
			t.Errorf("%s is no picture of the page", name)
		}
	}
	if !strings.Contains(string(pictures(r)["sse-cpu.svg"]), "write(2)") {
		t.Error("the picture of processor times lacks the floor")
	}
	if got := (column{"", "paced", 1000, "cpu-us", figures.Microseconds}).cell(r, "no such"); got != "–" {
		t.Errorf("cell of nothing = %q, want –", got)
	}
}

// pipe stands in for a connection.
type pipe struct{ in, out int }

func newPipe() (pipe, error) {
	var fds [2]int
	err := syscall.Pipe2(fds[:], syscall.O_NONBLOCK)
	return pipe{fds[1], fds[0]}, err
}

func (p pipe) write(s string) error {
	_, err := syscall.Write(p.in, []byte(s))
	return err
}

func (p pipe) close() { _ = syscall.Close(p.in) }
