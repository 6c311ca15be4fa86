package gateway_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// eventsOf returns the events that a replica lists, newest first, without their IDs.
func (m *member) eventsOf(query string) (all []string) {
	for _, one := range m.json("GET", "/api/v1/events?limit=1000&"+query, "")["events"].([]any) {
		e := one.(object)
		if e["replica"] == nil {
			m.of.t.Errorf("an event has no replica: %v", e)
		}
		if e["kind"] == "replica" { // which each sees itself
			continue
		}
		all = append(all, fmt.Sprint(e["time"], " ", e["replica"], " ", e["kind"], " ", e["source"], e["job"], e["run"], " ", e["text"]))
	}
	return all
}

// All replicas list the same events, with the names of the replicas to which they happened, also after these have died, and
// those that come later. One that cannot be reached for a while gets them afterwards.
func TestReplicasShareEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a, b := f.join(sharedAlerts), f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		same := func(what string, least int, members ...*member) {
			t.Helper()
			want := slices.Sorted(slices.Values(members[0].eventsOf(""))) // late ones have another place
			if len(want) < least {
				t.Errorf("%s: there are %d events, want %d: %v", what, len(want), least, want)
			}
			seen := map[string]bool{}
			for _, e := range want {
				if seen[e] {
					t.Errorf("%s: %s is listed twice", what, e)
				}
				seen[e] = true
			}
			for _, m := range members[1:] {
				got := slices.Sorted(slices.Values(m.eventsOf("")))
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%s: one replica lists\n%s\nand another one\n%s", what, strings.Join(want, "\n"), strings.Join(got, "\n"))
				}
			}
		}
		same("the starts", 2, a, b)
		f.set("9")
		time.Sleep(5 * time.Second)
		same("two alerts, told", 6, a, b)
		if code, run := a.start("j", ""); code != 202 {
			t.Fatalf("start = %d %v", code, run)
		}
		time.Sleep(10 * time.Second)
		same("a run", 8, a, b)
		answer := f.drop(b.ReplicaID())
		f.set("1")
		time.Sleep(10 * time.Second)
		_, _ = f.Answer(b.ReplicaID(), answer)
		time.Sleep(2 * time.Second)
		if n, m := len(a.eventsOf("")), len(b.eventsOf("")); n != m || n < 12 {
			t.Errorf("after one was not reached for a while, one lists %d events and the other %d", n, m)
		}
		c := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		same("a third", 13, b, c)
		before := len(b.eventsOf(""))
		a.kill()
		time.Sleep(20 * time.Second)
		same("one has died", before, b, c)
		d := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		same("a fourth", before+1, b, c, d)
		b.leave()
		c.leave()
		f.set("9")
		time.Sleep(5 * time.Second)
		if all := d.eventsOf("kind=alert"); len(all) < 6 {
			t.Errorf("the last one lists the alerts %v, want those of all", all)
		}
		d.leave()
	})
}
