package gateway_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// remembering is a configuration with one source that remembers its numbers. Its value does not become too old, however slow
// the machine is.
func remembering(url, every string) string {
	return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank:
    http: {upstream: plant, path: /tank}
    every: %s
    stale_after: 3h
    backoff: {min: 10ms, max: 20ms}
    pick: {level: .level, pump: .pump, name: .name}
    show: {value: level, history: 1h}
`, url, every)
}

func TestHistoryOverHTTP(t *testing.T) {
	up := newUpstream(t, `{"level": 41, "pump": true, "name": "T-101"}`)
	s := start(t, remembering(up.URL, "20ms"))
	const path = "/api/v1/sources/tank/history"
	s.source("tank", "ok")
	time.Sleep(2 * time.Millisecond) // the polls of one millisecond are one point
	up.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	s.source("tank", "stale")
	time.Sleep(2 * time.Millisecond)
	up.say(`{"level": 42.5, "pump": false, "name": "T-101"}`)
	now := at(t, s.await("level 42.5", func(v object) bool {
		value, _ := v["value"].(object)
		return value["level"] == 42.5
	})["updated_at"])

	got := s.json(200, "GET", path, "")
	times, levels := got["t"].([]any), got["v"].([]any)
	if got["name"] != "tank" || got["field"] != "level" || !reflect.DeepEqual(got["fields"], []any{"level", "pump"}) {
		t.Errorf("name, field, fields = %v, %v, %v, want tank, level, level and pump", got["name"], got["field"], got["fields"])
	}
	if !slices.Contains(times, any(float64(now.UnixMilli()))) {
		t.Errorf("t = %v, want the poll at %d in it", times, now.UnixMilli())
	}
	if last := len(levels) - 1; levels[0] != 41.0 || levels[last] != 42.5 || !slices.Contains(levels, nil) {
		t.Errorf("v = %v at %.0f, want 41 first, then a gap, and 42.5 last", levels, times)
	}
	if pump := s.json(200, "GET", path+"?field=pump&since="+now.Format(time.RFC3339Nano), "")["v"].([]any); pump[0] != 0.0 {
		t.Errorf("v of pump = %v, want 0", pump)
	}
	if few := s.json(200, "GET", path+"?since=5m&points=2", ""); len(few["v"].([]any)) > 2 || few["min"].([]any)[0] != 41.0 {
		t.Errorf("2 points = %v, want them, with the least of all", few)
	}
	if none := s.json(200, "GET", path+"?since=1ns", ""); len(none["v"].([]any)) > 1 {
		t.Errorf("history of a nanosecond = %v", none)
	}
	// What is picked may be a number some day.
	if name := s.json(200, "GET", path+"?field=name", ""); len(name["t"].([]any)) != 0 {
		t.Errorf("history of a text = %v, want none", name)
	}
	for query, want := range map[string]string{
		"field=lvel":   "source \"tank\" has no numbers in field \"lvel\": it has level, pump",
		"since=soon":   "since=soon is neither a time such as 2026-11-21T18:40:00Z nor a duration such as 1h or 30d",
		"since=-1h":    "since=-1h is neither",
		"points=1":     "points=1 is not a number from 2 to 2000",
		"points=2001":  "points=2001 is not",
		"points=many":  "points=many is not",
		"since=1h&x=y": "",
		"since=30d":    "",
		"since=1y":     "",
		"since=1w":     "since=1w is neither",
	} {
		status, _, body := s.do("GET", path+"?"+query, "")
		detail, _ := decode(t, []byte(body))["detail"].(string)
		if want == "" && status != 200 || want != "" && (status != 400 || !strings.HasPrefix(detail, want)) {
			t.Errorf("GET ?%s = %d %s, want %s", query, status, body, want)
		}
	}
}

func TestOnlyWhatIsConfiguredIsRemembered(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, '1']}, n: {exec: [echo, '7'], pick: tonumber, every: 1h, show: {history: 1h}}}\n")
	s.source("n", "ok")
	if got := s.json(200, "GET", "/api/v1/sources/n/history", ""); got["field"] != "" || !reflect.DeepEqual(got["v"], []any{7.0}) {
		t.Errorf("history of a number = %v, want the field without a name, and 7", got)
	}
	for path, want := range map[string]string{"a": "remembers nothing", "b": "there is no source"} {
		if _, _, body := s.do("GET", "/api/v1/sources/"+path+"/history", ""); !contains(body, want) || !contains(body, `"status":404`) {
			t.Errorf("history of %s: %s, want 404, %s", path, body, want)
		}
	}
}

// Of a value with more numbers than are kept, the one that the page shows is.
func TestTheNumberThatIsShownIsRemembered(t *testing.T) {
	var members []string
	for i := range 100 {
		members = append(members, fmt.Sprintf(`"f%02d": %d`, i, i))
	}
	up := newUpstream(t, "{"+strings.Join(members, ", ")+"}")
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources: {tank: {http: {upstream: plant, path: /tank}, every: 20ms, show: {value: f99, history: 1h}}}
`, up.URL))
	s.source("tank", "ok")
	got := s.json(200, "GET", "/api/v1/sources/tank/history", "")
	values, fields := got["v"].([]any), got["fields"].([]any)
	if got["field"] != "f99" || len(values) == 0 || values[0] != 99.0 || len(fields) != 32 || fields[0] != "f00" {
		t.Errorf("history = %v, want that of f99, and of the fields that are first by name", got)
	}
}

func TestALongPollOfAHistoryIsAnsweredByTheNextPoll(t *testing.T) {
	up := newUpstream(t, `{"level": 41}`)
	s := startFile(t, remembering(up.URL, "1h"), 0)
	s.source("tank", "ok")
	const path = "/api/v1/sources/tank/history"
	tag := s.tag(path)
	if status, _, _ := s.do("GET", path, "", "If-None-Match", tag); status != 304 {
		t.Errorf("GET of the same history = %d, want 304", status)
	}
	// The source is polled again once it is reloaded.
	poll := s.longPoll(t.Context(), path, tag)
	up.say(`{"level": 42}`)
	s.reload(remembering(up.URL, "2h"))
	if got := s.get(poll); got.status != 200 || !contains(got.body, `"v":[41,42]`) {
		t.Errorf("long poll = %d %s, want the history with the next poll", got.status, got.body)
	}
}
