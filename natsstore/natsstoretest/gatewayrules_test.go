package natsstoretest_test

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// keys checks that each Idempotency-Key of a job leads to one run, which begins once.
func (l *gatewayLog) keys() {
	runs := map[[2]string]string{} // by job and key
	known := func(e record, job, key, run string) {
		if key == "" || run == "" {
			return
		}
		if other, ok := runs[[2]string{job, key}]; ok && other != run {
			l.fail("a", e.At, "key %s of %s leads to run %s and to run %s", key, job, other, run)
		}
		runs[[2]string{job, key}] = run
	}
	asked := map[int]record{}
	begun := map[string]record{}
	for _, e := range l.all {
		switch e.What {
		case isAsked:
			asked[e.ID] = e
		case isAnswered:
			known(e, asked[e.ID].Name, asked[e.ID].Key, e.Run)
		case isWork:
			known(e, e.Name, e.Key, e.Run)
			run := e.Run
			if run == "" {
				run = e.Name + " with key " + e.Key
			}
			if first, ok := begun[run]; ok {
				l.fail("a", e.At, "run %s of %s begins at %s, and has begun at %s at %v", run, e.Name, e.By, first.By, first.At)
			}
			begun[run] = e
		}
	}
}

// gatewayEnds checks that each run that was answered with 202 has one end at all gateways.
func (l *gatewayLog) gatewayEnds() {
	ends := map[string][]record{} // by run
	var gateways []string
	for _, e := range l.all {
		switch e.What {
		case isReady:
			if !slices.Contains(gateways, e.By) {
				gateways = append(gateways, e.By)
			}
		case isEnd:
			ends[e.Run] = append(ends[e.Run], e)
		case isMissing:
			l.fail("a", e.At, "%s does not know run %s", e.By, e.Run)
		}
	}
	accepted := map[string]bool{}
	for _, e := range l.all {
		if e.What != isAnswered || e.Code != 202 || accepted[e.Run] || !l.isWhole || e.At > l.end-finishing {
			continue
		}
		accepted[e.Run] = true
		for _, by := range gateways {
			if !slices.ContainsFunc(ends[e.Run], func(end record) bool { return end.By == by }) {
				l.fail("a", e.At, "run %s has no end at %s", e.Run, by)
			}
		}
	}
	for run, all := range ends {
		for _, end := range all {
			if end.Status != all[0].Status || end.Text != all[0].Text {
				l.fail("a", end.At, "run %s has ended as %s %s at %s, and as %s %s at %s",
					run, all[0].Status, all[0].Text, all[0].By, end.Status, end.Text, end.By)
			}
		}
	}
}

// hasEnded reports whether the status of a run is that of an end.
func hasEnded(status string) bool {
	return slices.Contains([]string{"succeeded", "failed", "cancelled", "timed_out", "lost"}, status)
}

// clientEnds checks that each client that watches a run to its end is told of it once, as gateways tell it.
func (l *gatewayLog) clientEnds() {
	ends := map[string]string{}
	for _, e := range l.all {
		if e.What == isEnd {
			ends[e.Run] = e.Status
		}
	}
	type place struct{ by, run string }
	watched, told := map[place]record{}, map[place]record{}
	for _, e := range l.all {
		p := place{e.By, e.Run}
		_, is := watched[p]
		switch {
		case e.What == isOpened && e.Run != "":
			watched[p] = e
			delete(told, p)
		case e.What == isEvent && is && hasEnded(e.Status):
			if first, ok := told[p]; ok {
				l.fail("a", e.At, "%s is told that run %s is %s, and was told that it is %s", e.By, e.Run, e.Status, first.Status)
			} else if end, ok := ends[e.Run]; ok && end != e.Status {
				l.fail("a", e.At, "%s is told that run %s is %s, gateways that it is %s", e.By, e.Run, e.Status, end)
			}
			told[p] = e
		case e.What == isLeft && is && e.Code != 204:
			delete(watched, p)
		}
	}
	for p, e := range watched {
		if _, ok := told[p]; !ok && e.At < l.end-finishing {
			l.fail("a", e.At, "%s watches run %s, and is never told of its end", p.by, p.run)
		}
	}
}

// numbers checks what clients are told in which order.
func (l *gatewayLog) numbers() {
	type place struct{ by, name, run string }
	newest, shown := map[place]record{}, map[place]record{}
	for _, e := range l.all {
		if e.What != isEvent || e.Run == "" {
			continue
		}
		if e.Value != 0 { // of a source, also at another gateway, where its events have other numbers
			p := place{by: e.By, name: e.Name}
			if last := shown[p]; e.Value < last.Value {
				l.fail("b", e.At, "%s is shown value %d of %s, and was shown %d at %v", e.By, e.Value, e.Name, last.Value, last.At)
			}
			shown[p] = e
		}
		p := place{e.By, e.Name, e.Run}
		last, ok := newest[p]
		switch {
		case !ok || hasEnded(e.Status):
		case hasEnded(last.Status):
			l.fail("b", e.At, "%s is told that run %s of %s is %s after its end", e.By, e.Run, e.Name, e.Status)
		case e.N < last.N:
			l.fail("b", e.At, "%s is told N %d of run %s of %s after %d", e.By, e.N, e.Run, e.Name, last.N)
		}
		newest[p] = e
	}
}

// runsApart checks that runs of a job or a group do not overlap, and that processes do not outlive the lease.
func (l *gatewayLog) runsApart() {
	places := map[string][]piece{}
	for _, w := range l.works {
		place := "job " + w.Name
		if group := l.jobs[w.Name].Text; group != "" {
			place = "group " + group
		}
		places[place] = append(places[place], w)
	}
	for _, place := range slices.Sorted(maps.Keys(places)) {
		l.apart("b", places[place])
	}
	for _, f := range l.faults {
		if f.fault != faultStop || f.goesOn-f.from < l.lease || f.goesOn+fenced > l.end {
			continue
		}
		for _, w := range l.works {
			if w.By == f.by && w.At < f.from && w.to > f.goesOn+fenced {
				l.fail("b", w.to, "run %s of %s at %s, which was stopped for %v, goes on for %v after that",
					w.Run, w.Name, w.By, f.goesOn-f.from, w.to-f.goesOn)
			}
		}
	}
}

// pollsApart checks that polls of a source do not overlap.
func (l *gatewayLog) pollsApart() {
	for _, name := range slices.Sorted(maps.Keys(l.polls)) {
		l.apart("c", l.polls[name])
	}
}

// gaps checks that sources are polled.
func (l *gatewayLog) gaps() {
	for name, every := range l.sources {
		delays := l.delays(l.lease+orphaned+every, func(f disturbance) time.Duration {
			if f.fault == faultStep || f.fault == faultTerm {
				return 0
			}
			return f.from + l.lease + orphaned + every
		})
		last := l.first
		for _, p := range append(l.polls[name], piece{record: record{At: l.end}}) {
			if at := due(last, every+moved, delays); p.At > at {
				l.fail("c", p.At, "source %s, every %v, was not polled for %v, since %v", name, every, p.At-last, last)
			}
			last = max(last, p.At)
		}
	}
}

// silences checks that clients hear something of what they watch.
func (l *gatewayLog) silences() {
	most := l.end
	for _, every := range l.sources {
		most = min(most, every)
	}
	heard, every := map[string]time.Duration{}, map[string]time.Duration{} // by client
	delays := map[time.Duration][]span{}
	check := func(by string, at time.Duration) {
		usual := every[by] + slack
		if delays[usual] == nil {
			delays[usual] = l.quietness(usual)
		}
		if last := heard[by]; at > due(last, usual, delays[usual]) {
			l.fail("f", at, "%s, which should hear something every %v, heard nothing for %v, since %v", by, every[by], at-last, last)
		}
	}
	for _, e := range l.all {
		_, is := heard[e.By]
		switch {
		case e.What == isOpened && e.Run == "":
			heard[e.By], every[e.By] = e.At, max(most, e.For)
			if e.Name != "" {
				every[e.By] = max(l.sources[e.Name], e.For)
			}
		case e.What == isEvent && is:
			check(e.By, e.At)
			heard[e.By] = e.At
		case e.What == isLeft:
			delete(heard, e.By)
		}
	}
	for _, by := range slices.Sorted(maps.Keys(heard)) {
		check(by, l.end)
	}
}

// quietness returns when clients may hear nothing of what usually happens within a time.
func (l *gatewayLog) quietness(usual time.Duration) []span {
	delays := l.delays(l.lease+orphaned+usual, func(f disturbance) time.Duration {
		switch f.fault {
		case faultStep: // it could be that the machine has slept: the polls of all sources are spread
			return f.from + spread + usual
		case faultTerm:
			return f.from + drained + usual
		case faultServer:
			return f.from + elected + usual
		case faultStop: // a client of a gateway that is stopped as a whole does not know
			return f.to + moved + usual
		}
		return f.from + l.lease + orphaned + usual
	})
	for _, f := range l.faults {
		if f.fault != faultServer && f.fault != faultStep && f.to < l.end { // a gateway gets work again
			delays = append(delays, span{f.to, f.to + moved + usual})
		}
	}
	slices.SortFunc(delays, func(a, b span) int { return int(a.from - b.from) })
	return delays
}

// losses checks that clients hear soon that a run is lost with its gateway.
func (l *gatewayLog) losses() {
	delays := l.quietness(0)
	for _, f := range l.faults {
		if f.fault != faultKill {
			continue
		}
		for _, w := range l.works {
			if w.By != f.by || w.At >= f.from || w.to < f.from || w.code != 0 {
				continue
			}
			for by, at := range l.watching(w.Run, f.from) {
				if latest := due(f.from, l.lease+orphaned, delays); at > latest {
					l.fail("f", at, "%s was not told for %v that run %s of %s is over, which was lost with %s", by, at-f.from, w.Run, w.Name, f.by)
				}
			}
		}
	}
}

// watching returns the clients that watched a run at a time and had not heard of its end, and when they did.
func (l *gatewayLog) watching(run string, since time.Duration) map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, e := range l.watched[run] {
		_, is := all[e.By]
		switch {
		case e.What == isOpened && e.At <= since:
			all[e.By] = l.end
		case is && e.What == isEvent && hasEnded(e.Status) && e.At < since, is && e.What == isLeft && e.At < all[e.By]:
			delete(all, e.By)
		case is && e.What == isEvent && hasEnded(e.Status):
			all[e.By] = min(all[e.By], e.At)
		}
	}
	return all
}

// states checks that all gateways have the same at each moment, in one of its readings. A moment whose last reading is not
// one of all gateways was broken off.
func (l *gatewayLog) states() {
	moments, gateways := map[int][]record{}, map[string]bool{}
	for _, e := range l.all {
		if e.What == isReady {
			gateways[e.By] = true
		}
		if e.What == isState {
			moments[e.ID] = append(moments[e.ID], e)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(moments)) {
		all := moments[id]
		last := all[len(all)-1]
		inLast := map[string]bool{}
		topics := map[string]map[uint64]map[string]string{} // texts by reading and gateway
		for _, e := range all {
			if topics[e.Name] == nil {
				topics[e.Name] = map[uint64]map[string]string{}
			}
			if topics[e.Name][e.N] == nil {
				topics[e.Name][e.N] = map[string]string{}
			}
			topics[e.Name][e.N][e.By] = e.Text
			if e.N == last.N {
				inLast[e.By] = true
			}
		}
		for topic, readings := range topics {
			equal := len(inLast) < len(gateways)
			for _, texts := range readings {
				equal = equal || len(texts) == len(gateways) && len(slices.Compact(slices.Sorted(maps.Values(texts)))) == 1
			}
			if !equal {
				l.fail("g", last.At, "at moment %d gateways differ about %s, at last: %s", id, topic, fmt.Sprint(readings[last.N]))
			}
		}
	}
}
