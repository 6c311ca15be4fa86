package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// Runs with different values of parallel_by are side by side, equal ones wait; the job shows its oldest run, and the others.
func TestRunsSideBySide(t *testing.T) {
	script := newScript(t)
	s := start(t, "jobs:\n  scan: {exec: "+script.Argv("{n}")+", args: {n: {type: int, default: 0}}, parallel_by: n, on_busy: queue, group: g}\n"+
		"  other: {exec: [date], group: g}\n")
	first := s.trigger(202, 1)
	one := script.Begun()
	second := s.trigger(202, 2)
	two := script.Begun()
	waits := s.trigger(202, 1)
	if first["status"] != "running" || s.runNow(of(second, "id"), "running") == nil || waits["status"] != "queued" || waits["position"] != 1.0 {
		t.Errorf("the starts are %v, %v and %v, want two at work and one that waits", first, second, waits)
	}
	behind := s.json(202, "POST", "/api/v1/jobs/other/runs", "{}")
	if behind["status"] != "queued" || behind["position"] != 3.0 {
		t.Errorf("a job of the same group is %v, want it to wait for all three", behind)
	}
	last := s.trigger(202, 3)
	if last["status"] != "queued" || last["position"] != 1.0 {
		t.Errorf("a run behind another job of the group is %v, want it to wait for that", last)
	}
	job := func() object { return s.json(200, "GET", "/api/v1/jobs/scan", "") }
	shows := func(what string, head object, beside ...object) {
		t.Helper()
		var now object
		defer func() {
			if t.Failed() {
				t.Logf("the job is %v", now)
			}
		}()
		until(t, what, func() bool {
			now = job()
			list, _ := now["beside"].([]any)
			var got, want []string
			for _, b := range list {
				got = append(got, of(b.(object), "id"))
			}
			for _, b := range beside {
				want = append(want, of(b, "id"))
			}
			return now["last_run"].(object)["id"] == head["id"] && fmt.Sprint(got) == fmt.Sprint(want)
		})
	}
	shows("the job shows both", first, second)
	if now := job(); now["besides"] != 1.0 || now["queued"] != 2.0 || fmt.Sprint(now["parallel_by"]) != "[n]" {
		t.Errorf("the job is %v", now)
	}
	_, _, page := s.do("GET", "/jobs/scan", "")
	for _, want := range []string{"At work beside it", `runs/` + of(second, "id"), "runs with different values of n"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page of the job lacks %q", want)
		}
	}

	one.Exit(0)
	s.ended(of(first, "id"))
	again := script.Begun() // of the line of 1
	shows("the next oldest is shown", second, waits)
	two.Exit(3)
	if run := s.ended(of(second, "id")); run["status"] != "failed" {
		t.Errorf("the second run ended as %v", run)
	}
	shows("the last one of these is shown", waits)
	again.Exit(0)
	s.ended(of(waits, "id"))
	s.ended(of(behind, "id"))
	script.Begun().Exit(0)
	if run := s.ended(of(last, "id")); run["status"] != "succeeded" {
		t.Errorf("the last run ended as %v", run)
	}
	shows("the newest is shown at the end", last)
}

// Each line has its own on_busy: equal starts join, others of the line are refused, and one replaces that of its line alone.
func TestEachLineHasItsPolicy(t *testing.T) {
	script := newScript(t)
	s := start(t, "jobs:\n  scan: {exec: "+script.Argv("{n}", "{m}")+", args: {n: {type: int}, m: {default: x}}, parallel_by: [n]}\n"+
		"  swap: {exec: "+script.Argv("{n}", "{m}")+", args: {n: {type: int}, m: {default: x}}, parallel_by: [n], on_busy: replace}\n")
	run := func(job string, want int, args string) object {
		return s.json(want, "POST", "/api/v1/jobs/"+job+"/runs", `{"args":{`+args+`}}`)
	}
	first := run("scan", 202, `"n":1`)
	a := script.Begun()
	second := run("scan", 202, `"n":2`)
	b := script.Begun()
	if joined := run("scan", 202, `"n":2`); joined["id"] != second["id"] || joined["coalesced"] != true {
		t.Errorf("an equal start = %v, want it to join %v", joined, second["id"])
	}
	if refused := run("scan", 409, `"n":2,"m":"y"`); refused["run"] != second["id"] {
		t.Errorf("another start of the line is refused with %v, want run %v in its way", refused, second["id"])
	}
	a.Exit(0)
	b.Exit(0)
	s.ended(of(first, "id"))
	s.ended(of(second, "id"))

	first = run("swap", 202, `"n":1`)
	a = script.Begun()
	second = run("swap", 202, `"n":2`)
	script.Begun()
	third := run("swap", 202, `"n":2`)
	c := script.Begun()
	if got := s.ended(of(second, "id")); got["status"] != "cancelled" {
		t.Errorf("the run that was replaced is %v", got)
	}
	if got := s.json(200, "GET", "/api/v1/runs/"+of(first, "id"), ""); got["status"] != "running" {
		t.Errorf("the run of the other line is %v, want it to go on", got)
	}
	a.Exit(0)
	c.Exit(0)
	s.ended(of(first, "id"))
	s.ended(of(third, "id"))
}

// The alert of a job whose runs are side by side is over when the newest run of each line has succeeded.
func TestTheAlertOfLines(t *testing.T) {
	s := start(t, `jobs:
  scan:
    exec: [sh, -c, 'exit "$CODE"']
    env: {CODE: "{code}", HOST: "{host}"}
    args: {host: {}, code: {type: int}}
    parallel_by: host
    alert: {severity: info}
`)
	for _, step := range []struct {
		host  string
		code  int
		fires bool
	}{{"a", 1, true}, {"b", 0, true}, {"b", 1, true}, {"a", 0, true}, {"b", 0, false}, {"a", 0, false}} {
		id := of(s.json(202, "POST", runs, fmt.Sprintf(`{"args":{"host":%q,"code":%d}}`, step.host, step.code)), "id")
		until(t, "the run is in the archive", func() bool { // its alert was told before
			strip := s.json(200, "GET", "/api/v1/jobs/scan", "")["strip"].([]any)
			return len(strip) > 0 && strip[len(strip)-1].(object)["id"] == id
		})
		if alert := s.json(200, "GET", "/api/v1/jobs/scan", "")["alert"]; (alert != nil) != step.fires {
			t.Errorf("after %s ended with %d the alert is %v, want it to fire: %v", step.host, step.code, alert, step.fires)
		}
	}
}
