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
			if first, ok := begun[e.Run]; ok {
				l.fail("a", e.At, "run %s of %s begins at %s, and has begun at %s at %v", e.Run, e.Name, e.By, first.By, first.At)
			}
			begun[e.Run] = e
		}
	}
}

// gatewayEnds checks that each run that was answered with 202, or was begun by a timetable, has one end at all gateways.
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
		if e.What != isInstant && (e.What != isAnswered || e.Code != 202) || accepted[e.Run] || !l.isWhole {
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
	watched, told := map[string]record{}, map[string]record{} // by client
	for _, e := range l.all {
		switch _, is := watched[e.By]; {
		case e.What == isOpened && e.Run != "":
			watched[e.By] = e
		case e.What == isEvent && is && hasEnded(e.Status):
			if first, ok := told[e.By]; ok {
				l.fail("a", e.At, "%s is told that run %s is %s, and was told that it is %s", e.By, e.Run, e.Status, first.Status)
			} else if end, ok := ends[e.Run]; ok && end != e.Status {
				l.fail("a", e.At, "%s is told that run %s is %s, gateways that it is %s", e.By, e.Run, e.Status, end)
			}
			told[e.By] = e
		case e.What == isLeft && is && e.Code != 204:
			delete(watched, e.By)
		}
	}
	for by, e := range watched {
		if _, ok := told[by]; !ok {
			l.fail("a", e.At, "%s watches run %s, and is never told of its end", by, e.Run)
		}
	}
}

// numbers checks what clients are told in which order.
func (l *gatewayLog) numbers() {
	type topic struct{ by, name string }
	newest, before := map[topic]record{}, map[topic]map[string]bool{}
	for _, e := range l.all {
		if e.What != isEvent || e.Run == "" {
			continue
		}
		at := topic{e.By, e.Name}
		last, ok := newest[at]
		switch {
		case !ok:
			before[at] = map[string]bool{}
		case last.Run != e.Run:
			before[at][last.Run] = true
		case hasEnded(last.Status):
			if !hasEnded(e.Status) {
				l.fail("b", e.At, "%s is told that run %s of %s is %s after its end", e.By, e.Run, e.Name, e.Status)
			}
		case e.N < last.N && !hasEnded(e.Status):
			l.fail("b", e.At, "%s is told N %d of run %s of %s after %d", e.By, e.N, e.Run, e.Name, last.N)
		}
		if before[at][e.Run] {
			l.fail("b", e.At, "%s is told of run %s of %s again, after run %s", e.By, e.Run, e.Name, last.Run)
		}
		newest[at] = e
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
		if f.fault != faultStop || f.to-f.from < l.lease || f.to+fenced > l.end {
			continue
		}
		for _, w := range l.works {
			if w.By == f.by && w.At < f.from && w.to > f.to+fenced {
				l.fail("b", w.to, "run %s of %s at %s, which was stopped for %v, goes on for %v after that",
					w.Run, w.Name, w.By, f.to-f.from, w.to-f.to)
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
			heard[e.By], every[e.By] = e.At, most
			if e.Name != "" {
				every[e.By] = l.sources[e.Name]
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
		case faultStep:
			return 0
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

// states checks that all gateways have the same at each moment, in one of its readings.
func (l *gatewayLog) states() {
	type place struct {
		moment int
		topic  string
	}
	gateways := map[int]map[string]bool{} // by moment
	readings := map[place]map[uint64]map[string]string{}
	at := map[int]time.Duration{}
	for _, e := range l.all {
		if e.What != isState {
			continue
		}
		p := place{e.ID, e.Name}
		if gateways[e.ID] == nil {
			gateways[e.ID] = map[string]bool{}
		}
		if readings[p] == nil {
			readings[p] = map[uint64]map[string]string{}
		}
		if readings[p][e.N] == nil {
			readings[p][e.N] = map[string]string{}
		}
		gateways[e.ID][e.By], readings[p][e.N][e.By], at[e.ID] = true, e.Text, e.At
	}
	for p, all := range readings {
		equal := false
		var last uint64
		for n, texts := range all {
			values := slices.Compact(slices.Sorted(maps.Values(texts)))
			equal = equal || len(values) == 1 && len(texts) == len(gateways[p.moment])
			last = max(last, n)
		}
		if !equal {
			l.fail("g", at[p.moment], "at moment %d gateways differ about %s, at last: %s", p.moment, p.topic, fmt.Sprint(all[last]))
		}
	}
}
