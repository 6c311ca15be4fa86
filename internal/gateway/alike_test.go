package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse"
)

const alike = `
upstreams:
  plc: {for: [{name: north, at: %[1]q}, {name: south, at: %[1]q}], http: "{each.at}"}
notify: {ops: {exec: ["true"]}}
sources:
  pump:
    for: [north, south]
    title: Pump {each}
    section: Plant/{each}
    http: {upstream: "plc/{each}", path: "/{each}"}
    every: 1h
    pick: {flow: .flow}
    show: {value: flow, history: 1h}
    alert: {if: .flow > 5, notify: ops}
  total: {from: [pump/*], combine: "[.[].value.flow] | add"}
jobs:
  restart:
    for: [north, south]
    title: Restart {each}
    exec: [echo, "{each}", "{reason}"]
    args: {reason: {default: none}}
    then: {refresh: "pump/{each}"}
`

func newPumps(t *testing.T) *upstream {
	u := newUpstream(t, "")
	u.does(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"flow": %d}`, map[string]int{"/north": 7, "/south": 4}[r.URL.Path])
	})
	return u
}

// What for makes has a name with a slash. In a path that is one segment, with the slash as %2F or, behind a proxy that decodes
// paths, as it is.
func TestANameWithASlashIsANameEverywhere(t *testing.T) {
	s := start(t, fmt.Sprintf(alike, newPumps(t).URL))
	s.await("the sum of all", func(v object) bool { return v["key"] == "source/total" && v["value"] == 11.0 })
	s.await("an alert", func(v object) bool {
		alert, _ := v["alert"].(object)
		return v["key"] == "source/pump/north" && alert["state"] == "firing"
	})
	for _, name := range []string{"pump%2Fnorth", "pump/north"} {
		is := s.json(200, "GET", "/api/v1/sources/"+name, "")
		if is["name"] != "pump/north" || is["key"] != "source/pump/north" || is["title"] != "Pump north" || fmt.Sprint(is["value"]) != "map[flow:7]" {
			t.Errorf("%s is %v", name, is)
		}
		s.json(200, "GET", "/api/v1/sources/"+name+"/history", "")
		s.json(200, "GET", "/api/v1/sources/"+name+"/polls", "")
		s.json(200, "GET", "/api/v1/sources/"+name+"/availability", "")
		s.json(202, "POST", "/api/v1/sources/"+name+"/refresh", "")
		if status, _, image := s.do("GET", "/badge/"+name+".svg", ""); status != 200 || !contains(image, "Pump north") {
			t.Errorf("the badge of %s = %d %s", name, status, image)
		}
		if got := s.json(405, "PUT", "/api/v1/sources/"+name+"/history", ""); got["detail"] == nil {
			t.Errorf("another method for %s: %v", name, got)
		}
	}
	if got := s.json(404, "GET", "/api/v1/sources/pump%2Fwest", ""); got["instance"] != "/api/v1/sources/pump%2Fwest" {
		t.Errorf("a source that there is not: %v", got)
	}
	for _, path := range []string{"/api/v1/sources/pump", "/api/v1/sources/pump/west", "/api/v1/jobs/restart/west/runs", "/api/v1/sources/pump/north/x/polls"} {
		s.json(404, "GET", path, "")
	}
	for _, name := range []string{"restart%2Fnorth", "restart/north"} {
		if got := s.json(200, "GET", "/api/v1/jobs/"+name, ""); got["name"] != "restart/north" {
			t.Errorf("%s is %v", name, got)
		}
		run := s.json(202, "POST", "/api/v1/jobs/"+name+"/runs", `{"args":{"reason":"noise"}}`)
		id := run["id"].(string)
		s.await("its end", func(v object) bool {
			return v["key"] == "job/restart/north" && v["id"] == id && v["status"] == "succeeded"
		})
		if run := s.json(200, "GET", "/api/v1/runs/"+id, ""); run["job"] != "restart/north" || run["message"] != "north noise" {
			t.Errorf("the run is %v", run)
		}
		s.json(200, "GET", "/api/v1/jobs/"+name+"/runs", "")
		s.json(200, "GET", "/api/v1/jobs/"+name+"/queue", "")
	}
	if got := s.json(200, "GET", "/api/v1/stream?sources=pump/south&jobs=restart/north", "", "Accept", "application/json")["snapshots"].([]any); len(got) != 2 {
		t.Errorf("the snapshots of two names are %v", got)
	}
	seen := 0
	s.events("/api/v1/stream?sources=pump/north,pump/south", "", func(ev sse.Event) bool {
		seen++
		return seen < 2
	})
	silence := s.json(201, "POST", "/api/v1/silences", `{"of":"source/pump/north","for":"1h"}`)
	if got := s.json(200, "GET", "/api/v1/silences", ""); !contains(fmt.Sprint(got), "source/pump/north") {
		t.Errorf("the silence %v is not in %v", silence, got)
	}
	s.json(200, "POST", "/api/v1/alerts/acknowledge", `{"of":"source/pump/north"}`)
	if got := fmt.Sprint(s.json(200, "GET", "/api/v1/events", "")); !contains(got, "pump/north") || !contains(got, "restart/north") {
		t.Errorf("the events are %v", got)
	}
}

var linked = regexp.MustCompile(`(?:href|action|src)="([^"#]*)"`)

// Each address on the pages of what has a slash in its name leads to a page.
func TestAddressesOfANameWithASlashLeadSomewhere(t *testing.T) {
	for _, base := range []string{"", "/below"} {
		yaml := fmt.Sprintf(alike, newPumps(t).URL)
		if base != "" {
			yaml += "public_url: http://127.0.0.1" + base + "\n"
		}
		s := start(t, yaml)
		s.source("pump/north", "ok")
		s.json(202, "POST", base+"/api/v1/jobs/restart%2Fnorth/runs", "{}")
		s.await("its end", func(v object) bool { return v["key"] == "job/restart/north" && v["status"] == "succeeded" })
		seen, names := map[string]bool{}, map[string]bool{}
		for _, page := range []string{"/", "/jobs", "/alerts", "/sources/pump%2Fnorth", "/sources/total", "/jobs/restart%2Fnorth", "/jobs/restart%2Fnorth/run", "/sources/pump/north"} {
			req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+base+page, nil)
			if err != nil {
				t.Fatal(err)
			}
			status, _, text := s.do("GET", base+page, "", "Accept", "text/html")
			if status != 200 {
				t.Errorf("GET %s = %d\n%s", base+page, status, text)
			}
			for _, m := range linked.FindAllStringSubmatch(text, -1) {
				if page == "/sources/pump/north" { // as a proxy asks, whose client has asked for the other one
					req.URL.Path, req.URL.RawPath = base+"/sources/pump/north", base+"/sources/pump%2Fnorth"
				}
				to, err := req.URL.Parse(strings.ReplaceAll(m[1], "&amp;", "&"))
				if err != nil {
					t.Fatal(err)
				}
				names[to.EscapedPath()] = true
				if seen[to.String()] || strings.HasPrefix(m[1], "data:") || strings.HasSuffix(to.Path, "/refresh") || strings.HasSuffix(to.Path, "/unsilence") || strings.Contains(to.Path, "/auth/") {
					continue
				}
				seen[to.String()] = true
				method := "GET"
				if strings.HasSuffix(to.Path, "/acknowledge") {
					continue
				}
				if status, _, _ := s.do(method, strings.TrimPrefix(to.String(), s.url), "", "Accept", "text/html"); status != 200 {
					t.Errorf("%s on %s = %d", m[1], base+page, status)
				}
			}
		}
		for _, path := range []string{"/sources/pump%2Fnorth", "/sources/pump%2Fnorth/refresh", "/jobs/restart%2Fnorth", "/jobs/restart%2Fnorth/run"} {
			if !names[base+path] {
				t.Errorf("no page leads to %s: %v", base+path, names)
			}
		}
		body, header := form()
		s.client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		if status, head, _ := s.do("POST", base+"/sources/pump%2Fnorth/refresh", body, header...); status != 303 || head.Get("Location") != base+"/sources/pump%2Fnorth" {
			t.Errorf("the form to poll = %d to %q", status, head.Get("Location"))
		}
		body, header = form("arg.reason", "wear")
		if status, head, text := s.do("POST", base+"/jobs/restart%2Fnorth/run", body, header...); status != 303 {
			t.Errorf("the form to start = %d to %q\n%s", status, head.Get("Location"), text)
		}
	}
}

// A row more is a source more. Nothing else is touched, and what is removed ends.
func TestARowMoreIsASourceMore(t *testing.T) {
	u := newPumps(t)
	yaml := fmt.Sprintf(`
upstreams: {plc: {http: %q}}
sources: {pump: {for: rows.csv, http: {upstream: plc, path: "/{each}"}, every: "{each.every}"}}
`, u.URL)
	dir := t.TempDir()
	rows := func(text string) { // the gateway looks so often that it would see half of a file that is written in place
		t.Helper()
		draft := filepath.Join(dir, "draft")
		if err := os.WriteFile(draft, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(draft, filepath.Join(dir, "rows.csv")); err != nil {
			t.Fatal(err)
		}
	}
	rows("name,every\nnorth,1h\nsouth,1h\n")
	s := startFile(t, strings.ReplaceAll(yaml, "rows.csv", filepath.Join(dir, "rows.csv")), 10*time.Millisecond)
	north := s.source("pump/north", "ok")
	s.source("pump/south", "ok")
	st := s.stream()
	st.config(1)
	rows("name,every\nwest,1h\nnorth,1h\nsouth,2h\n")
	st.config(2)
	s.source("pump/west", "ok")
	if now := s.source("pump/north", "ok"); !reflect.DeepEqual(now, north) {
		t.Errorf("the unchanged source is %v, want it as before: %v", now, north)
	}
	rows("name,every\nwest,1h\nwest,1h\n")
	st.await("the problem", func(v object) bool {
		text, _ := v["error"].(string)
		return v["key"] == "config" && contains(text, "rows.csv:3:1: two rows are called") && contains(text, `"west"`)
	})
	rows("name,every\nwest,1h\n")
	st.await("its correction", func(v object) bool { return v["key"] == "config" && v["version"] == 3.0 && v["error"] == nil })
	s.json(404, "GET", "/api/v1/sources/pump%2Fnorth", "")
	s.json(200, "GET", "/api/v1/sources/pump%2Fwest", "")
}

// Replicas share what for makes: each source is polled by one of them, and each of them answers for all.
func TestReplicasShareWhatIsAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		const yaml = `store: {nats: "nats://127.0.0.1:4222"}
upstreams: {u: {for: [a, b, c], http: "http://up"}}
sources: {s: {for: [a, b, c], http: {upstream: "u/{each}", path: "/s/{each}"}, every: 1m}}
jobs: {j: {for: [a, b, c], http: {upstream: "u/{each}", path: "/j/{each}/job"}}}
`
		a, b := f.join(yaml), f.join(yaml)
		time.Sleep(2 * time.Second)
		for _, m := range []*member{a, b} {
			for _, row := range []string{"a", "b", "c"} {
				if is := m.json("GET", "/api/v1/sources/s%2F"+row, ""); is["state"] != "ok" || is["name"] != "s/"+row {
					t.Errorf("s/%s is %v", row, is)
				}
				var run object
				answer := m.do("POST", "/api/v1/jobs/j%2F"+row+"/runs", "{}")
				if err := json.NewDecoder(bytes.NewReader(answer.Body.Bytes())).Decode(&run); err != nil || answer.Code != 202 || run["job"] != "j/"+row {
					t.Errorf("a start of j/%s = %d %s", row, answer.Code, answer.Body)
				}
			}
			time.Sleep(5 * time.Second)
		}
		a.leave()
		time.Sleep(2 * time.Minute)
		for _, row := range []string{"a", "b", "c"} {
			if is := b.json("GET", "/api/v1/sources/s%2F"+row, ""); is["state"] != "ok" {
				t.Errorf("with one replica, s/%s is %v", row, is)
			}
		}
		b.leave()
	})
}
