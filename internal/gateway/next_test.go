package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// nexts is a configuration of jobs that follow others.
const nexts = `jobs:
  first:
    exec: [sh, -c, 'exit "$CODE"']
    env: {CODE: "{code}", PIN: "{pin}", HOST: "{host}"}
    args: {code: {type: int, default: 0}, host: {default: plc}, pin: {secret: true, default: ""}}
    warn_codes: 7
    then:
      run: [second, {job: third, args: {text: "{host} is done"}}]
      on_failure: {run: [{job: third, args: {text: "{host} failed"}}]}
  second: {exec: [sh, -c, 'echo "$HOST $PIN"'], env: {HOST: "{host}", PIN: "{pin}"}, args: {host: {}, pin: {secret: true, default: ""}}}
  third: {exec: [echo, "{text}"], args: {text: {}}}
`

// After a run come those of other jobs, with its arguments: others after one that succeeded than after one that failed, and
// none after one that was cancelled.
func TestRunsFollowOthers(t *testing.T) {
	s := start(t, nexts)
	first := func(args string) object {
		t.Helper()
		return s.ended(of(s.json(202, "POST", "/api/v1/jobs/first/runs", `{"args":{`+args+`}}`), "id"))
	}
	follows := func(run object) (all []object) {
		t.Helper()
		list, _ := run["then"].([]any)
		for _, ref := range list {
			id := of(ref.(object), "id")
			until(t, "run "+id+" is there", func() bool { code, _, _ := s.do("GET", "/api/v1/runs/"+id, ""); return code == 200 })
			next := s.ended(id)
			if next["job"] != ref.(object)["job"] || next["trigger"] != "job" || next["by"] != "job first" ||
				fmt.Sprint(next["after"]) != fmt.Sprint(object{"job": "first", "id": run["id"]}) {
				t.Errorf("run %v follows %v", next, run["id"])
			}
			all = append(all, next)
		}
		return all
	}
	run := first(`"host":"h1","pin":"s3cret"`)
	next := follows(run)
	if len(next) != 2 || next[0]["output"] != "h1 ***\n" || next[1]["output"] != "h1 is done\n" {
		t.Fatalf("after %v come %v, want second and third", run, next)
	}
	for id, wants := range map[string][]string{
		of(run, "id"):     {`<dt>Then</dt><dd><a href="../runs/` + of(next[0], "id") + `">second</a>`},
		of(next[0], "id"): {`<dt>Started by</dt><dd><a href="../runs/` + of(run, "id") + `">a run of first</a>`},
	} {
		_, _, page := s.do("GET", "/runs/"+id, "")
		for _, want := range wants {
			if !strings.Contains(page, want) {
				t.Errorf("the page of run %s lacks %s:\n%s", id, want, page)
			}
		}
	}
	if strings.Contains(s.log.String(), "s3cret") {
		t.Error("the log has a secret argument")
	}
	if next := follows(first(`"host":"h2","code":3`)); len(next) != 1 || next[0]["output"] != "h2 failed\n" {
		t.Errorf("after a run that failed come %v, want third", next)
	}
	if next := follows(first(`"host":"h3","code":7`)); len(next) != 2 {
		t.Errorf("after a run that warned come %v, want two runs", next)
	}
}

// A run that was cancelled is followed by none. A start that is refused is told: the job has missed it.
func TestWhatDoesNotFollow(t *testing.T) {
	script := newScript(t)
	s := start(t, `jobs:
  first: {exec: `+script.Argv("first")+`, then: {run: second, on_failure: {run: second}}}
  second: {exec: `+script.Argv("second")+`, on_busy: reject, alert: {severity: info}}
`)
	begin := func(job string) string { return of(s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", "{}"), "id") }
	id := begin("first")
	script.Begun()
	s.json(202, "POST", "/api/v1/runs/"+id+"/cancel", "")
	if run := s.ended(id); run["then"] != nil {
		t.Errorf("after a cancelled run comes %v", run["then"])
	}
	busy := begin("second")
	second := script.Begun()
	id = begin("first")
	script.Begun().Exit(1)
	run := s.ended(id)
	until(t, "the alert fires", func() bool { return s.json(200, "GET", "/api/v1/jobs/second", "")["alert"] != nil })
	if alert := s.json(200, "GET", "/api/v1/jobs/second", "")["alert"].(object); alert["reason"] != "missed" {
		t.Errorf("the alert of the job that did not start is %v, want missed", alert)
	}
	next := of(run["then"].([]any)[0].(object), "id")
	until(t, "the start that was refused is listed", func() bool { code, _, _ := s.do("GET", "/api/v1/runs/"+next, ""); return code == 200 })
	const why = "it was not started: a run is in progress: wait for its end or cancel it"
	if refused := s.json(200, "GET", "/api/v1/runs/"+next, ""); refused["status"] != "cancelled" || refused["error"] != why || refused["trigger"] != "job" {
		t.Errorf("the start that was refused is %v, want that it is cancelled: %s", refused, why)
	}
	_, _, page := s.do("GET", "/runs/"+id, "")
	if want := `href="../runs/` + next + `"`; !strings.Contains(page, want) {
		t.Errorf("the page of a run that nothing followed lacks %q:\n%s", want, page)
	}
	second.Exit(0)
	s.ended(busy)
}

const sharedNexts = `upstreams:
  u0: {http: "http://up/u0"}
  u1: {http: "http://up/u1"}
  u2: {http: "http://up/u2"}
jobs:
  j0: {http: {upstream: u0, path: /job}, then: {run: [j1, j2], on_failure: {run: j2}}}
  j1: {http: {upstream: u1, path: /job}, on_busy: queue}
  j2: {http: {upstream: u2, path: /job}, on_busy: queue}
`

// runsOf returns the runs of a job that a replica knows.
func (m *member) runsOf(job string) (all []object) {
	for _, run := range m.json("GET", "/api/v1/jobs/"+job+"/runs?limit=100", "")["runs"].([]any) {
		all = append(all, run.(object))
	}
	return all
}

// What follows a run starts once, whichever replicas have the jobs, and also if the one that had the run dies.
func TestReplicasFollowRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		all := []*member{f.join(sharedNexts), f.join(sharedNexts), f.join(sharedNexts)}
		time.Sleep(3 * time.Second)
		_, run := all[0].start("j0", "")
		all[1].ended(of(run, "id"))
		time.Sleep(10 * time.Second)
		for _, m := range all {
			for _, job := range []string{"j1", "j2"} {
				runs := m.runsOf(job)
				if len(runs) != 1 || runs[0]["status"] != "succeeded" || of(runs[0]["after"].(object), "id") != of(run, "id") {
					t.Errorf("after %v come %v of %s, want one", run["id"], runs, job)
				}
			}
		}

		f.jobTakes = time.Hour
		_, run = all[0].start("j0", "")
		synctest.Wait()
		dying := f.doer("/u0/job")
		f.jobTakes = time.Second
		dying.kill()
		time.Sleep(time.Minute)
		for _, m := range all {
			if m == dying {
				continue
			}
			if run := m.ended(of(run, "id")); run["status"] != "lost" || len(run["then"].([]any)) != 1 {
				t.Errorf("the run of the replica that died is %v", run)
			}
			if one, two := m.runsOf("j1"), m.runsOf("j2"); len(one) != 1 || len(two) != 2 || of(two[0]["after"].(object), "id") != of(run, "id") {
				t.Errorf("after a lost run come %v and %v, want one more of j2", one, two)
			}
		}
		for _, m := range all {
			if m != dying {
				m.leave()
			}
		}
	})
}

// A file that a start has given is passed on to the run that follows.
func TestAFileFollowsARun(t *testing.T) {
	s := start(t, `jobs:
  first: {exec: [cat, "{f}"], args: {f: {type: file}}, then: {run: second}}
  second: {exec: [cat, -n, "{f}"], args: {f: {type: file}}}
`)
	run := s.ended(of(s.json(202, "POST", "/api/v1/jobs/first/runs", `{"args":{"f":{"name":"a.txt","data":"aGVsbG8="}}}`), "id"))
	id := of(run["then"].([]any)[0].(object), "id")
	until(t, "the next run is there", func() bool { code, _, _ := s.do("GET", "/api/v1/runs/"+id, ""); return code == 200 })
	if next := s.ended(id); run["output"] != "hello\n" || !strings.HasSuffix(of(next, "output"), "1\thello\n") {
		t.Errorf("after %v comes %v, want it to have the file", run, next)
	}
}
