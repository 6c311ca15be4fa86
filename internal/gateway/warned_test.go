package gateway_test

import (
	"fmt"
	"strings"
	"testing"
)

// A run that warned is a success of its own kind: in lists, on the page, in events, and for the alert of its job.
func TestARunThatWarned(t *testing.T) {
	s := start(t, `jobs:
  scan:
    exec: [sh, -c, 'echo low on space; exit "$CODE"']
    env: {CODE: "{code}"}
    args: {code: {type: int}}
    warn_codes: [1, 2]
    alert: {on: [failed, warned], severity: info}
  calm: {exec: [sh, -c, "exit 1"], warn_codes: 1, alert: {severity: info}}
`)
	run := func(code int) object {
		t.Helper()
		return s.ended(of(s.json(202, "POST", runs, fmt.Sprintf(`{"args":{"code":%d}}`, code)), "id"))
	}
	good, warned := run(0), run(2)
	if warned["status"] != "succeeded" || warned["warned"] != true {
		t.Errorf("the run that warned is %v", warned)
	}
	list := func(status string) (ids []string) {
		for _, r := range s.json(200, "GET", "/api/v1/runs?status="+status, "")["runs"].([]any) {
			ids = append(ids, of(r.(object), "id"))
		}
		return ids
	}
	for status, want := range map[string][]string{
		"warned": {of(warned, "id")}, "succeeded": {of(warned, "id"), of(good, "id")}, "failed": nil, "failed,warned": {of(warned, "id")},
	} {
		if got := list(status); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("status=%s lists %v, want %v", status, got, want)
		}
	}
	var alert object
	until(t, "the alert fires", func() bool {
		alert, _ = s.json(200, "GET", "/api/v1/jobs/scan", "")["alert"].(object)
		return alert != nil
	})
	if alert["reason"] != "warned" || alert["run"] != warned["id"] {
		t.Errorf("the alert is %v, want it to fire", alert)
	}
	all := s.json(200, "GET", "/api/v1/alerts", "")["alerts"].([]any)
	if about := all[0].(object)["about"]; about != "exit status 2: low on space" {
		t.Errorf("the alert is about %q", about)
	}
	_, _, page := s.do("GET", "/jobs/scan?status=warned", "")
	if !strings.Contains(page, `<a href="?status=warned" aria-current="true">Warned</a>`) || !strings.Contains(page, of(warned, "id")) || strings.Contains(page, "runs/"+of(good, "id")) {
		t.Errorf("the page of the runs that warned is\n%s", page)
	}
	until(t, "the event is there", func() bool {
		_, _, body := s.do("GET", "/api/v1/events?kind=run", "")
		return strings.Contains(body, `"status":"warned"`) && strings.Contains(body, `"text":"warned after`)
	})
	run(0)
	until(t, "the alert is over", func() bool { return s.json(200, "GET", "/api/v1/jobs/scan", "")["alert"] == nil })
	calm := of(s.json(202, "POST", "/api/v1/jobs/calm/runs", "{}"), "id")
	until(t, "the run is in the archive", func() bool { // its alert was told before
		strip := s.json(200, "GET", "/api/v1/jobs/calm", "")["strip"].([]any)
		return len(strip) == 1 && strip[0].(object)["id"] == calm && strip[0].(object)["warned"] == true
	})
	if alert := s.json(200, "GET", "/api/v1/jobs/calm", "")["alert"]; alert != nil {
		t.Errorf("an alert that is not on warned is %v", alert)
	}
}
