package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

const onB = `store: {nats: "nats://127.0.0.1:4222"}
upstreams: {u: {http: "http://up"}}
notify: {ops: {http: {url: "http://up/ops"}, group_wait: 1ms}}
sources:
  temp: {exec: [echo, "7"], every: 1m, backoff: {max: 10s}, on: b, alert: {after: 1, notify: ops}}
  free: {exec: [echo, "7"], every: 10m}
jobs:
  j: {exec: ["true"], on: b}
  timed: {exec: ["true"], on: b, at: {cron: "*/10 * * * *", zone: UTC, catch_up: 5m}, alert: {notify: ops}}
`

// source is a source as a replica shows it.
func (m *member) source(name string) (state, value, replica, why string) {
	m.of.t.Helper()
	s := m.json("GET", "/api/v1/sources/"+name, "")
	value, _ = s["value"].(string)
	replica, _ = s["replica"].(string)
	why, _ = s["error"].(string)
	return of(s, "state"), value, replica, why
}

// A source that is on one replica is polled there alone. While that is away, the source fails, and another one tells so.
func TestReplicasPollWhereTheyShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a, c := f.joinNamed("a", onB), f.joinNamed("c", onB)
		all := []*member{a, c}
		shows := func(when, state, value, why string) {
			t.Helper()
			for _, m := range all {
				gotState, gotValue, by, gotWhy := m.source("temp")
				if gotState != state || gotValue != value || gotWhy != why || (by == "b") != (state == "ok") {
					t.Errorf("%s: temp is %s, %q, %q, as %s says", when, gotState, gotValue, gotWhy, by)
				}
			}
		}
		const away = "replica b is away"
		time.Sleep(30 * time.Second)
		shows("at first", "failing", "", away)
		b := f.joinNamed("b", onB)
		time.Sleep(2 * time.Second)
		shows("with it", "ok", "7", "")
		d := f.joinNamed("d", onB)
		all = append(all, b, d)
		time.Sleep(time.Minute)
		shows("with others", "ok", "7", "")
		b.leave()
		all = []*member{a, c, d}
		time.Sleep(2 * time.Second)
		shows("after it has stopped", "stale", "7", away)
		b = f.joinNamed("b", onB)
		time.Sleep(2 * time.Second)
		shows("when it is back", "ok", "7", "")
		b.kill()
		time.Sleep(30 * time.Second)
		shows("after it has died", "stale", "7", away)
		b = f.joinNamed("b", onB)
		all = append(all, b)
		time.Sleep(2 * time.Second)
		shows("when it is back again", "ok", "7", "")
		f.mu.Lock()
		told := 0
		for _, message := range f.messages {
			told += len(message["alerts"].([]any))
		}
		f.mu.Unlock()
		if told != 4 { // at first it has a minute until there is a value
			t.Errorf("%d messages were sent of the two times that it was away, want 4", told)
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// A job that is on one replica runs there alone. While that is away, starts are refused, and what its timetable misses is told
// when nobody makes up for it any more.
func TestReplicasRunWhereTheyShould(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a, c := f.joinNamed("a", onB), f.joinNamed("c", onB) // at a full hour
		time.Sleep(3 * time.Second)
		refused := func(when string) {
			t.Helper()
			for _, m := range []*member{a, c} {
				if code, problem := m.start("j", ""); code != 503 || problem["detail"] != "replica b is away" || problem["title"] != "The replica is away" {
					t.Errorf("%s: a start = %d %v", when, code, problem)
				}
			}
		}
		runs := func(when, job string, want int) {
			t.Helper()
			for _, m := range []*member{a, c} {
				all := m.json("GET", "/api/v1/jobs/"+job+"/runs", "")["runs"].([]any)
				if len(all) != want {
					t.Errorf("%s: there are %d runs of %s, want %d", when, len(all), job, want)
				}
				for _, run := range all {
					if run := run.(object); run["replica"] != "b" || run["status"] != "succeeded" {
						t.Errorf("%s: a run is %v", when, run)
					}
				}
			}
		}
		firing := func(when, want string) {
			t.Helper()
			got := ""
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, message := range f.messages {
				for _, one := range message["alerts"].([]any) {
					if one := one.(object); one["job"] == "timed" {
						got, _ = one["error"].(string)
					}
				}
			}
			if got != want {
				t.Errorf("%s: ops was told last that the job has %q, want %q", when, got, want)
			}
		}
		refused("at first")
		b := f.joinNamed("b", onB)
		time.Sleep(3 * time.Second)
		for _, m := range []*member{a, b, c} {
			if code, run := m.start("j", ""); code != 202 || m.ended(of(run, "id"))["status"] != "succeeded" {
				t.Errorf("a start = %d %v", code, run)
			}
		}
		runs("with it", "j", 3)
		time.Sleep(10 * time.Minute)
		runs("on time", "timed", 1)
		b.leave() // after 10 minutes and some seconds
		time.Sleep(6 * time.Minute)
		refused("when it has stopped")
		firing("when it has stopped", "")
		time.Sleep(5 * time.Minute)
		firing("while it may come back", "")
		b = f.joinNamed("b", onB) // after 21 minutes
		time.Sleep(10 * time.Second)
		runs("made up for", "timed", 2)
		b.kill()
		time.Sleep(16 * time.Minute)
		firing("when it was too late", "replica b is away")
		b = f.joinNamed("b", onB) // after 37 minutes
		time.Sleep(time.Minute)
		runs("too late", "timed", 2)
		time.Sleep(3 * time.Minute)
		runs("on time again", "timed", 3)
		firing("on time again", "")
		for _, m := range []*member{a, b, c} {
			m.leave()
		}
	})
}

const onEach = `store: {nats: "nats://127.0.0.1:4222"}
sources:
  disk: {exec: [echo, "7"], every: 1m, backoff: {max: 10s}, on: each}
  free: {exec: [echo, "7"], every: 10m}
quiet: [{at: "@daily", for: 1h, of: [source/disk]}]
`

// sources are the names of the sources as a replica lists them, each with its state and who told that.
func (m *member) sources() string {
	m.of.t.Helper()
	var all []string
	for _, s := range m.json("GET", "/api/v1/sources", "")["sources"].([]any) {
		if name := of(s.(object), "name"); name != "free" {
			state, _, by, why := m.source(name)
			if name == "disk@"+by {
				by = "itself"
			} else {
				by = "another"
			}
			all = append(all, strings.TrimSpace(fmt.Sprint(name, " ", state, " by ", by, " ", why)))
		}
	}
	return strings.Join(all, ", ")
}

// A source that is on each replica is one for each, which comes with it, and stays until it was away for two minutes.
func TestReplicasPollEachForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		shows := func(when, want string, members ...*member) {
			t.Helper()
			for _, m := range members {
				if got := m.sources(); got != want {
					t.Errorf("%s: at %s there are\n  %s\nwant\n  %s", when, m.ReplicaID(), got, want)
				}
			}
		}
		const (
			alone   = "disk@a ok by itself"
			both    = alone + ", disk@b ok by itself"
			three   = both + ", disk@c.example ok by itself"
			stopped = both + ", disk@c.example stale by another replica c.example is away"
		)
		a := f.joinNamed("a", onEach)
		time.Sleep(2 * time.Second)
		shows("alone", alone, a)
		b := f.joinNamed("b", onEach)
		time.Sleep(2 * time.Second)
		shows("with another", both, a, b)
		c := f.joinNamed("c.example", onEach)
		time.Sleep(2 * time.Second)
		shows("with three", three, a, b, c)
		c.leave()
		time.Sleep(110 * time.Second)
		shows("when one has stopped", stopped, a, b)
		c = f.joinNamed("c.example", onEach)
		time.Sleep(3 * time.Second)
		shows("when it has started again", three, a, b, c)
		time.Sleep(3 * time.Minute)
		shows("later", three, a, b, c)
		c.kill()
		time.Sleep(time.Minute)
		shows("when one has died", stopped, a, b)
		time.Sleep(75 * time.Second)
		shows("two minutes later", both, a, b)
		for _, m := range []*member{a, b} {
			if w := m.do("GET", "/api/v1/sources/disk@c.example", ""); w.Code != 404 {
				t.Errorf("the source of a replica that has gone = %d %s", w.Code, w.Body)
			}
			for _, r := range m.json("GET", "/api/v1/replicas", "")["replicas"].([]any) {
				if r := r.(object); r["same_config"] != true {
					t.Errorf("a replica is %v, want the same configuration", r)
				}
			}
		}
		b.leave()
		time.Sleep(time.Minute)
		d := f.joinNamed("d", onEach) // which has never seen b
		time.Sleep(2 * time.Second)
		left := alone + ", disk@b stale by another replica b is away, disk@d ok by itself"
		shows("when another comes", left, a, d)
		time.Sleep(130 * time.Second)
		shows("when all have waited", alone+", disk@d ok by itself", a, d)
		a.leave()
		d.leave()
		a = f.joinNamed("a", onEach)
		time.Sleep(2 * time.Second)
		shows("after all have stopped", alone+", disk@d stale by another replica d is away", a)
		time.Sleep(130 * time.Second)
		shows("when it has waited", alone, a)
		a.leave()
	})
}

// joinFrom starts one of that name whose configuration is in a file.
func (f *fleet) joinFrom(name, file string) *member {
	f.t.Helper()
	cfg, files, err := config.Open(file)
	if err != nil {
		f.t.Fatal(err)
	}
	return f.joinBy(cfg, func(o gateway.Options) gateway.Options {
		o.Files = files
		return gateway.Named(o, name)
	})
}

// Sources and jobs move to the replica that a new configuration names, with their alerts, when it has that, too.
func TestReplicasMoveByAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const (
			head = "version: 1\nstore: {nats: \"nats://127.0.0.1:4222\"}\nupstreams: {u: {http: \"http://up\"}}\n" +
				"notify: {ops: {http: {url: \"http://up/ops\"}, group_wait: 1ms}}\n"
			source = "  s%d: {exec: [echo, \"7\"], every: 10m%s}\n"
			job    = "  j%d: {exec: [\"false\"], alert: {notify: ops, repeat: 1m}%s}\n"
			n      = 6
		)
		file := filepath.Join(t.TempDir(), "tidewire.yaml")
		write := func(on, more string) {
			yaml := head + "sources:\n" + more
			for i := range n {
				yaml += fmt.Sprintf(source, i, on)
			}
			yaml += "jobs:\n"
			for i := range n {
				yaml += fmt.Sprintf(job, i, on)
			}
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		f := newFleet(t)
		write("", "")
		a, b := f.joinFrom("a", file), f.joinFrom("b", file)
		time.Sleep(5 * time.Second)
		for i := range n {
			code, run := a.start(fmt.Sprint("j", i), "")
			if code != 202 || a.ended(of(run, "id"))["status"] != "failed" {
				t.Errorf("a start = %d %v", code, run)
			}
		}
		write(", on: b", "  disk: {exec: [echo, \"7\"], every: 10m, on: each}\n")
		if w := a.do("POST", "/api/v1/config/reload", ""); w.Code != 200 {
			t.Fatalf("a reload = %d %s", w.Code, w.Body)
		}
		time.Sleep(5 * time.Second)
		others := 0
		for i := range n {
			switch state, _, by, why := a.source(fmt.Sprint("s", i)); {
			case by == "b" && state == "ok":
			case by == "a" && state == "stale" && why == "replica b has another configuration":
				others++
			default:
				t.Errorf("before the other one knows, s%d is %s, by %s: %s", i, state, by, why)
			}
		}
		if others == 0 {
			t.Log("all sources were at the other one")
		}
		if state, _, by, _ := a.source("disk@a"); state != "ok" || by != "a" {
			t.Errorf("the source of the one that knows is %s, by %s", state, by)
		}
		if w := a.do("GET", "/api/v1/sources/disk@b", ""); w.Code != 404 {
			t.Errorf("the source of the other one = %d %s", w.Code, w.Body)
		}
		if w := b.do("POST", "/api/v1/config/reload", ""); w.Code != 200 {
			t.Fatalf("a reload = %d %s", w.Code, w.Body)
		}
		time.Sleep(3 * time.Second)
		for _, m := range []*member{a, b} {
			for i := range n {
				if state, _, by, why := m.source(fmt.Sprint("s", i)); state != "ok" || by != "b" {
					t.Errorf("s%d is %s, by %s: %s", i, state, by, why)
				}
			}
			for _, own := range []string{"a", "b"} {
				if state, _, by, _ := m.source("disk@" + own); state != "ok" || by != own {
					t.Errorf("disk@%s is %s, by %s", own, state, by)
				}
			}
		}
		for i := range n {
			code, run := a.start(fmt.Sprint("j", i), "")
			if code != 202 || a.ended(of(run, "id"))["replica"] != "b" {
				t.Errorf("a start = %d %v", code, run)
			}
		}
		time.Sleep(3 * time.Minute)
		told := map[string]int{}
		f.mu.Lock()
		for _, message := range f.messages {
			for _, one := range message["alerts"].([]any) {
				told[of(one.(object), "job")]++
			}
		}
		f.mu.Unlock()
		for i := range n {
			if job := fmt.Sprint("j", i); told[job] != 4 {
				t.Errorf("of %s was told %d times, want once and each minute", job, told[job])
			}
		}
		a.leave()
		b.leave()
	})
}
