package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// The choices of an argument are those that a source gives now: in the API, in the form, and when a run starts.
func TestChoicesComeFromASource(t *testing.T) {
	up := newUpstream(t, `[{"id": "plc-1"}, {"id": 12345678901234567890}, {"id": "-rf"}, {"id": null}, {"id": "a\nb"}, {"id": "plc-1"}]`)
	s := start(t, fmt.Sprintf(`upstreams: {u: {http: %q}}
sources:
  devices: {http: {upstream: u}, every: 20ms, stale_after: 1h}
  never: {exec: [sh, -c, "exit 1"]}
jobs:
  reboot: {exec: [echo, "{id}"], on_busy: queue, args: {id: {type: enum, values: {from: devices, jq: ".[].id"}}}}
  list: {exec: [echo, "{id}"], args: {id: {type: enum, values: {from: devices, jq: "map(.id) # all"}, default: ""}}}
  wait: {exec: [echo, "{id}"], args: {id: {type: enum, values: {from: never}}}}
`, up.URL))
	id := func(job string) object {
		return s.json(200, "GET", "/api/v1/jobs/"+job, "")["args"].(object)["id"].(object)
	}
	until(t, "there are choices", func() bool { return id("reboot")["values"] != nil })
	for _, job := range []string{"reboot", "list"} {
		if got := id(job); fmt.Sprint(got["values"]) != "[plc-1 12345678901234567890]" || got["from"] != "devices" || got["why"] != nil {
			t.Errorf("the argument of %s is %v, want the choices of the source", job, got)
		}
	}
	try := func(job, value string, want int, says string) {
		t.Helper()
		status, _, body := s.do("POST", "/api/v1/jobs/"+job+"/runs", `{"args":{"id":"`+value+`"}}`)
		if status != want || !strings.Contains(body, says) {
			t.Errorf("%s with %q = %d %s, want %d and %q", job, value, status, body, want, says)
		}
	}
	try("reboot", "12345678901234567890", 202, "12345678901234567890")
	try("reboot", "plc-2", 422, "is not a choice")
	try("reboot", "", 422, "this has no value")
	try("list", "", 202, `"id":""`)
	try("wait", "x", 422, "never, and it has no value yet")
	if got := id("wait"); got["why"] != "source never gives no choices: it has no value yet" || got["values"] != nil {
		t.Errorf("an argument without choices is %v", got)
	}
	_, _, page := s.do("GET", "/jobs/reboot/run", "")
	for _, want := range []string{`<select name="arg.id" required`, `<option value="" selected>Choose …</option><option>plc-1</option>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the form lacks %s:\n%s", want, page)
		}
	}

	up.say(`[{"id": "plc-2"}]`)
	until(t, "there are other choices", func() bool { return fmt.Sprint(id("reboot")["values"]) == "[plc-2]" })
	try("reboot", "plc-2", 202, "plc-2")
	try("reboot", "plc-1", 422, "is not a choice")

	up.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	until(t, "the source is stale", func() bool { return id("reboot")["why"] == "source devices is stale, so these may not be all" })
	try("reboot", "plc-2", 202, "plc-2")

	up.say(`[{"id": {}}]`)
	until(t, "there are none", func() bool { return strings.Contains(fmt.Sprint(id("reboot")["why"]), "number 1 is no text") })
	try("reboot", "plc-2", 422, "number 1 is no text")
	up.say(`{"a": 1}`)
	until(t, "it is no list", func() bool { return strings.Contains(fmt.Sprint(id("reboot")["why"]), "jq: ") })
	up.say(`[]`)
	until(t, "it is empty", func() bool { return id("reboot")["why"] == "source devices gives no choices now" })
	try("reboot", "plc-2", 422, "gives no choices now")
	up.say(strings.Replace(strings.Repeat(`,{"id": 1}`, 1001), ",", "[", 1) + "]")
	until(t, "there are too many", func() bool { return strings.Contains(fmt.Sprint(id("reboot")["why"]), "there are 1001") })
}

// Whoever waits for a job to change is told that its choices have.
func TestWaitingForChoices(t *testing.T) {
	up := newUpstream(t, `["a"]`)
	s := start(t, fmt.Sprintf(`upstreams: {u: {http: %q}}
sources: {devices: {http: {upstream: u}, every: 20ms, stale_after: 1h}}
jobs: {reboot: {exec: [echo, "{id}"], args: {id: {type: enum, values: {from: devices}}}}}
`, up.URL))
	until(t, "there are choices", func() bool {
		_, _, body := s.do("GET", "/api/v1/jobs/reboot", "")
		return strings.Contains(body, `"values":["a"]`)
	})
	for _, path := range []string{"/api/v1/jobs/reboot", "/api/v1/jobs"} {
		up.say(`["a"]`)
		until(t, "they are a", func() bool {
			_, _, body := s.do("GET", path, "")
			return strings.Contains(body, `"values":["a"]`)
		})
		_, header, _ := s.do("GET", path, "")
		up.say(`["b"]`)
		status, _, body := s.do("GET", path, "", "If-None-Match", header.Get("ETag"), "Prefer", "wait=20")
		if status != 200 || !strings.Contains(body, `"values":["b"]`) {
			t.Errorf("waiting for %s = %d %s, want the other choices", path, status, body)
		}
	}
}

// A row of a split source gives choices while it is there, and whoever waits for them is told that it has come.
func TestARowGivesChoices(t *testing.T) {
	up := newUpstream(t, `[]`)
	s := start(t, fmt.Sprintf(`upstreams: {u: {http: %q}}
sources: {plant: {http: {upstream: u}, every: 20ms, stale_after: 1h, split: {each: ".[]", name: .id}, pick: .valves}}
jobs: {open: {exec: [echo, "{valve}"], args: {valve: {type: enum, values: {from: plant/north}}}, then: {refresh: [plant/north, plant/*]}}}
`, up.URL))
	get := func(headers ...string) (valve object, etag string) {
		status, header, body := s.do("GET", "/api/v1/jobs/open", "", headers...)
		if status != 200 {
			t.Fatalf("the job is %d %s", status, body)
		}
		return decode(t, []byte(body))["args"].(object)["valve"].(object), header.Get("ETag")
	}
	valve, etag := get()
	if valve["why"] != "source plant/north gives no choices: it is not there" {
		t.Errorf("without the row the argument is %v", valve)
	}
	if status, _, body := s.do("POST", "/api/v1/jobs/open/runs", `{"args":{"valve":"v1"}}`); status != 422 || !strings.Contains(body, "plant/north, and it is not there") {
		t.Errorf("a start without the row is %d %s", status, body)
	}
	up.say(`[{"id": "South", "valves": ["w1"]}, {"id": "North", "valves": ["v1", "v2"]}]`)
	for range 3 { // it is there, and has no value for a moment
		if valve, etag = get("If-None-Match", etag, "Prefer", "wait=20"); valve["values"] != nil {
			break
		}
	}
	if fmt.Sprint(valve["values"]) != "[v1 v2]" || valve["why"] != nil {
		t.Errorf("with the row the argument is %v", valve)
	}
	if status, _, body := s.do("POST", "/api/v1/jobs/open/runs", `{"args":{"valve":"v1"}}`); status != 202 {
		t.Errorf("a start with a choice of the row is %d %s", status, body)
	}
}
