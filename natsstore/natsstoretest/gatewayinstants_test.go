package natsstoretest_test

import (
	"maps"
	"slices"
	"time"
)

// instants checks that each instant of a timetable starts one run.
func (l *gatewayLog) instants() {
	started := map[string]map[time.Duration]string{} // by job and instant, on the clock of the log
	for _, e := range l.all {
		if e.What != isInstant {
			continue
		}
		if started[e.Name] == nil {
			started[e.Name] = map[time.Duration]string{}
		}
		at := e.Wall.Sub(l.began)
		if other, ok := started[e.Name][at]; ok && other != e.Run {
			l.fail("d", e.At, "the instant %v of %s starts run %s and run %s", e.Wall, e.Name, other, e.Run)
		}
		started[e.Name][at] = e.Run
	}
	delays := l.delays(l.lease+orphaned, func(f disturbance) time.Duration {
		if f.fault == faultStep {
			return 0
		}
		return f.from + l.lease + orphaned
	})
	for name, j := range l.jobs {
		if j.For == 0 {
			continue
		}
		begin := l.began.Add(l.first + moved)
		for wall := begin.Truncate(j.For).Add(j.For); ; wall = wall.Add(j.For) {
			at := wall.Sub(l.began)
			if at >= l.end {
				break
			}
			_, ok := started[name][at]
			_, next := started[name][at+j.For]
			if !ok && l.mustStart(at, delays) && !(next && l.isPassedOver(at, j.For)) {
				l.fail("d", at, "the instant %v of %s was missed", wall, name)
			}
		}
	}
}

// isPassedOver reports whether a wall clock was set from before an instant to after it, so shortly before the next one that both
// were due at once: then they start one run, which is that of the later one.
func (l *gatewayLog) isPassedOver(at, period time.Duration) bool {
	return slices.ContainsFunc(l.all, func(e record) bool {
		return e.What == isDisturb && e.Fault == faultStep && e.At <= at && at <= e.At+e.For && e.At+e.For > at+period-fenced
	})
}

// mustStart reports whether what is due at an instant must have been started by the end of the log: at some time a gateway
// lived long enough to do so, while it was not too late, also by its wall clock.
func (l *gatewayLog) mustStart(at time.Duration, delays []span) bool {
	latest := at + madeUp
	for by, isAhead := range l.wrongClocks(at) {
		if !isAhead {
			latest = at + 2*madeUp // by then it starts what is due
		}
		if slices.ContainsFunc(l.faults, func(f disturbance) bool {
			if isAhead { // it is too late for it to take over what nobody has at the instant
				return f.fault != faultStep && f.from <= at && f.from >= at-l.lease-orphaned
			}
			return f.by == by && f.fault != faultStep && f.to >= at && f.from <= latest // and then for the others
		}) {
			return false
		}
	}
	free := due(at, 0, delays)
	return free <= at+madeUp && max(free, latest-madeUp)+l.lease+orphaned <= l.end
}

// wrongClocks returns the gateways whose wall clock is wrong at some time while something that is due is started, and whether
// it is ahead.
func (l *gatewayLog) wrongClocks(at time.Duration) map[string]bool {
	off, wrong := map[string]time.Duration{}, map[string]bool{}
	note := func() {
		for by, d := range off {
			if d != 0 {
				wrong[by] = d > 0
			}
		}
	}
	isNoted := false
	for _, e := range l.all {
		if e.At > at+madeUp {
			break
		}
		if e.At >= at && !isNoted {
			isNoted = true
			note()
		}
		switch {
		case e.What == isExit:
			delete(off, e.By)
		case e.What == isDisturb && e.Fault == faultStep:
			off[e.By] += e.For
			if isNoted {
				note()
			}
		}
	}
	return wrong
}

// alerts checks that the receiver is told of each transition that lasts, in order.
func (l *gatewayLog) alerts() {
	turns, notices := map[string][]record{}, map[string][]record{} // by alert
	last, over := map[string]string{}, map[string]bool{}
	for _, e := range l.all {
		switch e.What {
		case isTurn:
			turns[e.Name] = append(turns[e.Name], e)
		case isTold:
			if l.isStale(e) {
				continue
			}
			if over[e.Name+" "+e.Text] {
				l.fail("e", e.At, "the notice %s that alert %s is %s comes again after %s", e.Text, e.Name, e.Status, last[e.Name])
			}
			if previous := last[e.Name]; previous != e.Text {
				over[e.Name+" "+previous] = true
			}
			last[e.Name] = e.Text
			notices[e.Name] = append(notices[e.Name], e)
		}
	}
	delays := l.delays(l.lease+orphaned, func(f disturbance) time.Duration {
		if f.fault == faultStep {
			return 0
		}
		return f.from + l.lease + orphaned
	})
	for _, name := range slices.Sorted(maps.Keys(l.alerted)) {
		l.transitions(name, append([]record{{Status: "resolved"}}, turns[name]...), notices[name], delays)
	}
}

// isStale reports whether a notice may be one of a gateway that was stopped as a whole and goes on, which does not know yet
// what others have told meanwhile.
func (l *gatewayLog) isStale(e record) bool {
	return slices.ContainsFunc(l.faults, func(f disturbance) bool {
		return f.fault == faultStop && e.At >= f.goesOn && e.At <= f.goesOn+fenced && f.goesOn-f.from >= l.lease &&
			slices.ContainsFunc(l.all, func(o record) bool {
				return o.What == isTold && o.Name == e.Name && o.Text != e.Text && o.At >= f.from && o.At < e.At
			})
	})
}

// transitions checks the notices of an alert. Each is about the same turn as the one before, or about the next one. Turns
// may stay untold that do not last so long that somebody must have seen them.
func (l *gatewayLog) transitions(name string, turns, notices []record, delays []span) {
	lasts := func(i int) bool {
		until := l.end
		if i+1 < len(turns) {
			until = turns[i+1].At
		}
		return due(turns[i].At, l.alerted[name]+l.sources[name]+l.lease+orphaned, delays) <= until
	}
	skip := func(at []int) []int { // adds the turns that are like those, with one between that does not last
		for i := 0; i < len(at); i++ {
			if next := at[i] + 2; next < len(turns) && !lasts(next-1) && !slices.Contains(at, next) {
				at = append(at, next)
			}
		}
		return at
	}
	at := skip([]int{0}) // which turns the receiver may know of last
	for _, e := range notices {
		var next []int
		for _, i := range at {
			if turns[i].Status == e.Status {
				next = append(next, i)
			} else if i+1 < len(turns) && turns[i+1].At <= e.At {
				next = append(next, i+1)
			}
		}
		if len(next) == 0 {
			l.fail("e", e.At, "alert %s is told to be %s, which is not what comes next", name, e.Status)
			return
		}
		at = skip(next)
	}
	if next := slices.Max(at) + 1; next < len(turns) && lasts(next) {
		l.fail("e", turns[next].At, "nobody was told that alert %s is %s", name, turns[next].Status)
	}
}

// calmness checks that no gateway ends by itself, and what they log and use while there are no faults.
func (l *gatewayLog) calmness() {
	used := map[string][]record{}
	for i, e := range l.all {
		switch {
		case e.What == isExit && !l.ended(l.all[:i], e):
			l.fail("h", e.At, "%s has ended by itself: %s", e.By, e.Text)
		case e.At < l.calm+settled:
		case e.What == isLine:
			l.fail("h", e.At, "%s logs %s", e.By, e.Text)
		case e.What == hasSizes:
			used[e.By] = append(used[e.By], e)
		}
	}
	heap := func(e record) int64 { return e.Sizes.Heap }
	full := int64(0) // the heap of the fullest one, to which that of one grows that has just begun. It is in use or garbage, so it wavers
	for _, all := range used {
		if third := len(all) / 3; third > 0 {
			full = max(full, median(all[:third], heap))
		}
	}
	for by, all := range used {
		third := len(all) / 3
		if third < 3 {
			continue
		}
		goroutines := func(e record) int64 { return int64(e.Sizes.Goroutines) }
		if from, to := median(all[:third], goroutines), median(all[len(all)-third:], goroutines); to > from+from/10+10 {
			l.fail("h", l.end, "%s has %d goroutines, and had %d", by, to, from)
		}
		if from, to := median(all[:third], heap), median(all[len(all)-third:], heap); to > full+full/5+4<<20 {
			l.fail("h", l.end, "%s has a heap of %d B, and had one of %d B", by, to, from)
		}
	}
}

func median(all []record, of func(record) int64) int64 {
	var values []int64
	for _, e := range all {
		values = append(values, of(e))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// ended reports whether a gateway was told to end, or killed, or the log is over.
func (l *gatewayLog) ended(before []record, exit record) bool {
	for _, e := range slices.Backward(before) {
		if e.By == exit.By && e.What == isProcess {
			return false
		}
		if e.What == isOver || e.By == exit.By && e.What == isDisturb && (e.Fault == faultKill || e.Fault == faultTerm) {
			return true
		}
	}
	return false
}
