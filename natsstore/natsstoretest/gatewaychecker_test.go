package natsstoretest_test

import (
	"fmt"
	"slices"
	"time"
)

const (
	moved     = 5 * time.Second        // within which work moves from one replica to another, if none has died
	orphaned  = 5 * time.Second        // on top of a lease, until others do the work of a replica that has died
	elected   = 10 * time.Second       // until clients hear something again after the death of the stream's leader
	spread    = 5 * time.Second        // over which sources are polled after the wall clock was set
	drained   = time.Second            // until clients hear something again after a replica was told to stop
	fenced    = 2 * time.Second        // within which a replica that was stopped gives up its work after SIGCONT
	noticed   = 100 * time.Millisecond // until the upstream knows that a connection was broken off
	madeUp    = time.Minute            // for how long an instant of a timetable is started later
	settled   = 20 * time.Second       // after the last fault, until nothing may be wrong any more
	slack     = time.Second            // of a client, on top of an interval
	finishing = time.Minute            // within which runs end and clients are told
)

// checkGateways returns how a chaos of gateways breaks what several replicas promise, each with the letter of its rule:
//
//	(a) an Idempotency-Key leads to one run; a run begins once, and one that was answered with 202 has one end, which is the
//	    same at all gateways, and of which each client that watches it is told once
//	(b) N does not fall within a run; runs of a job or a group do not overlap, and the processes of a gateway that was
//	    stopped for longer than its lease end when it goes on
//	(c) polls of a source do not overlap; it is polled again within its interval and 5 s, after a fault within a lease more
//	(d) each instant of a timetable is started once, if a gateway lives within a minute
//	(e) receivers are told of each transition of an alert at least once, in order
//	(f) clients hear something again 10 s after the death of the stream's leader and 1 s after a SIGTERM, otherwise within the
//	    lease and 5 s, as those do whose run is lost
//	(g) a moment after everything is healed, all gateways have the same
//	(h) no gateway ends by itself; without faults none logs an error, and goroutines and heap stay as they are
//
// Work may overlap with that of a gateway that is stopped as a whole, see fencing.
func checkGateways(all []record) []string {
	l := arrangeGateways(all)
	for _, rule := range []func(*gatewayLog){
		(*gatewayLog).whole, (*gatewayLog).keys, (*gatewayLog).gatewayEnds, (*gatewayLog).clientEnds, (*gatewayLog).numbers,
		(*gatewayLog).runsApart, (*gatewayLog).pollsApart, (*gatewayLog).gaps, (*gatewayLog).instants, (*gatewayLog).alerts,
		(*gatewayLog).silences, (*gatewayLog).losses, (*gatewayLog).states, (*gatewayLog).calmness,
	} {
		rule(l)
	}
	return l.wrong
}

// gatewayLog is the log of a chaos of gateways, arranged.
type gatewayLog struct {
	all     []record
	lease   time.Duration
	began   time.Time                // by the wall clock
	first   time.Duration            // when the first gateway was ready
	calm    time.Duration            // since when there are no faults
	end     time.Duration            // of the log
	isWhole bool                     // the harness has come to its end
	sources map[string]time.Duration // intervals by name
	jobs    map[string]record        // by name
	alerted map[string]time.Duration // for how long the condition must last, by name
	faults  []disturbance            // in order
	unable  []span                   // when no gateway was able to do anything
	polls   map[string][]piece       // by source, in order
	works   []piece                  // in order
	watched map[string][]record      // what clients that watch a run do and hear, by run
	wrong   []string
}

// disturbance is a fault.
type disturbance struct {
	by, fault string
	span
	goesOn time.Duration // when a gateway that was stopped as a whole gets SIGCONT
}

// piece is a record that has a beginning and an end, which is that of the log if it was not seen.
type piece struct {
	record
	to   time.Duration
	code int
}

func arrangeGateways(all []record) *gatewayLog {
	l := &gatewayLog{
		all: all, lease: 15 * time.Second, first: -1, sources: map[string]time.Duration{}, jobs: map[string]record{},
		alerted: map[string]time.Duration{}, polls: map[string][]piece{}, watched: map[string][]record{},
	}
	if len(all) > 0 {
		l.end = all[len(all)-1].At
	}
	l.calm = l.end
	ends, watches := map[int]record{}, map[string]string{}
	for _, e := range all {
		switch e.What {
		case isOpened, isEvent, isLeft:
			if e.What == isOpened {
				watches[e.By] = e.Run
			}
			if run := watches[e.By]; run != "" {
				l.watched[run] = append(l.watched[run], e)
			}
		case isBegun:
			l.lease = e.For
			if e.Wall != nil {
				l.began = e.Wall.Add(-e.At)
			}
		case hasSource:
			l.sources[e.Name] = e.For
		case hasJob:
			l.jobs[e.Name] = e
		case hasAlert:
			l.alerted[e.Name] = e.For
		case isReady:
			if l.first < 0 {
				l.first = e.At
			}
		case isCalm:
			l.calm = e.At
		case isOver:
			l.isWhole, l.end = true, e.At
		case isPolled, isWorked:
			ends[e.ID] = e
		}
	}
	for i, e := range all {
		switch e.What {
		case isDisturb:
			f := disturbance{e.By, e.Fault, span{e.At, l.healed(all[i:], e)}, 0}
			f.goesOn = f.to
			if j := slices.IndexFunc(all[i:], func(o record) bool { return o.What == isGoesOn && o.By == e.By }); j >= 0 {
				f.goesOn = min(f.to, all[i+j].At)
			}
			l.faults = append(l.faults, f)
		case isPoll, isWork:
			p := piece{record: e, to: l.end}
			if to, ok := ends[e.ID]; ok {
				p.to, p.code = to.At, to.Code
			}
			if e.What == isWork {
				l.works = append(l.works, p)
			} else {
				l.polls[e.Name] = append(l.polls[e.Name], p)
			}
		}
	}
	l.unable = l.nobody()
	return l
}

// healed returns when a fault is over.
func (l *gatewayLog) healed(after []record, fault record) time.Duration {
	if fault.Fault == faultStep {
		return fault.At
	}
	for _, e := range after {
		if e.What == isHealed && e.By == fault.By && e.Fault == fault.Fault {
			return e.At
		}
	}
	return l.end
}

// nobody returns when no gateway was ready and undisturbed.
func (l *gatewayLog) nobody() (all []span) {
	ready := map[string]bool{}
	disturbed := map[string]int{}
	var since time.Duration
	wasAble := false
	for _, e := range l.all {
		switch {
		case e.What == isReady:
			ready[e.By] = true
		case e.What == isExit:
			ready[e.By] = false
		case e.What == isDisturb && e.Fault != faultStep:
			disturbed[e.By]++
		case e.What == isHealed:
			disturbed[e.By]--
		default:
			continue
		}
		able := false
		for by, is := range ready {
			able = able || is && disturbed[by] <= 0
		}
		if able && !wasAble {
			all = append(all, span{since, e.At})
		}
		if !able && wasAble {
			since = e.At
		}
		wasAble = able
	}
	if !wasAble {
		all = append(all, span{since, l.end})
	}
	return all
}

func (l *gatewayLog) fail(rule string, at time.Duration, format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf("(%s) %v: ", rule, at.Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// due returns until when something has to happen again that happened last at from: within a usual time, or until a delay
// is over that began before that. So several delays may follow one another.
func due(from, usual time.Duration, delays []span) time.Duration {
	at := from + usual
	for _, d := range delays {
		if d.from <= at {
			at = max(at, d.to)
		}
	}
	return at
}

// delays returns what delays something, in order: each fault until a time, unless that is zero, and the times when no
// gateway is able to do anything, until a time after that.
func (l *gatewayLog) delays(after time.Duration, until func(disturbance) time.Duration) (all []span) {
	for _, f := range l.faults {
		if to := until(f); to > 0 {
			all = append(all, span{f.from, to})
		}
	}
	for _, u := range l.unable {
		all = append(all, span{u.from, u.to + after})
	}
	slices.SortFunc(all, func(a, b span) int { return int(a.from - b.from) })
	return all
}

// fencing reports whether a piece of work may overlap with that of others during a time, because its gateway is stopped as a
// whole, or was until a moment ago: it can do nothing about it.
func (l *gatewayLog) fencing(p piece, from, to time.Duration) bool {
	return slices.ContainsFunc(l.faults, func(f disturbance) bool {
		return f.fault == faultStop && f.by == p.By && from >= f.from && to <= f.goesOn+fenced
	})
}

// apart checks that pieces of work, which are in order, do not overlap.
func (l *gatewayLog) apart(rule string, all []piece) {
	var current []piece
	for _, later := range all {
		current = slices.DeleteFunc(current, func(p piece) bool { return p.to <= later.At })
		for _, p := range current {
			to := min(p.to, later.to)
			if p.code == 0 && p.to < l.end {
				to = min(to, p.to-noticed)
			}
			if later.At < to && !l.fencing(p, later.At, to) && !l.fencing(later, later.At, to) {
				l.fail(rule, later.At, "%s of %s%s at %s begins while that of %s%s at %s is in progress, for %v",
					later.What, later.Name, of(later.Run), later.By, p.Name, of(p.Run), p.By, to-later.At)
			}
		}
		current = append(current, later)
	}
}

func of(run string) string {
	if run == "" {
		return ""
	}
	return " (run " + run + ")"
}

// whole checks that there is something to check.
func (l *gatewayLog) whole() {
	if !l.isWhole {
		l.fail("-", l.end, "the log is broken off")
	}
	if l.first < 0 {
		l.fail("-", l.end, "no gateway was ever ready")
		l.first = l.end
	}
	for name := range l.sources {
		if len(l.polls[name]) == 0 {
			l.fail("c", l.end, "source %s was never polled", name)
		}
	}
}
