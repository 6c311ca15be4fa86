package natsstoretest_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

const (
	settle   = 10 * time.Second // after a fault of a server: an election
	redial   = 5 * time.Second  // after a process was cut off
	arrival  = 2 * time.Second  // from a put to each follower, if nothing is disturbed
	judgment = 5 * time.Second  // on top of a lease, until its runs are orphans everywhere
)

// check returns how a history breaks what natsstore promises, each with the letter of its rule:
//
//	(a) a run begins once, has one end that is the same for all, and an end that was confirmed reaches everybody
//	(b) at no time do two hold a topic; N of a run does not fall, a run that is over does not come back, and nothing of a
//	    claim is seen after something of its adopter
//	(c) the run of a claim that is lost or released is an orphan everywhere, adopted or over within the lease and 5 s
//	(f) what is put arrives everywhere within 2 s
//	(g) in the end all have the same
//	(h) nothing is wrong according to the logs while nothing is disturbed
//
// Time does not count while servers are disturbed, or the process that matters, or the machine is busy with something else,
// or shortly after.
func check(events []event, lease time.Duration) (wrong []string) {
	h := arrange(events)
	for _, rule := range []func(*checker){(*checker).ends, (*checker).order, (*checker).holders, (*checker).equal, (*checker).lines} {
		rule(h)
	}
	for _, e := range events {
		switch e.what {
		case put:
			h.reaches("f", e, arrival, func(seen event) bool {
				return e.isOver(seen) || seen.claim == e.claim && seen.put >= e.put
			})
		case lost, refused:
			h.reaches("c", e, lease+judgment, e.isOver)
		case ended:
			if e.entry.State == snapshot.Orphan {
				h.reaches("c", e, lease+judgment, e.isOver)
			} else {
				h.reaches("a", e, arrival, func(seen event) bool {
					return seen.entry.Run != e.entry.Run || seen.entry.State == snapshot.Final || seen.entry.State == snapshot.Gone
				})
			}
		}
	}
	return h.wrong
}

// isOver reports whether who has seen an event knows that the claim of e does not hold its topic any more.
func (e event) isOver(seen event) bool {
	return seen.entry.Run != e.entry.Run || seen.entry.State != snapshot.Live || seen.claim > e.claim
}

type checker struct {
	events    []event
	end       time.Duration
	told      map[int]map[string][]event // by process and topic
	disturbed map[int][]span             // by process; that of -1 are the servers
	opened    map[int]time.Duration      // by process
	lostAt    map[int]time.Duration      // by claim
	wrong     []string
}

type span struct{ from, to time.Duration }

func arrange(events []event) *checker {
	h := &checker{
		events: events, told: make(map[int]map[string][]event), disturbed: make(map[int][]span), opened: make(map[int]time.Duration),
		lostAt: make(map[int]time.Duration),
	}
	if len(events) > 0 {
		h.end = events[len(events)-1].at
	}
	for i, e := range events {
		switch e.what {
		case told:
			if h.told[e.process] == nil {
				h.told[e.process] = make(map[string][]event)
			}
			h.told[e.process][e.entry.Topic] = append(h.told[e.process][e.entry.Topic], e)
		case opened:
			h.opened[e.process] = e.at
		case lost, refused:
			h.lostAt[e.claim] = e.at
		case busy:
			h.disturbed[-1] = append(h.disturbed[-1], span{e.at - e.long, e.at + settle})
		case fault:
			over, after := h.end, settle
			if e.process >= 0 {
				after = redial
			}
			heals := func(o event) bool { return o.what == healed && o.text == e.text && o.process == e.process }
			if j := slices.IndexFunc(events[i:], heals); j >= 0 {
				over = events[i+j].at
			}
			h.disturbed[e.process] = append(h.disturbed[e.process], span{e.at, over + after})
		}
	}
	return h
}

func (h *checker) fail(rule string, e event, format string, args ...any) {
	h.wrong = append(h.wrong, fmt.Sprintf("(%s) %v %s: ", rule, e.at.Round(time.Millisecond), e.entry.Topic)+fmt.Sprintf(format, args...))
}

// quiet returns how much of a time none of some processes was disturbed, nor the servers.
func (h *checker) quiet(from, to time.Duration, processes ...int) time.Duration {
	spans := slices.Clone(h.disturbed[-1])
	for _, p := range processes {
		spans = append(spans, h.disturbed[p]...)
	}
	slices.SortFunc(spans, func(a, b span) int { return int(a.from - b.from) })
	left := max(0, to-from)
	for _, s := range spans {
		if s.from = max(s.from, from); s.from < min(s.to, to) {
			left -= min(s.to, to) - s.from
			from = s.to
		}
	}
	return left
}

// reaches checks that each follower knows soon of what a claim did: that is shows what it was told last, or will be next.
func (h *checker) reaches(rule string, e event, within time.Duration, shows func(event) bool) {
	for process, topics := range h.told {
		if e.at < h.opened[process] {
			continue
		}
		seen := topics[e.entry.Topic]
		next, _ := slices.BinarySearchFunc(seen, e.at, func(s event, at time.Duration) int { return int(s.at - at) })
		if next > 0 && e.what != put && shows(seen[next-1]) {
			continue
		}
		known := h.end
		if i := slices.IndexFunc(seen[next:], shows); i >= 0 {
			known = seen[next+i].at
		}
		if at, ok := h.lostAt[e.claim]; ok && e.what == put {
			known = min(known, at) // what is put need not outlive its claim
		}
		ways := []int{process}
		if e.what == put {
			ways = append(ways, e.process)
		}
		if h.quiet(e.at, known, ways...) > within {
			h.fail(rule, e, "%s (claim %d, put %d, run %s, %v) is not known to process %d within %v",
				e.what, e.claim, e.put, e.entry.Run, e.entry.State, process, within)
		}
	}
}

// ends checks how runs begin and end.
func (h *checker) ends() {
	begun, ends, confirmed := make(map[string]bool), make(map[string]event), make(map[string]bool)
	for _, e := range h.events {
		run := e.entry.Run
		switch {
		case e.what == claimed && e.text != "adopted":
			if begun[run] {
				h.fail("a", e, "run %s begins twice", run)
			}
			begun[run] = true
		case e.what == ended && e.entry.State != snapshot.Orphan:
			if confirmed[run] {
				h.fail("a", e, "two ends of run %s are confirmed", run)
			}
			confirmed[run] = true
		case e.what == told && e.entry.State == snapshot.Final:
			if first, ok := ends[run]; ok && (first.claim != e.claim || first.entry.N != e.entry.N) {
				h.fail("a", e, "process %d is told of the end %d of claim %d of run %s, process %d of the end %d of claim %d",
					e.process, e.entry.N, e.claim, run, first.process, first.entry.N, first.claim)
			} else if !ok {
				ends[run] = e
			}
		}
	}
}

// order checks what each follower is told of a topic.
func (h *checker) order() {
	for _, topics := range h.told {
		for _, seen := range topics {
			over, highest := make(map[string]bool), make(map[string]int)
			for i, e := range seen {
				run := e.entry.Run
				switch last := seen[max(0, i-1)]; {
				case i == 0:
				case last.entry.Run != run:
					over[last.entry.Run] = true
				case e.entry.N < last.entry.N:
					h.fail("b", e, "process %d is told N %d of run %s after %d", e.process, e.entry.N, run, last.entry.N)
				case last.entry.State == snapshot.Gone:
					h.fail("b", e, "process %d is told of run %s, which is gone", e.process, run)
				}
				if over[run] && e.entry.State != snapshot.Gone {
					h.fail("b", e, "process %d is told that run %s is %v, which was over", e.process, run, e.entry.State)
				}
				if e.entry.State == snapshot.Final || e.entry.State == snapshot.Gone {
					over[run] = true
				}
				if e.claim > 0 && e.claim < highest[run] {
					h.fail("b", e, "process %d is told something of claim %d after claim %d had written", e.process, e.claim, highest[run])
				}
				highest[run] = max(highest[run], e.claim)
			}
		}
	}
}

// holders checks that one claim ends before the next one of its topic begins.
func (h *checker) holders() {
	held := make(map[string]event)
	for _, e := range h.events {
		switch before, ok := held[e.entry.Topic]; {
		case e.what == claimed && ok:
			h.fail("b", e, "claim %d of process %d gets it while claim %d of process %d holds it", e.claim, e.process, before.claim, before.process)
			fallthrough
		case e.what == claimed:
			held[e.entry.Topic] = e
		case (e.what == lost || e.what == ending) && before.claim == e.claim:
			delete(held, e.entry.Topic)
		}
	}
}

// equal checks that all followers have the same in the end as one that came last.
func (h *checker) equal() {
	fresh := make(map[string]string)
	text := func(e snapshot.Entry) string {
		state := e.State
		if state == snapshot.Orphan {
			state = snapshot.Live // one that came last may not know yet that the lease of its writer is over
		}
		return fmt.Sprintf("run %s N %d %v %q", e.Run, e.N, state, e.Data)
	}
	for _, e := range h.events {
		if e.what == final && e.process == -1 && e.entry.State != snapshot.Gone {
			fresh[e.entry.Topic] = text(e.entry)
		}
	}
	has := make(map[int]map[string]bool)
	for _, e := range h.events {
		if e.what != final || e.process == -1 {
			continue
		}
		if has[e.process] == nil {
			has[e.process] = make(map[string]bool)
		}
		if e.entry.State == snapshot.Gone {
			continue
		}
		has[e.process][e.entry.Topic] = true
		if got, want := text(e.entry), fresh[e.entry.Topic]; got != want {
			h.fail("g", e, "process %d has %s, one that came last %q", e.process, got, want)
		}
	}
	for process, topics := range has {
		for topic, want := range fresh {
			if !topics[topic] {
				h.fail("g", event{at: h.end, entry: snapshot.Entry{Topic: topic}}, "process %d has nothing, one that came last %s", process, want)
			}
		}
	}
}

// lines checks that the logs are silent while nothing is disturbed.
func (h *checker) lines() {
	for _, e := range h.events {
		const before = 15 * time.Second // what is told late, or follows
		if e.what == line && h.quiet(max(0, e.at-before), e.at, e.process) >= min(e.at, before) {
			h.fail("h", e, "process %d logs %q", e.process, e.text)
		}
	}
}
