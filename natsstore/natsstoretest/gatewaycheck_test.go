package natsstoretest_test

import (
	"bytes"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var logFile = flag.String("log", "", "the log of a chaos of gateways, which TestGatewayLog checks")

// A log that was kept is checked again.
func TestGatewayLog(t *testing.T) {
	if *logFile == "" {
		t.Skip("there is no -log")
	}
	f, err := os.Open(*logFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := readRecords(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range checkGateways(all) {
		t.Error(w)
	}
	t.Logf("%d records\n%s", len(all), figuresOf(all))
}

// What is recorded can be read again, also if the last line is not whole.
func TestRecords(t *testing.T) {
	var log bytes.Buffer
	r := newRecorder(&log)
	wall := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	want := []record{
		{What: isBegun, Wall: &wall, For: 15 * time.Second},
		{What: isPoll, ID: r.id(), By: "g1", Name: "s4"},
		{What: hasSizes, By: "g2", Sizes: &sizes{Goroutines: 40, Heap: 1 << 20}},
	}
	for _, e := range want {
		r.add(e)
	}
	log.WriteString(`{"at":17,"what":"po`)
	got, err := readRecords(&log)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].At = 0
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, want %+v", got, want)
	}
}

// Each rule is broken in one way after the other. What comes close to that is right.
func TestCheckGateways(t *testing.T) {
	for _, w := range checkGateways(rightStory().records()) {
		t.Errorf("of a log that is right the checker says %s", w)
	}
	for name, c := range map[string]struct {
		rule   string // empty: none is broken
		change func(*story)
	}{
		"no end":      {"-", func(s *story) { s.drop(321, 321, isOver) }},
		"nobody ever": {"-", func(s *story) { s.drop(0, 400, isReady) }},

		"two runs of a key":        {"a", func(s *story) { s.find(45.2, isAnswered, "").Run = "a" }},
		"two runs begin":           {"a", func(s *story) { s.takes(50, 51, record{What: isWork, By: "g2", Name: "j", Run: "x", Key: "B"}, 200) }},
		"a run begins twice":       {"a", func(s *story) { s.takes(50, 51, record{What: isWork, By: "g2", Name: "j", Run: "b"}, 200) }},
		"another end":              {"a", func(s *story) { s.find(318, isEnd, "g1").Status = "failed" }},
		"another time of the end":  {"a", func(s *story) { s.find(318, isEnd, "g1").Text = "03:00" }},
		"no end at a gateway":      {"a", func(s *story) { *s.find(318, isEnd, "g1") = record{What: isMissing, Run: "a", By: "g1"} }},
		"no end at all":            {"a", func(s *story) { s.drop(318, 318, isEnd) }},
		"no end at a client":       {"a", func(s *story) { s.drop(39.9, 39.9, isEvent) }},
		"no 204 either":            {"a", func(s *story) { s.drop(39.9, 39.9, isEvent); s.drop(40, 40, isLeft) }},
		"two ends at a client":     {"a", func(s *story) { s.add(39.95, *s.find(39.9, isEvent, "c1")) }},
		"a client has another end": {"a", func(s *story) { s.find(39.9, isEvent, "c1").Status = "failed" }},
		"a client leaves before":   {"", func(s *story) { s.drop(39.9, 39.9, isEvent); s.find(40, isLeft, "c1").Code = 0 }},
		"runs without ids": {"", func(s *story) {
			s.find(36, isWork, "g1").Run, s.find(85.1, isWork, "g2").Run = "", ""
		}},
		"a key twice": {"a", func(s *story) {
			s.find(36, isWork, "g1").Run = ""
			s.takes(50, 51, record{What: isWork, By: "g2", Name: "j", Key: "B"}, 200)
		}},
		"a client watches another run": {"", func(s *story) { s.watches("c1", 46, 47, "j", "b", "succeeded") }},
		"a run in the end": {"", func(s *story) {
			s.starts(270, "g2", "k", "E", 202, "z")
			s.add(271, record{What: isOpened, By: "c9", Run: "z"})
		}},
		"a run before":                {"a", func(s *story) { s.starts(255, "g2", "k", "E", 202, "z") }},
		"a key again":                 {"", func(s *story) { s.starts(300, "g2", "j", "B", 200, "b") }},
		"a key of another job":        {"", func(s *story) { s.starts(300, "g2", "k", "B", 202, "c") }},
		"a start that nobody answers": {"", func(s *story) { s.starts(300, "g2", "k", "E", 0, "") }},

		"N falls": {"b", func(s *story) { s.find(50.93, isEvent, "c0").N = 1 }},
		"N stays": {"", func(s *story) { s.find(50.93, isEvent, "c0").N = s.find(49.93, isEvent, "c0").N }},
		"a value goes back": {"b", func(s *story) {
			e := s.find(50.93, isEvent, "c0")
			e.Run, e.Value = "T", e.Value-3
		}},
		"a run after its end": {"b", func(s *story) {
			s.add(39.95, record{What: isEvent, By: "c1", Name: "j", Run: "a", N: 9, Status: "running"})
		}},
		"runs of a job overlap": {"b", func(s *story) { s.takes(36.5, 38, record{What: isWork, By: "g2", Name: "j", Run: "x"}, 200) }},
		"runs of a group":       {"b", func(s *story) { s.takes(56, 57, record{What: isWork, By: "g0", Name: "l", Run: "x"}, 200) }},
		"a cut one overlaps": {"b", func(s *story) {
			s.find(60, isDisturb, "g1").Fault, s.find(104, isHealed, "g1").Fault = faultCut, faultCut
		}},
		"a process lives on": {"b", func(s *story) { s.find(101.9, isWorked, "").At += time.Second }},
		"it overlaps after that": {"b", func(s *story) {
			s.takes(101.8, 102.5, record{What: isWork, By: "g2", Name: "l", Run: "x"}, 200)
			s.find(101.9, isWorked, "").At += time.Second
		}},
		"runs side by side":       {"", func(s *story) { s.takes(36.5, 38, record{What: isWork, By: "g2", Name: "k", Run: "x"}, 200) }},
		"one after another":       {"", func(s *story) { s.takes(37, 38, record{What: isWork, By: "g2", Name: "j", Run: "x"}, 200) }},
		"a cut line is seen late": {"", func(s *story) { s.takes(19.92, 21, record{What: isWork, By: "g2", Name: "j", Run: "x"}, 200) }},
		"an answer is not":        {"b", func(s *story) { s.takes(36.99, 38, record{What: isWork, By: "g2", Name: "j", Run: "x"}, 200) }},

		"polls overlap":          {"c", func(s *story) { s.takes(50.91, 51, record{What: isPoll, By: "g2", Name: "s"}, 200) }},
		"of one gateway":         {"c", func(s *story) { s.takes(50.91, 51, record{What: isPoll, By: "g1", Name: "s"}, 200) }},
		"polls stay away":        {"c", func(s *story) { s.drop(300, 305.1, isPoll) }},
		"not so long":            {"", func(s *story) { s.drop(300, 304.1, isPoll) }},
		"polls stay away after":  {"c", func(s *story) { s.drop(40, 41, isPoll) }},
		"after a leader's death": {"", func(s *story) { s.drop(121, 124.5, isPoll) }},
		"too long after that":    {"c", func(s *story) { s.drop(121, 131.5, isPoll) }},
		"it is never polled":     {"c", func(s *story) { s.drop(0, 400, isPoll) }},
		"in the end":             {"c", func(s *story) { s.drop(314, 400, isPoll) }},
		"a step is no excuse":    {"c", func(s *story) { s.find(110, isDisturb, "n1").Fault = faultStep }},

		"an instant twice":         {"d", func(s *story) { e := *s.find(50, isInstant, ""); e.Run = "x"; s.add(52, e) }},
		"an instant is missed":     {"d", func(s *story) { s.drop(50, 50, isInstant) }},
		"also at a leader's death": {"d", func(s *story) { s.drop(110, 110, isInstant) }},
		"somebody lived": {"d", func(s *story) {
			s.find(217, isReady, "g2").At, s.find(217, isHealed, "g2").At = 180*time.Second, 180*time.Second
		}},
		"somebody began to": {"", func(s *story) {
			s.find(217, isReady, "g2").At, s.find(217, isHealed, "g2").At = 209*time.Second, 209*time.Second
		}},
		"twice told of": {"", func(s *story) { s.add(52, *s.find(50, isInstant, "")) }},
		"a clock was set back": {"", func(s *story) {
			s.add(70, record{What: isDisturb, By: "g2", Fault: faultStep, For: -50 * time.Second})
			s.drop(110, 110, isInstant)
		}},
		"one that takes over is ahead": {"", func(s *story) {
			s.add(15, record{What: isDisturb, By: "g2", Fault: faultStep, For: 50 * time.Second})
			s.drop(50, 50, isInstant)
		}},
		"one is ahead": {"d", func(s *story) {
			s.add(80, record{What: isDisturb, By: "g0", Fault: faultStep, For: 50 * time.Second})
			s.drop(110, 110, isInstant)
		}},
		"it is passed over": {"", func(s *story) {
			s.add(89, record{What: isDisturb, By: "g0", Fault: faultStep, For: time.Minute})
			s.add(150, record{What: isInstant, Name: "c", Run: "g", Wall: new(s.find(0, isBegun, "").Wall.Add(150 * time.Second))})
			s.drop(110, 110, isInstant)
		}},
		"but not with the next one": {"d", func(s *story) {
			s.add(87, record{What: isDisturb, By: "g0", Fault: faultStep, For: time.Minute})
			s.add(150, record{What: isInstant, Name: "c", Run: "g", Wall: new(s.find(0, isBegun, "").Wall.Add(150 * time.Second))})
			s.drop(110, 110, isInstant)
		}},
		"another clock was": {"d", func(s *story) {
			s.add(70, record{What: isDisturb, By: "g0", Fault: faultStep, For: -50 * time.Second})
			s.find(140, isDisturb, "g0").At, s.find(140.1, isExit, "g0").At = 212*time.Second, 212*time.Second
			s.add(160, record{What: isInstant, Name: "c", Run: "g", Wall: new(s.find(0, isBegun, "").Wall.Add(150 * time.Second))})
			s.drop(110, 110, isInstant)
		}},

		"an alert is not told": {"e", func(s *story) { s.drop(260, 260, isTold) }},
		"nor its end":          {"e", func(s *story) { s.drop(99, 99, isTold) }},
		"it is told too early": {"e", func(s *story) { s.find(99, isTold, "").At = 60 * time.Second }},
		"it comes again late": {"", func(s *story) {
			s.find(99, isTold, "").At = 90 * time.Second
			s.add(101.5, *s.find(8, isTold, ""))
		}},
		"it comes again later": {"e", func(s *story) { s.add(105, *s.find(8, isTold, "")) }},
		"it is never true":     {"e", func(s *story) { s.add(200, record{What: isTold, Name: "s", Status: "firing", Text: "9"}) }},
		"the short one is told": {"", func(s *story) {
			s.add(104, record{What: isTold, Name: "s", Status: "firing", Text: "8"})
			s.add(105, record{What: isTold, Name: "s", Status: "resolved", Text: "9"})
		}},
		"the short one alone": {"e", func(s *story) { s.add(104, record{What: isTold, Name: "s", Status: "firing", Text: "8"}) }},
		"it is repeated":      {"", func(s *story) { s.add(300, record{What: isTold, Name: "s", Status: "firing", Text: "9"}) }},

		"silence":          {"f", func(s *story) { s.drop(300, 301.9, isEvent) }},
		"a short one":      {"", func(s *story) { s.drop(300, 300.9, isEvent) }},
		"after a death":    {"f", func(s *story) { s.drop(40, 43, isEvent) }},
		"after a leader's": {"f", func(s *story) { s.drop(121, 124.5, isEvent) }},
		"after a SIGTERM":  {"f", func(s *story) { s.drop(127, 128.5, isEvent) }},
		"never again":      {"f", func(s *story) { s.drop(310, 320.5, isEvent) }},
		"it left":          {"", func(s *story) { s.drop(310, 320.5, isEvent); s.add(311, record{What: isLeft, By: "c0"}) }},
		"while a gateway stands": {"", func(s *story) {
			s.drop(60, 100, isEvent)
			s.watches("c3", 56, 100.5, "k", "c", "lost")
		}},
		"lost is told late": {"f", func(s *story) {
			s.find(39.9, isEvent, "c1").At += 200 * time.Millisecond
			s.find(40, isLeft, "c1").At += time.Second
		}},

		"gateways differ":      {"g", func(s *story) { s.source("g2", 246).Text = "41" }},
		"one has nothing":      {"g", func(s *story) { *s.source("g2", 246) = record{} }},
		"one differs later on": {"", func(s *story) { s.source("g2", 245).Text, s.source("g2", 246).Text = "42", "41" }},

		"it is broken off": {"", func(s *story) {
			s.source("g1", 246).Text = "41"
			s.all = slices.DeleteFunc(s.all, func(e record) bool { return e.What == isState && e.N == 1 && e.By == "g2" })
		}},

		"an error":        {"h", func(s *story) { s.add(261, record{What: isLine, By: "g0", Text: "wrong"}) }},
		"a crash":         {"h", func(s *story) { s.add(50, record{What: isExit, By: "g0", Text: "panic"}) }},
		"a crash at once": {"h", func(s *story) { s.add(24.5, record{What: isExit, By: "g0", Text: "panic"}) }},
		"goroutines": {"h", func(s *story) {
			for i := range s.all {
				if z := s.all[i].Sizes; z != nil {
					z.Goroutines = int(s.all[i].At.Seconds())
				}
			}
		}},
		"heap": {"h", func(s *story) {
			for i := range s.all {
				if z := s.all[i].Sizes; z != nil {
					z.Heap = int64(s.all[i].At.Seconds()-250) << 20
				}
			}
		}},
		"heap once":         {"", func(s *story) { s.find(291, hasSizes, "g0").Sizes.Heap *= 2 }},
		"an error long ago": {"", func(s *story) { s.add(61, record{What: isLine, By: "g0", Text: "wrong"}) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := rightStory()
			c.change(s)
			wrong := checkGateways(s.records())
			isFound := slices.ContainsFunc(wrong, func(w string) bool { return strings.HasPrefix(w, "("+c.rule+")") })
			if c.rule == "" && len(wrong) > 0 || c.rule != "" && !isFound {
				t.Errorf("the checker says %q, want something about rule (%s)", wrong, c.rule)
			}
		})
	}
}
