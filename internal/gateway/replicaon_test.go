package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"
)

const onB = `store: {nats: "nats://127.0.0.1:4222"}
upstreams: {u: {http: "http://up"}}
notify: {ops: {http: {url: "http://up/ops"}, group_wait: 1ms}}
sources:
  temp: {exec: [echo, "7"], every: 10s, backoff: {max: 10s}, on: b, alert: {after: 1, notify: ops}}
  free: {exec: [echo, "7"], every: 10s}
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
