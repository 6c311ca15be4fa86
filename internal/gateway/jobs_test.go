package gateway_test

import (
	"io"
	"iter"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/scripttest"
	"github.com/tidewire/tidewire/sse"
)

// A script is what a job runs in these tests.
type script struct{ *scripttest.Script }

func newScript(t *testing.T) *script { return &script{scripttest.New(t)} }

// scan is a configuration with a job that runs the script.
func (s *script) scan() string {
	return `
jobs:
  scan:
    title: Scan the network
    section: Plant/Computers
    exec: ` + s.Argv("--subnet", "{subnet}", "--fast={fast}") + `
    args:
      subnet: {type: cidr, default: 10.0.4.0/24}
      fast: {type: bool, default: false}
    progress: '(?P<percent>\d+)% (?P<message>.*)'
`
}

const runs = "/api/v1/jobs/scan/runs"

// ended awaits the end of a run and returns it as GET answers it.
func (s *server) ended(id string) object {
	s.t.Helper()
	s.events("/api/v1/runs/"+id+"/events", "", func(sse.Event) bool { return true })
	run := s.json(200, "GET", "/api/v1/runs/"+id, "")
	if run["finished_at"] == nil {
		s.t.Fatalf("the stream of run %s ended before the run: %v", id, run)
	}
	return run
}

func TestARunIsFollowedToItsEnd(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	status, header, body := s.do("POST", runs, `{}`)
	run := decode(t, []byte(body))
	id := run["id"].(string)
	if status != 202 || header.Get("Location") != "/api/v1/runs/"+id || run["status"] != "running" || run["coalesced"] != false {
		t.Errorf("trigger = %d, Location %q, %s, want 202, the run's address and a new running run", status, header.Get("Location"), body)
	}
	p := script.Begun()
	if want := `["--subnet" "10.0.4.0/24" "--fast=false"]`; p.Args != want {
		t.Errorf("the command got %s, want %s", p.Args, want)
	}

	var seen []object
	var ids []string
	s.events(run["events"].(string), "", func(ev sse.Event) bool {
		v := decode(t, ev.Data)
		seen, ids = append(seen, v), append(ids, ev.ID)
		switch {
		case len(seen) == 1:
			p.Print("starting up, no number yet")
			p.Print("40% 12 found")
		case v["percent"] == 40.0 && v["status"] == "running" && len(seen) == 2:
			p.Print(`::result {"found": ["a", "b"]}`)
			p.Print("90% 14 found")
			p.Exit(0)
		}
		return true
	})
	if len(seen) < 3 || seen[1]["percent"] != 40.0 || seen[1]["message"] != "12 found" {
		t.Fatalf("the stream showed %v, want progress 40 \"12 found\" on the way", seen)
	}
	last := seen[len(seen)-1]
	want := object{"found": []any{"a", "b"}}
	if last["status"] != "succeeded" || last["percent"] != 100.0 || !reflect.DeepEqual(last["result"], want) || last["error"] != nil {
		t.Errorf("the terminal is %v, want succeeded at 100 with result %v", last, want)
	}
	if got, want := ids[len(ids)-1], id+"-end"; got != want {
		t.Errorf("the terminal's id = %q, want %q", got, want)
	}
	if got := s.json(200, "GET", "/api/v1/runs/"+id, ""); !reflect.DeepEqual(got, last) {
		t.Errorf("GET the run = %v, want the terminal %v", got, last)
	}
	if out := last["output"].(string); !contains(out, "starting up, no number yet") || !contains(out, "90% 14 found") {
		t.Errorf("output = %q, want what the command printed", out)
	}
	if code := s.events("/api/v1/runs/"+id+"/events", ids[len(ids)-1], func(sse.Event) bool { return true }); code != 204 {
		t.Errorf("returning with the terminal's id = %d, want 204", code)
	}
	job := s.json(200, "GET", "/api/v1/jobs", "")["jobs"].([]any)[0].(object)
	if got := job["last_run"].(object)["id"]; got != id {
		t.Errorf("last_run of the job = %v, want %v", got, id)
	}
	if job["section"] != "Plant/Computers" {
		t.Errorf("section of the job = %v, want Plant/Computers", job["section"])
	}
}

func TestTriggersAtOnceShareOneRun(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	answers := make([]object, 16)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() {
			resp, err := http.Post(s.url+runs, "application/json", strings.NewReader(`{"args":{"subnet":"10.0.4.17/24"}}`))
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			data, _ := io.ReadAll(resp.Body)
			answers[i] = decode(t, data)
		})
	}
	all.Wait()
	fresh := 0
	for _, a := range answers {
		if a["coalesced"] == false {
			fresh++
		}
		if a["id"] != answers[0]["id"] {
			t.Errorf("answers name runs %v and %v, want one run", a["id"], answers[0]["id"])
		}
	}
	if fresh != 1 {
		t.Errorf("%d answers say they started the run, want 1", fresh)
	}
	id := answers[0]["id"].(string)
	if got := s.json(200, "GET", "/api/v1/runs/"+id, "")["requests"]; got != 16.0 {
		t.Errorf("requests = %v, want 16", got)
	}

	p := script.Begun()
	busy := s.json(409, "POST", runs, `{"args":{"subnet":"10.0.5.0/24"}}`)
	if busy["run"] != id {
		t.Errorf("other arguments while it runs = %v, want 409 that names run %s", busy, id)
	}
	p.Exit(0)
	s.ended(id)
	again := s.json(202, "POST", runs, `{}`)
	if again["id"] == id || again["coalesced"] != false {
		t.Errorf("a trigger after the end = %v, want a new run", again)
	}
	script.Begun().Exit(0)
	s.ended(again["id"].(string))
	if old := s.json(200, "GET", "/api/v1/runs/"+id, ""); old["status"] != "succeeded" {
		t.Errorf("the earlier run = %v, want it kept", old)
	}
}

func TestAFailedRunSaysWhyAndShowsItsOutput(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	p := script.Begun()
	p.Print("cannot open the card: <b>no such device</b>")
	p.Exit(3)
	run := s.ended(id)
	if text, _ := run["error"].(string); run["status"] != "failed" || !contains(text, "3") {
		t.Errorf("status, error = %v, %v, want failed with exit code 3", run["status"], run["error"])
	}
	if !contains(run["output"].(string), "cannot open the card: <b>no such device</b>") {
		t.Errorf("output = %q, want what the command printed", run["output"])
	}
}

func TestACommandThatCannotStartFailsItsRun(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: [/does/not/exist]}}\n")
	run := s.ended(s.json(202, "POST", runs, `{}`)["id"].(string))
	if text, _ := run["error"].(string); run["status"] != "failed" || !contains(text, "/does/not/exist") {
		t.Errorf("status, error = %v, %v, want failed with the command's name", run["status"], run["error"])
	}
}

func TestARunTimesOut(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: [sleep, 1h], timeout: 100ms}}\n")
	run := s.ended(s.json(202, "POST", runs, `{}`)["id"].(string))
	if run["status"] != "timed_out" || run["error"] != "timed out after 100 ms" {
		t.Errorf("status, error = %v, %v, want timed_out after 100ms", run["status"], run["error"])
	}
}

func TestACancelledRunEnds(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	p := script.Begun()
	status, _, body := s.do("POST", "/api/v1/runs/"+id+"/cancel", "")
	if run := decode(t, []byte(body)); status != 202 || run["status"] != "cancelling" && run["status"] != "cancelled" {
		t.Errorf("cancel = %d %s, want 202 cancelling", status, body)
	}
	p.Ended()
	if run := s.ended(id); run["status"] != "cancelled" {
		t.Errorf("status = %v, want cancelled", run["status"])
	}
	if got := s.json(200, "POST", "/api/v1/runs/"+id+"/cancel", "")["status"]; got != "cancelled" {
		t.Errorf("cancelling again = %v, want 200 cancelled", got)
	}
}

func TestStoppingTheGatewayEndsRunsAndStreams(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	p := script.Begun()
	var last object
	s.events("/api/v1/runs/"+id+"/events", "", func(ev sse.Event) bool {
		if last == nil {
			go s.stop()
		}
		last = decode(t, ev.Data)
		return true
	})
	s.stop()
	p.Ended()
	if last["status"] != "cancelled" || last["error"] != "tidewire is stopping" {
		t.Errorf("the stream ended with %v, want the run cancelled because tidewire is stopping", last)
	}
}

func TestProgressLinesAndMessagesWithoutAPattern(t *testing.T) {
	script := newScript(t)
	s := start(t, "jobs: {scan: {exec: "+script.Argv()+"}}\n")
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	p := script.Begun()
	steps := []struct {
		line    string
		percent any
		message string
	}{
		{"just a line", nil, "just a line"},
		{"::result not json", nil, "::result not json"},
		{"::progress 3", 3.0, ""},
		{strings.Repeat("x", 1000), 3.0, strings.Repeat("x", 199) + "…"},
		{"::progress 12.5 warming up", 12.5, "warming up"},
		{"::progress 250 too much", 100.0, "too much"},
		{"::progress NaN of nothing", 100.0, "of nothing"},
	}
	step := -1
	s.events("/api/v1/runs/"+id+"/events", "", func(ev sse.Event) bool {
		v := decode(t, ev.Data)
		if step >= 0 && step < len(steps) {
			if want := steps[step]; v["percent"] != want.percent || v["message"] != want.message {
				t.Errorf("after %.40q: percent, message = %v, %v, want %v, %v", want.line, v["percent"], v["message"], want.percent, want.message)
			}
		}
		if step++; step < len(steps) {
			p.Print(steps[step].line)
		} else if step == len(steps) {
			p.Exit(0)
		}
		return true
	})
}

func TestOnlyTheNewestRunsAreKept(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true']}}\n")
	var ids []string
	for range 52 {
		id := s.json(202, "POST", runs, `{}`)["id"].(string)
		s.ended(id)
		ids = append(ids, id)
	}
	for i, id := range ids {
		want := 200
		if i < len(ids)-50 {
			want = 410
		}
		status, _, _ := s.do("GET", "/api/v1/runs/"+id, "")
		for late := time.Now().Add(patience); status != want && time.Now().Before(late); { // the last run is told to be over before
			status, _, _ = s.do("GET", "/api/v1/runs/"+id, "")
		}
		if status != want {
			t.Errorf("run %d of %d = %d, want %d", i+1, len(ids), status, want)
		}
	}
}

func TestBadTriggersStartNothing(t *testing.T) {
	s := start(t, `
jobs:
  scan:
    exec: [touch, "`+filepath.Join(t.TempDir(), "started")+`", "{subnet}", "{n}", "{mode}", "{host}", "{note}"]
    args:
      subnet: {type: cidr}
      n: {type: int, min: 1, max: 9, default: 3}
      mode: {type: enum, values: [slow, quick], default: slow}
      host: {type: host, default: localhost}
      note: {type: string, pattern: "[a-z ]*", default: none}
`)
	for _, c := range []struct {
		body   string
		status int
		want   []string // pointers for 422
	}{
		{`{}`, 422, []string{"#/args/subnet"}},
		{`{"args":{"subnet":"10.0.0.0/33"}}`, 422, []string{"#/args/subnet"}},
		{`{"args":{"subnet":7}}`, 422, []string{"#/args/subnet"}},
		{`{"args":{"subnet":"10.0.0.0/8","n":10,"mode":"fast","host":"a b","note":"A"}}`, 422, []string{"#/args/host", "#/args/mode", "#/args/n", "#/args/note"}},
		{`{"args":{"subnet":"10.0.0.0/8","n":1.5}}`, 422, []string{"#/args/n"}},
		{`{"args":{"subnet":"10.0.0.0/8","n":"three"}}`, 422, []string{"#/args/n"}},
		{`{"args":{"subnet":"10.0.0.0/8","note":"-rf"}}`, 422, []string{"#/args/note"}},
		{`{"args":{"subnet":"10.0.0.0/8","note":"a\nb"}}`, 422, []string{"#/args/note"}},
		{`{"args":{"subnet":"10.0.0.0/8","ot_x/y":1}}`, 422, []string{"#/args/ot_x~1y"}},
		{`{"args":[]}`, 422, []string{"#/args"}},
		{`{"arguments":{}}`, 400, nil},
		{`{"args":`, 400, nil},
		{`{} {}`, 400, nil},
		{`{"args":{"subnet":"` + strings.Repeat("1", 70000) + `"}}`, 413, nil},
	} {
		status, header, body := s.do("POST", runs, c.body)
		var pointers []string
		for p := range problems(decode(t, []byte(body))) {
			pointers = append(pointers, p)
		}
		if status != c.status || header.Get("Content-Type") != "application/problem+json" || !slices.Equal(pointers, c.want) {
			t.Errorf("POST %.80s = %d %s %v, want %d problem+json %v\n%s", c.body, status, header.Get("Content-Type"), pointers, c.status, c.want, body)
		}
	}
	if status, _, _ := s.do("POST", runs, `{}`, "Content-Type", "text/plain"); status != 415 {
		t.Errorf("POST as text/plain = %d, want 415", status)
	}
	if status, _, body := s.do("POST", runs, `{"args":{}}`, "Content-Type", "application/x-www-form-urlencoded"); status != 415 || !contains(body, "application/json") {
		t.Errorf("POST of JSON as a form = %d, %s, want 415 and what to send", status, body)
	}
	if status, _, body := s.do("GET", "/api/v1/job", ""); status != 404 || !contains(body, "/openapi.json lists every path") {
		t.Errorf("GET of nothing = %d, %s, want 404 and where to look", status, body)
	}
	if last := s.json(200, "GET", "/api/v1/jobs", "")["jobs"].([]any)[0].(object)["last_run"]; last != nil {
		t.Errorf("last_run = %v, want none", last)
	}
}

// problems yields the pointers of a problem's errors.
func problems(p object) iter.Seq[string] {
	return func(yield func(string) bool) {
		list, _ := p["errors"].([]any)
		for _, e := range list {
			if e.(object)["detail"] == "" || !yield(e.(object)["pointer"].(string)) {
				return
			}
		}
	}
}

func contains(s, part string) bool { return strings.Contains(s, part) }

// A start without a body, as of curl -X POST, is told what to send.
func TestAStartWithoutABodyIsToldWhatToSend(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true']}}")
	if status, _, body := s.do("POST", runs, ""); status != 415 || !contains(body, "there is no body: send") {
		t.Errorf("POST without a body = %d %s", status, body)
	}
}
