package gateway_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

const sharedAlerts = `upstreams: {u0: {http: "http://up/u0"}, u1: {http: "http://up/u1"}}
notify: {ops: {http: "http://up/ops"}}
sources:
  a: {http: {upstream: u0, path: /a}, every: 1s, alert: {if: '. > 5', notify: ops}}
  b: {http: {upstream: u1, path: /b}, every: 1s, alert: {if: '. > 5', notify: ops}}
jobs:
  j: {http: {upstream: u0, path: /fails/job, method: POST}, alert: {notify: ops}}
`

// told returns what the receiver was told since the last call, as "state of key".
func (f *fleet) told() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string]int{}
	for _, m := range f.messages {
		for _, a := range m["alerts"].([]any) {
			one := a.(object)
			all[fmt.Sprint(one["state"], " of ", one["source"], one["job"])]++
		}
	}
	f.messages = nil
	return all
}

// heard are the messages which the receiver got.
func (f *fleet) heard() []object {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.messages)
}

func (f *fleet) set(v string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.value = v
}

// Each transition of an alert is told once, by whichever replica polls the source or starts the runs of the job then. All
// replicas list the alerts of all, and a silence holds everywhere.
func TestReplicasShareAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a, b := f.join(sharedAlerts), f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		want := func(what string, want map[string]int) {
			t.Helper()
			if got := f.told(); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: told %v, want %v", what, got, want)
			}
		}
		f.set("9")
		time.Sleep(5 * time.Second)
		want("both fire", map[string]int{"firing of a": 1, "firing of b": 1})
		for _, m := range []*member{a, b} {
			if got := m.json("GET", "/api/v1/alerts", "")["alerts"].([]any); len(got) != 2 {
				t.Errorf("a replica lists %v, want both alerts", got)
			}
			for _, one := range m.json("GET", "/api/v1/alerts", "")["alerts"].([]any) {
				told, _ := one.(object)["told"].([]any)
				if one.(object)["about"] != "9" || one.(object)["state"] != "firing" || len(told) != 1 || told[0].(object)["state"] != "told" {
					t.Errorf("a replica lists %v, want that it fires, about 9, and was told", one)
				}
			}
			for _, silent := range []bool{true, false} { // a list asks nobody
				for _, other := range []*member{a, b} {
					f.silence(other.ReplicaID(), silent)
				}
				begin := time.Now()
				if got := m.json("GET", "/api/v1/alerts", "")["alerts"].([]any); len(got) != 2 || time.Since(begin) > 0 {
					t.Errorf("a replica lists %v after %v, want both alerts at once", got, time.Since(begin))
				}
			}
			if w := m.do("POST", "/api/v1/alerts/acknowledge", `{"of":"source/a"}`); w.Code >= 300 {
				t.Errorf("acknowledge = %d %s", w.Code, w.Body)
			}
		}
		a.leave()
		time.Sleep(10 * time.Second)
		want("one has left", map[string]int{})
		f.set("1")
		time.Sleep(10 * time.Second)
		want("both are over", map[string]int{"resolved of a": 1, "resolved of b": 1})
		c := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		f.set("9")
		time.Sleep(5 * time.Second)
		want("both fire again", map[string]int{"firing of a": 1, "firing of b": 1})
		b.kill()
		time.Sleep(10 * time.Second)
		want("one has died", map[string]int{})
		d := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		w := d.do("POST", "/api/v1/silences", `{"of":"source/a","for":"1h","reason":"x"}`)
		if w.Code >= 300 {
			t.Fatalf("silence = %d %s", w.Code, w.Body)
		}
		time.Sleep(time.Second)
		if got := c.json("GET", "/api/v1/silences", "")["silences"].([]any); len(got) != 1 {
			t.Errorf("another replica has the silences %v", got)
		}
		f.set("1")
		time.Sleep(10 * time.Second)
		if got := f.told(); got["resolved of a"] != 0 {
			t.Errorf("while a is silenced %v was told", got)
		}
		c.leave()
		e := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		if got := e.json("GET", "/api/v1/silences", "")["silences"].([]any); len(got) != 1 {
			t.Errorf("a new replica has the silences %v", got)
		}
		d.leave()
		e.leave()
	})
}

// A source or a job that moves while a receiver is being told of its alert moves when the receiver has answered, so that
// nobody tells it again. A receiver that takes long to answer is told again, by the same message.
func TestReplicasMoveWhileTheyTell(t *testing.T) {
	const yaml = "upstreams: {u0: {http: \"http://up/u0\"}}\nnotify: {ops: {http: \"http://up/ops\"}}\n" +
		"sources: {a: {http: {upstream: u0, path: /a}, every: 1s, alert: {if: '. > 5', notify: ops}}}\n" +
		"jobs: {j: {http: {upstream: u0, path: /job}, timeout: 500ms, alert: {notify: ops}}}\n"
	value := func(f *fleet, _ *member) { f.set("9") }
	start := func(_ *fleet, m *member) { m.start("j", "") }
	for _, tt := range []struct {
		name, path string
		begin      func(*fleet, *member)
		answers    time.Duration
		messages   int
	}{
		{"a source", "/u0/a", value, 700 * time.Millisecond, 1},
		{"a job", "/u0/job", start, 700 * time.Millisecond, 1},
		{"a source, as the receiver takes long", "/u0/a", value, 2 * time.Second, 2},
		{"a job, as the receiver takes long", "/u0/job", start, 2 * time.Second, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t)
				f.opsTakes, f.jobTakes = tt.answers, time.Second
				a, b := f.join(yaml), f.join(yaml)
				time.Sleep(5 * time.Second)
				tt.begin(f, a)
				for len(f.heard()) == 0 {
					time.Sleep(10 * time.Millisecond)
				}
				stays := a
				if moves := f.doer(tt.path); moves == a {
					a.leave()
					stays = b
				} else {
					b.leave()
				}
				time.Sleep(10 * time.Second)
				ids := map[any]bool{}
				for _, m := range f.heard() {
					ids[m["id"]] = true
				}
				if got := f.heard(); len(got) != tt.messages || len(ids) != 1 {
					t.Errorf("the receiver got %d messages with %d IDs, want %d with one: %v", len(got), len(ids), tt.messages, got)
				}
				stays.leave()
			})
		})
	}
}

// An alert of a job is told by whoever has its unit, also of runs that were lost with the replica that had them.
func TestReplicasShareAlertsOfJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		all := []*member{f.join(sharedAlerts), f.join(sharedAlerts)}
		time.Sleep(5 * time.Second)
		if code, run := all[0].start("j", ""); code != 202 {
			t.Fatalf("start = %d %v", code, run)
		}
		synctest.Wait()
		f.mu.Lock()
		dying := f.by["/u0/fails/job"]
		f.mu.Unlock()
		dying.kill()
		left := all[0]
		if left == dying {
			left = all[1]
		}
		time.Sleep(10 * time.Second)
		if got := f.told(); got["firing of j"] != 1 || len(got) != 1 {
			t.Errorf("told %v, want that j fires, once", got)
		}
		left.leave()
	})
}
