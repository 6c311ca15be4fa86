package natsstoretest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/snapshot"
)

// when returns a copy of an event at a number of milliseconds.
func (e event) when(ms int) event {
	e.at = time.Duration(ms) * time.Millisecond
	return e
}

func made(what string, process, claim, put int, run string, n uint64, state snapshot.State) event {
	e := event{what: what, process: process, claim: claim, put: put, entry: snapshot.Entry{Topic: "t", Run: run, N: n, State: state}}
	if what == told || what == final {
		e.entry.Data = dataOf(claim, put)
	}
	return e
}

// right is a history in which process 1 begins run A, is cut off and loses its claim, process 2 adopts the run and
// ends it, and process 1 begins another one. Both follow.
func right() []event {
	adopted := made(claimed, 2, 2, 0, "A", 1, snapshot.Live)
	adopted.text = "adopted"
	cut := event{what: fault, process: 1, text: "cut"}
	heal := event{what: healed, process: 1, text: "cut"}
	warning := event{what: line, process: 1, text: "no connection"}
	return []event{
		made(told, 1, 0, 0, "A", 0, snapshot.Live).when(1), made(told, 2, 0, 0, "A", 0, snapshot.Live).when(2),
		made(claimed, 1, 1, 0, "A", 0, snapshot.Live).when(3),
		made(put, 1, 1, 1, "A", 0, snapshot.Live).when(10),
		made(told, 1, 1, 1, "A", 1, snapshot.Live).when(11), made(told, 2, 1, 1, "A", 1, snapshot.Live).when(12),
		cut.when(20000), warning.when(25000),
		made(lost, 1, 1, 0, "A", 0, snapshot.Live).when(26000),
		made(told, 2, 1, 1, "A", 1, snapshot.Orphan).when(27000),
		made(told, 2, 1, 1, "A", 1, snapshot.Live).when(27001), adopted.when(27002),
		heal.when(28000),
		made(told, 1, 1, 1, "A", 1, snapshot.Live).when(29000),
		made(put, 2, 2, 1, "A", 0, snapshot.Live).when(40000),
		made(told, 1, 2, 1, "A", 2, snapshot.Live).when(40001), made(told, 2, 2, 1, "A", 2, snapshot.Live).when(40002),
		made(ending, 2, 2, 1, "A", 0, snapshot.Live).when(41000),
		made(told, 1, 2, 2, "A", 3, snapshot.Final).when(41001), made(told, 2, 2, 2, "A", 3, snapshot.Final).when(41001),
		made(ended, 2, 2, 2, "A", 0, snapshot.Final).when(41002),
		made(told, 1, 0, 0, "B", 0, snapshot.Live).when(50000), made(told, 2, 0, 0, "B", 0, snapshot.Live).when(50001),
		made(claimed, 1, 3, 0, "B", 0, snapshot.Live).when(50001),
		made(ending, 1, 3, 0, "B", 0, snapshot.Live).when(50100),
		made(told, 1, 3, 1, "B", 1, snapshot.Orphan).when(50101), made(told, 2, 3, 1, "B", 1, snapshot.Orphan).when(50101),
		made(ended, 1, 3, 1, "B", 0, snapshot.Orphan).when(50102),
		made(final, 1, 3, 1, "B", 1, snapshot.Orphan).when(70000), made(final, 2, 3, 1, "B", 1, snapshot.Orphan).when(70000),
		made(final, -1, 3, 1, "B", 1, snapshot.Orphan).when(70000),
	}
}

// Each rule is broken in one way after the other, and some histories are right that come close to that.
func TestCheck(t *testing.T) {
	const lease = 4 * time.Second
	if wrong := check(right(), lease); len(wrong) > 0 {
		t.Fatalf("of a history that is right the checker says %q", wrong)
	}
	find := func(events []event, what string, process, ms int) int {
		i := slices.IndexFunc(events, func(e event) bool {
			return e.what == what && e.process == process && e.at == time.Duration(ms)*time.Millisecond
		})
		if i < 0 {
			t.Fatalf("no %s of process %d at %d", what, process, ms)
		}
		return i
	}
	insert := func(events []event, e event) []event {
		i := slices.IndexFunc(events, func(o event) bool { return o.at > e.at })
		return slices.Insert(events, i, e)
	}
	remove := func(what string, process, ms int) func([]event) []event {
		return func(events []event) []event {
			i := find(events, what, process, ms)
			return slices.Delete(events, i, i+1)
		}
	}
	added := func(e event) func([]event) []event {
		return func(events []event) []event { return insert(events, e) }
	}
	late := func(e []event) []event { e[find(e, told, 2, 12)].at = 5 * time.Second; return e }
	for name, change := range map[string]func([]event) []event{
		"a put is late while the machine is busy": func(e []event) []event {
			return insert(late(e), event{what: busy, process: -1, long: 4 * time.Second}.when(4900))
		},
		"what was put under a claim that is lost stays away": func(e []event) []event {
			e = remove(told, 1, 40001)(remove(told, 2, 40002)(e))
			e = slices.DeleteFunc(e, func(e event) bool { return e.claim == 2 && e.at > 40900*time.Millisecond })
			e = insert(e, made(ending, 2, 2, 1, "A", 0, snapshot.Live).when(40010))
			e = insert(e, made(refused, 2, 2, 2, "A", 0, snapshot.Live).when(40020))
			e = insert(e, made(told, 1, 1, 1, "A", 1, snapshot.Orphan).when(41000))
			return insert(e, made(told, 2, 1, 1, "A", 1, snapshot.Orphan).when(41000))
		},
	} {
		e := change(right())
		slices.SortStableFunc(e, func(a, b event) int { return int(a.at - b.at) })
		if wrong := check(e, lease); len(wrong) > 0 {
			t.Errorf("%s: the checker says %q", name, wrong)
		}
	}
	gone := made(told, 1, 0, 0, "B", 1, snapshot.Gone)
	for name, c := range map[string]struct {
		rule   string
		change func([]event) []event
	}{
		"a run begins twice":   {"a", added(made(claimed, 2, 9, 0, "B", 0, snapshot.Live).when(60000))},
		"two ends":             {"a", added(made(ended, 1, 1, 1, "A", 0, snapshot.Final).when(45000))},
		"an end is another":    {"a", func(e []event) []event { e[find(e, told, 1, 41001)].entry.N = 4; return e }},
		"an end stays away":    {"a", remove(told, 2, 41001)},
		"N falls":              {"b", added(made(told, 2, 1, 1, "A", 0, snapshot.Live).when(15000))},
		"an end is not one":    {"b", added(made(told, 1, 2, 2, "A", 3, snapshot.Live).when(45000))},
		"a run comes back":     {"b", added(made(told, 2, 2, 2, "A", 3, snapshot.Final).when(51000))},
		"what is gone goes":    {"b", func(e []event) []event { return insert(insert(e, gone.when(60000)), gone.when(60001)) }},
		"two hold a topic":     {"b", remove(lost, 1, 26000)},
		"an old claim writes":  {"b", added(made(told, 2, 1, 2, "A", 2, snapshot.Live).when(40500))},
		"a lost run lives":     {"c", func(e []event) []event { return append(e[:find(e, told, 2, 27000)], event{}.when(40000)) }},
		"a released run lives": {"c", remove(told, 2, 50101)},
		"a put stays away":     {"f", remove(told, 2, 12)},
		"a put is late":        {"f", late},
		"one has another N":    {"g", func(e []event) []event { e[find(e, final, 2, 70000)].entry.N = 2; return e }},
		"one has nothing":      {"g", func(e []event) []event { e[find(e, final, 2, 70000)].entry.State = snapshot.Gone; return e }},
		"one has too much":     {"g", func(e []event) []event { e[find(e, final, -1, 70000)].entry.State = snapshot.Gone; return e }},
		"a warning of another": {"h", added(event{what: line, process: 2, text: "does not work"}.when(27000))},
		"a warning long after": {"h", added(event{what: line, process: 1, text: "does not work"}.when(60000))},
	} {
		wrong := check(c.change(right()), lease)
		if !slices.ContainsFunc(wrong, func(w string) bool { return strings.HasPrefix(w, "("+c.rule+")") }) {
			t.Errorf("%s: the checker says %q, want something about rule (%s)", name, wrong, c.rule)
		}
	}
}
