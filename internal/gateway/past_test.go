package gateway_test

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// failingOnce is remembering with a source that is not polled again after a failure, or what was before might not be listed
// any more when the machine is slow.
func failingOnce(t *testing.T, url string) string {
	return replaceOnce(t, remembering(url, "20ms"), "backoff: {min: 10ms, max: 20ms}", "backoff: {min: 1h, max: 1h}")
}

func TestPollsOverHTTP(t *testing.T) {
	up := newUpstream(t, `{"level": 41}`)
	s := start(t, failingOnce(t, up.URL)+"  sum: {exec: [sh, -c, 'echo no SECRET; exit 3'], every: 1h}\n")
	s.source("tank", "ok")
	up.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.source("tank", "stale")
	polls := s.json(200, "GET", "/api/v1/sources/tank/polls", "")["polls"].([]any)
	last, first := polls[0].(object), polls[len(polls)-1].(object)
	if first["status"] != 200.0 || first["size"] != 13.0 || first["state"] != "ok" || first["error"] != nil {
		t.Errorf("the first poll is %v, want the status 200 and 13 bytes", first)
	}
	if last["status"] != 503.0 || last["size"] != nil || last["state"] != "stale" || !contains(str(last["error"]), "503 Service Unavailable") {
		t.Errorf("the last poll is %v, want the status 503", last)
	}
	if took, ok := first["took"].(float64); !ok || took <= 0 || took > 10 {
		t.Errorf("the first poll took %v, want some seconds at most", first["took"])
	}
	s.source("sum", "failing")
	polls = s.json(200, "GET", "/api/v1/sources/sum/polls", "")["polls"].([]any)
	if p := polls[0].(object); len(polls) != 1 || p["status"] != 3.0 || p["size"] != 10.0 || p["state"] != "failing" {
		t.Errorf("the polls of a program are %v, want one of the exit code 3", polls)
	}
	s.json(404, "GET", "/api/v1/sources/none/polls", "")
}

func TestAvailabilityOverHTTP(t *testing.T) {
	up := newUpstream(t, `{"level": 41}`)
	s := start(t, remembering(up.URL, "20ms"))
	s.source("tank", "ok")
	up.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.source("tank", "stale")
	up.say(`{"level": 41}`)
	s.source("tank", "ok")
	got := s.json(200, "GET", "/api/v1/sources/tank/availability", "")
	outages := got["outages"].([]any)
	if o := outages[0].(object); len(outages) != 1 || o["state"] != "stale" || o["to"] == nil || !contains(str(o["error"]), "503") {
		t.Errorf("outages = %v, want one of 503 that is over", outages)
	}
	windows := got["windows"].([]any)
	if len(windows) != 4 || got["complete_since"] != nil || got["more"] != false {
		t.Errorf("availability = %v, want four windows, and nothing dropped", got)
	}
	for _, w := range windows {
		w := w.(object)
		sum := 0.0
		for _, state := range []string{"ok", "stale", "failing", "pending", "unknown"} {
			sum += w[state].(float64)
		}
		if sum < 0.999999 || sum > 1.000001 || w["unknown"].(float64) < 0.9 || w["stale"].(float64) <= 0 {
			t.Errorf("the shares of %v are %v, want 1 together, most of it unknown", w["window"], w)
		}
		if a := w["availability"].(float64); a <= 0 || a >= 100 {
			t.Errorf("the availability over %v is %v, want less than 100, since there was an outage", w["window"], a)
		}
	}
	s.json(404, "GET", "/api/v1/sources/none/availability", "")
}

func TestHistoryAsCSV(t *testing.T) {
	up := newUpstream(t, `{"level": 41.5, "pump": true}`)
	s := start(t, failingOnce(t, up.URL))
	s.source("tank", "ok")
	up.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s.source("tank", "stale")
	const path = "/api/v1/sources/tank/history"
	for _, asked := range [][]string{{path + "?format=csv"}, {path, "Accept", "text/csv"}, {path + "?points=2&format=csv&since=1h"}} {
		status, head, body := s.do("GET", asked[0], "", asked[1:]...)
		if status != 200 || head.Get("Content-Type") != "text/csv; charset=utf-8; header=present" ||
			head.Get("Content-Disposition") != "attachment; filename=tank-level.csv" {
			t.Fatalf("GET %s = %d %v, want CSV", asked, status, head)
		}
		if !strings.HasPrefix(body, "time,value,min,max,mean,count\r\n") {
			t.Errorf("GET %s = %q, want a header", asked, body)
		}
		lines, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil || len(lines) < 2 {
			t.Fatalf("GET %s = %q, %v, want a point at least", asked, body, err)
		}
		if at, err := time.Parse(time.RFC3339, lines[1][0]); err != nil || time.Since(at) > time.Minute || lines[1][1] != "41.5" {
			t.Errorf("the first line is %q, %v, want a time and 41.5", lines[1], err)
		}
		if last := lines[len(lines)-1]; !contains(asked[0], "points") && (last[1] != "" || last[2] != "") {
			t.Errorf("the last line is %q, want a gap", last)
		}
	}
	for query, want := range map[string]string{"format=xml": "format=xml is neither csv nor json", "until=soon": "until=soon is neither a time"} {
		if _, _, body := s.do("GET", path+"?"+query, ""); !contains(body, want) || !contains(body, `"status":400`) {
			t.Errorf("GET ?%s: %s, want 400, %s", query, body, want)
		}
	}
	if got := s.json(200, "GET", path+"?until=30m", ""); len(got["t"].([]any)) != 0 {
		t.Errorf("the history until half an hour ago is %v, want none", got)
	}
}

// The past of a source is there after a restart, with a gap in between.
func TestThePastSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	up := newUpstream(t, `{"level": 41}`)
	text := withDir(dir) + replaceOnce(t, remembering(up.URL, "100ms"), "history: 1h", "history: 5y")
	s := start(t, text)
	s.source("tank", "ok")
	until(t, "three polls", func() bool {
		return len(s.json(200, "GET", "/api/v1/sources/tank/polls", "")["polls"].([]any)) >= 3
	})
	s.stop()
	up.say(`{"level": 42}`)
	s = start(t, text)
	until(t, "another number", func() bool {
		v := s.json(200, "GET", "/api/v1/sources/tank/history", "")["v"].([]any)
		return len(v) > 0 && v[len(v)-1] == 42.0
	})
	got := s.json(200, "GET", "/api/v1/sources/tank/history", "")
	v := got["v"].([]any)
	next := slices.Index(v, any(42.0))
	if next < 2 || v[0] != 41.0 || v[next-1] != nil || got["count"].([]any)[0] != 1.0 || got["mean"].([]any)[0] != 41.0 {
		t.Errorf("the history is %v, want 41, a gap, and 42, with means and counts", got)
	}
	polls := s.json(200, "GET", "/api/v1/sources/tank/polls", "")["polls"].([]any)
	if first := polls[len(polls)-1].(object); len(polls) < 4 || first["status"] != 200.0 {
		t.Errorf("%d polls, the first is %v, want those before the restart, too", len(polls), first)
	}
	for _, w := range s.json(200, "GET", "/api/v1/sources/tank/availability", "")["windows"].([]any) {
		if w := w.(object); w["ok"].(float64) <= 0 || w["unknown"].(float64) < 0.9 {
			t.Errorf("the window is %v, want the time in which the gateway ran", w)
		}
	}
}

// A time in which the gateway did not run is no outage of a source that polls find in order before and after it, however
// old its value was meanwhile; nor is it an event.
func TestARestartIsNoOutage(t *testing.T) {
	dir := t.TempDir()
	up := newUpstream(t, `{"level": 41}`)
	text := withDir(dir) + replaceOnce(t, remembering(up.URL, "20ms"), "stale_after: 3h", "stale_after: 2s")
	s := start(t, text)
	s.source("tank", "ok")
	s.stop()
	time.Sleep(2300 * time.Millisecond)
	up.say(`{"level": 42}`)
	s = start(t, text)
	until(t, "another number", func() bool { return contains(fmt.Sprint(s.source("tank", "ok")["value"]), "42") })
	if got := s.json(200, "GET", "/api/v1/sources/tank/availability", ""); len(got["outages"].([]any)) != 0 {
		t.Errorf("the outages are %v, want none", got["outages"])
	}
	if got := s.json(200, "GET", "/api/v1/events?kind=state", "")["events"].([]any); len(got) != 0 {
		t.Errorf("the events are %v, want none", got)
	}
	// An outage that the first poll finds is one.
	s.stop()
	time.Sleep(2300 * time.Millisecond)
	up.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	s = start(t, text)
	until(t, "a failed poll", func() bool { return contains(fmt.Sprint(s.source("tank", "stale")["error"]), "GET http") })
	outages := s.json(200, "GET", "/api/v1/sources/tank/availability", "")["outages"].([]any)
	events := s.json(200, "GET", "/api/v1/events?kind=state", "")["events"].([]any)
	if len(outages) != 1 || !contains(fmt.Sprint(outages), "error:503 Service Unavailable") || len(events) != 1 || !contains(fmt.Sprint(events), "GET http") {
		t.Errorf("the outages are %v and the events %v, want the failed poll in both", outages, events)
	}
}

func TestALongHistoryNeedsADirectory(t *testing.T) {
	_, err := config.Load("a.yaml", []byte("version: 1\nsources: {a: {exec: [date], show: {history: 1y}}}\n"))
	if err == nil || !contains(err.Error(), `history: "1y" is longer than the 31 days that are kept in memory, add store: {dir: data}`) {
		t.Errorf("Load = %v, want that it needs a directory", err)
	}
}
