package gateway_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// submit sends a form of a page with these fields, as a browser does, and returns the answer, with where it leads to.
func (s *server) submit(path string, pairs ...string) (status int, to, page string) {
	s.t.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	req, err := http.NewRequestWithContext(s.t.Context(), "POST", s.url+path, strings.NewReader(values.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "text/html,*/*;q=0.8")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(body)
}

// Without a script, a job is started by the form of its page, which says what is wrong and keeps what was given; the browser is led to
// the run; and the form of the next run begins with its arguments. What is secret is in no page.
func TestAJobIsStartedByTheFormOfItsPage(t *testing.T) {
	s := start(t, `
jobs:
  scan:
    title: Scan the network
    exec: [echo, "{subnet}", "{all}", "{pin}"]
    args:
      subnet: {type: cidr, default: 10.0.4.0/24}
      all: {type: bool, default: true}
      pin: {type: string, secret: true}
`)
	get := func(path string, want ...string) string {
		t.Helper()
		status, _, body := s.do("GET", path, "", "Accept", "text/html")
		for _, text := range want {
			if status != 200 || !strings.Contains(body, text) {
				t.Errorf("GET %s: %d, without %s", path, status, text)
			}
		}
		return body
	}
	get("/jobs", "Scan the network", `action="jobs/scan/run"`)
	get("/jobs/scan", "never ran", `href="../jobs/scan/run"`)
	get("/jobs/scan/run", `name="arg.subnet"`, `value="10.0.4.0/24"`, `name="arg.all" value="true" checked`, `type="password"`)

	status, _, page := s.submit("/jobs/scan/run", "arg.subnet", "10.9.0.0/nonsense", "arg.pin", "verysecret")
	if status != 422 || !strings.Contains(page, `value="10.9.0.0/nonsense"`) || !strings.Contains(page, `aria-invalid="true"`) || !strings.Contains(page, `name="arg.all" value="true">`) {
		t.Errorf("a wrong argument = %d, want the form again with what was given: %s", status, page)
	}
	if strings.Contains(page, "verysecret") {
		t.Error("the form shows the secret that was given")
	}
	status, to, _ := s.submit("/jobs/scan/run", "arg.subnet", "10.9.0.0/30", "arg.pin", "verysecret")
	if status != 303 || !regexp.MustCompile(`^/runs/[A-Z2-7]{26}$`).MatchString(to) {
		t.Fatalf("a start = %d to %q, want 303 to the run", status, to)
	}
	id := strings.TrimPrefix(to, "/runs/")
	if run := s.ended(id); of(run, "by") == "" || run["output"] != "10.9.0.0/30 false ***\n" {
		t.Errorf("the run was started by %v, and printed %q", run["by"], run["output"])
	}
	get(to, "succeeded", "10.9.0.0/30 false ***", `id="L1"`, `href="../jobs/scan/run?like=`+id+`"`)
	get("/jobs/scan", id)
	get("/jobs/scan?status=failed", "Every run that is kept has succeeded")
	get("/jobs/scan/run?like="+id, `value="10.9.0.0/30"`, `name="arg.all" value="true">`)
	_, next, _ := s.submit("/jobs/scan/run", "arg.subnet", "10.9.0.0/30", "arg.pin", "verysecret", "like", id)
	if run := s.ended(strings.TrimPrefix(next, "/runs/")); run["like"] != id {
		t.Errorf("the next run is like %v, want %s", run["like"], id)
	}
	if status, at, _ := s.submit(to + "/cancel"); status != 303 || at != to {
		t.Errorf("cancelling a run that is over = %d to %q, want 303 to it", status, at)
	}
	for _, path := range []string{"/jobs/none", "/jobs/none/run", "/runs/NONE"} {
		if status, _, page := s.do("GET", path, "", "Accept", "text/html"); status != 404 || !strings.Contains(page, "There is no") {
			t.Errorf("GET %s = %d, want 404 and what is missing", path, status)
		}
	}
}

// The page of a job that is not configured any more leads to its last run, which is still there.
func TestThePageOfARemovedJobLeadsToItsLastRun(t *testing.T) {
	s := startFile(t, "jobs: {scan: {exec: [echo, hello]}, other: {exec: ['true']}}\n", time.Hour)
	id := of(s.ended(of(s.json(202, "POST", runs, "{}"), "id")), "id")
	s.reload("jobs: {other: {exec: ['true']}}\n")
	if status, _, page := s.do("GET", "/jobs/scan", "", "Accept", "text/html"); status != 404 || !strings.Contains(page, `href="../runs/`+id+`"`) {
		t.Errorf("GET /jobs/scan = %d, want 404 with a link to the last run", status)
	}
	if status, _, page := s.do("GET", "/runs/"+id, "", "Accept", "text/html"); status != 200 || !strings.Contains(page, "not configured any more") || strings.Contains(page, "Run again") {
		t.Errorf("GET /runs/ID = %d, want the run, which cannot be started again: %s", status, page)
	}
}
