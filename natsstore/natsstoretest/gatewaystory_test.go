package natsstoretest_test

import (
	"fmt"
	"slices"
	"time"
)

// story is a log that is made up. Its times are in seconds.
type story struct {
	all  []record
	next int
}

func (s *story) add(at float64, e record) {
	e.At = time.Duration(at * float64(time.Second)).Round(time.Millisecond)
	s.all = append(s.all, e)
}

// takes adds what begins and ends, broken off if it has no code.
func (s *story) takes(from, to float64, e record, code int) {
	s.next++
	e.ID = s.next
	s.add(from, e)
	s.add(to, record{What: map[string]string{isPoll: isPolled, isWork: isWorked}[e.What], ID: e.ID, Code: code})
}

// polled adds polls of the source s each second, and what client c0 hears of them.
func (s *story) polled(from, to float64, by string) {
	for at := from; at <= to; at++ {
		s.takes(at, at+0.02, record{What: isPoll, By: by, Name: "s"}, 200)
		s.next++
		s.add(at+0.03, record{What: isEvent, By: "c0", Name: "s", Run: "S", N: uint64(s.next), Value: s.next})
	}
}

// starts adds a start and its answer.
func (s *story) starts(at float64, by, job, key string, code int, run string) {
	s.next++
	s.add(at, record{What: isAsked, ID: s.next, By: by, Name: job, Key: key})
	s.add(at+0.2, record{What: isAnswered, ID: s.next, Code: code, Run: run})
}

// watches adds a client that watches a run.
func (s *story) watches(by string, from, to float64, job, run, end string) {
	s.add(from, record{What: isOpened, By: by, Name: job, Run: run})
	s.add(from+0.1, record{What: isEvent, By: by, Name: job, Run: run, N: 2, Status: "running"})
	s.add(to, record{What: isEvent, By: by, Name: job, Run: run, Status: end})
	s.add(to+0.1, record{What: isLeft, By: by, Name: job, Run: run, Code: 204})
}

// fault adds a fault, and the processes that it makes end and begin.
func (s *story) fault(from, to float64, by, fault string) {
	s.add(from, record{What: isDisturb, By: by, Fault: fault})
	if fault == faultKill || fault == faultTerm {
		s.add(from+0.1, record{What: isExit, By: by})
		s.add(to-1, record{What: isProcess, By: by})
		s.add(to, record{What: isReady, By: by})
	}
	s.add(to, record{What: isHealed, By: by, Fault: fault})
}

// rightStory is one in which everything is right, and most of it at the last moment.
func rightStory() *story {
	s := &story{}
	wall := time.Date(2026, 5, 4, 3, 0, 30, 0, time.UTC)
	s.add(0, record{What: isBegun, Wall: &wall, For: 15 * time.Second})
	s.add(0, record{What: hasSource, Name: "s", For: time.Second})
	for _, j := range []record{{Name: "j"}, {Name: "k", Text: "g"}, {Name: "l", Text: "g"}, {Name: "c", For: time.Minute}} {
		j.What = hasJob
		s.add(0, j)
	}
	s.add(0, record{What: hasAlert, Name: "s", For: 2 * time.Second})
	for i := range 3 {
		s.add(0.1, record{What: isProcess, By: fmt.Sprint("g", i)})
		s.add(1, record{What: isReady, By: fmt.Sprint("g", i)})
	}
	s.add(1, record{What: isOpened, By: "c0", Name: "s"})

	// g0 has everything and is killed. Others take over at the last moment.
	s.polled(2, 19, "g0")
	s.starts(10, "g1", "j", "A", 202, "a")
	s.takes(10.1, 20.01, record{What: isWork, By: "g0", Name: "j", Run: "a", Key: "A"}, 0)
	s.watches("c1", 11, 39.9, "j", "a", "lost")
	s.fault(20, 24, "g0", faultKill)
	s.starts(35, "g2", "j", "B", 503, "") // it is started after all
	s.takes(36, 37, record{What: isWork, By: "g1", Name: "j", Run: "b", Key: "B"}, 200)
	s.starts(45, "g0", "j", "B", 202, "b")
	s.watches("c2", 45.5, 45.6, "j", "b", "succeeded")
	s.polled(40.9, 59.9, "g1")

	// g1 is stopped as a whole. Its poll and its run hang until it goes on.
	s.takes(59.99, 101.9, record{What: isPoll, By: "g1", Name: "s"}, 0)
	s.starts(55, "g1", "k", "C", 202, "c")
	s.takes(55.1, 101.9, record{What: isWork, By: "g1", Name: "k", Run: "c", Key: "C"}, 0)
	s.watches("c3", 56, 80, "k", "c", "lost")
	s.fault(60, 104, "g1", faultStop)
	s.add(100, record{What: isGoesOn, By: "g1"})
	s.starts(85, "g0", "l", "D", 202, "d")
	s.takes(85.1, 87, record{What: isWork, By: "g2", Name: "l", Run: "d", Key: "D"}, 200)
	s.polled(80.5, 109.5, "g2")

	s.fault(110, 117, "n1", faultServer)
	s.polled(121.4, 124.4, "g2")
	s.fault(125, 132, "g2", faultTerm)
	s.polled(127, 139, "g0")
	s.add(133, record{What: isDisturb, By: "g1", Fault: faultStep, For: 58 * time.Second})

	// Nobody lives for more than a minute, in which the timetable had been due.
	for i, by := range []string{"g0", "g1", "g2"} {
		s.fault(140, 215+float64(i), by, faultKill)
	}
	s.polled(230, 320, "g0")
	s.add(240, record{What: isCalm})

	for instant, run := range map[int]string{30: "e", 90: "f", 210: "h", 270: "i"} {
		at := wall.Add(time.Duration(instant) * time.Second)
		s.add(float64(instant+20), record{What: isInstant, Name: "c", Run: run, Wall: &at})
		s.takes(float64(instant+20), float64(instant+21), record{What: isWork, By: "g2", Name: "c", Run: run}, 200)
	}
	for _, turn := range []struct {
		at     float64
		status string
	}{{5, "firing"}, {70, "resolved"}, {100, "firing"}, {101, "resolved"}, {250, "firing"}} {
		s.add(turn.at, record{What: isTurn, Name: "s", Status: turn.status})
	}
	s.add(8, record{What: isTold, Name: "s", Status: "firing", Text: "1"})
	s.add(9, record{What: isTold, Name: "s", Status: "firing", Text: "1"})
	s.add(99, record{What: isTold, Name: "s", Status: "resolved", Text: "2"})
	s.add(260, record{What: isTold, Name: "s", Status: "firing", Text: "3"})

	s.add(255, record{What: isLine, By: "g0", Text: "the store is away"})
	for at := 261.0; at < 321; at += 5 {
		s.add(at, record{What: hasSizes, By: "g0", Sizes: &sizes{Goroutines: int(at) / 10, Heap: 20<<20 + int64(at)<<10}})
	}
	for _, e := range []record{{Run: "a", Status: "lost"}, {Run: "b"}, {Run: "c", Status: "lost"}, {Run: "d"}, {Run: "e"}, {Run: "f"}, {Run: "h"}, {Run: "i"}} {
		for i := range 3 {
			e.What, e.By = isEnd, fmt.Sprint("g", i)
			if e.Status == "" {
				e.Status = "succeeded"
			}
			s.add(318, e)
		}
	}
	for i := range 3 {
		s.add(245, record{What: isState, ID: 1, By: fmt.Sprint("g", i), Name: "silence/x", Text: "all"})
		s.add(246, record{What: isState, ID: 1, N: 1, By: fmt.Sprint("g", i), Name: "silence/x", Text: "all"})
		for n := range 2 {
			text := "42"
			if i == 2 && n == 0 {
				text = "41"
			}
			s.add(245+float64(n), record{What: isState, ID: 1, N: uint64(n), By: fmt.Sprint("g", i), Name: "source/s", Text: text})
		}
	}
	s.add(321, record{What: isOver})
	s.add(322, record{What: isExit, By: "g0"})
	return s
}

// records returns what happened in order.
func (s *story) records() []record {
	slices.SortStableFunc(s.all, func(a, b record) int { return int(a.At - b.At) })
	return s.all
}

// find returns the record that fits at a time in seconds.
func (s *story) find(at float64, what, by string) *record {
	for i, e := range s.all {
		if e.What == what && e.By == by && e.At == time.Duration(at*float64(time.Second)).Round(time.Millisecond) {
			return &s.all[i]
		}
	}
	panic(fmt.Sprintf("no %s of %s at %v", what, by, at))
}

// source returns what a gateway shows of the source at a time.
func (s *story) source(by string, at float64) *record {
	for i, e := range s.all {
		if e.What == isState && e.By == by && e.Name == "source/s" && e.At.Seconds() == at {
			return &s.all[i]
		}
	}
	panic("it shows nothing")
}

// drop removes the records of a kind between two times.
func (s *story) drop(from, to float64, what string) {
	s.all = slices.DeleteFunc(s.all, func(e record) bool { return e.What == what && e.At.Seconds() >= from && e.At.Seconds() <= to })
}
