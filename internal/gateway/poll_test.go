package gateway_test

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// tank is a configuration with one source that is polled every 20 ms. Its value does not become too old, however slow the
// machine is.
func tank(url string) string {
	return fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank:
    title: Tank
    http: {upstream: plant, path: /tank}
    every: 20ms
    stale_after: 1h
    backoff: {min: 10ms, max: 20ms}
    pick: {level: .level}
    show: {value: level, unit: "%%", min: 0, max: 100}
`, url)
}

func TestASourceIsPolledPickedAndShown(t *testing.T) {
	plant := newUpstream(t, `{"level": 41, "more": true}`)
	s := start(t, tank(plant.URL))
	got := s.source("tank", "ok")
	if want := (object{"level": 41.0}); !reflect.DeepEqual(got["value"], want) {
		t.Errorf("value = %v, want %v", got["value"], want)
	}
	if want := (object{"value": "level", "unit": "%", "min": 0.0, "max": 100.0}); !reflect.DeepEqual(got["show"], want) {
		t.Errorf("show = %v, want %v", got["show"], want)
	}
	if got["title"] != "Tank" || got["name"] != "tank" || got["error"] != nil {
		t.Errorf("title, name, error = %v, %v, %v, want Tank, tank, nil", got["title"], got["name"], got["error"])
	}
	updated, next := at(t, got["updated_at"]), at(t, got["next_at"])
	if next.Before(updated) {
		t.Errorf("next_at = %v is before updated_at = %v", next, updated)
	}

	plant.say(`{"level": 42}`)
	s.await("level 42", func(v object) bool { return reflect.DeepEqual(v["value"], object{"level": 42.0}) })

	one := s.json(200, "GET", "/api/v1/sources/tank", "")
	all := s.json(200, "GET", "/api/v1/sources", "")["sources"].([]any)
	if one["key"] != "source/tank" || len(all) != 1 || all[0].(object)["key"] != "source/tank" {
		t.Errorf("the API answers %v and %v, want the one source tank", one, all)
	}
}

func TestAFailingSourceKeepsItsLastGoodValueMarkedStale(t *testing.T) {
	plant := newUpstream(t, `{"level": 41}`)
	s := start(t, tank(plant.URL))
	good := s.source("tank", "ok")

	plant.does(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "boom", http.StatusInternalServerError) })
	stale := s.source("tank", "stale")
	if !reflect.DeepEqual(stale["value"], good["value"]) {
		t.Errorf("value while stale = %v, want the last good one %v", stale["value"], good["value"])
	}
	if at(t, stale["updated_at"]).Before(at(t, good["updated_at"])) {
		t.Errorf("updated_at went back from %v to %v", good["updated_at"], stale["updated_at"])
	}
	if text, _ := stale["error"].(string); !contains(text, "500") {
		t.Errorf("error = %q, want one that names the status 500", text)
	}

	plant.say(`{"level": 7}`)
	s.await("a fresh value", func(v object) bool {
		return v["state"] == "ok" && v["error"] == nil && reflect.DeepEqual(v["value"], object{"level": 7.0})
	})
}

func TestASourceThatNeverWorkedIsFailing(t *testing.T) {
	plant := newUpstream(t, `not json`)
	s := start(t, tank(plant.URL))
	got := s.source("tank", "failing")
	if got["value"] != nil || got["updated_at"] != nil || got["error"] == nil {
		t.Errorf("value, updated_at, error = %v, %v, %v, want nil, nil and a text", got["value"], got["updated_at"], got["error"])
	}
}

func TestRetryAfterIsObeyedAndShown(t *testing.T) {
	plant := newUpstream(t, "")
	plant.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "3600")
		http.Error(w, "slow down", http.StatusTooManyRequests)
	})
	s := start(t, tank(plant.URL))
	got := s.source("tank", "failing")
	wait := time.Until(at(t, got["next_at"]))
	if wait < 59*time.Minute || wait > 61*time.Minute {
		t.Errorf("next poll in %v, want about an hour", wait)
	}
	if n := plant.count(); n != 1 {
		t.Errorf("the upstream got %d requests, want 1", n)
	}
}

// An answer that counts by `accept` is still the wish of a busy upstream.
func TestRetryAfterOfAnAcceptedAnswerIsObeyed(t *testing.T) {
	for state, body := range map[string]string{"ok": `{"level": 1}`, "failing": `{"level": "none"`} { // also if nothing can be made of it
		plant := newUpstream(t, "")
		plant.does(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, body)
		})
		s := start(t, strings.Replace(tank(plant.URL), "path: ", "accept: [503], path: ", 1))
		got := s.source("tank", state)
		wait := time.Until(at(t, got["next_at"]))
		if wait < 59*time.Minute || wait > 61*time.Minute || got["waiting"] != "rate limit" {
			t.Errorf("%s: next poll in %v, waiting for %q, want about an hour for the rate limit", state, wait, got["waiting"])
		}
		if n := plant.count(); n != 1 {
			t.Errorf("%s: the upstream got %d requests, want 1", state, n)
		}
	}
}

func TestAHungPollTimesOut(t *testing.T) {
	plant := newUpstream(t, `{"level": 1}`)
	s := start(t, tank(plant.URL)+"    timeout: 50ms\n")
	s.source("tank", "ok")
	plant.hangs(t)
	got := s.source("tank", "stale")
	if text, _ := got["error"].(string); !contains(text, "timed out after 50 ms") {
		t.Errorf("error = %q, want one that says timed out after 50 ms", text)
	}
}

func TestAValueThatNobodyRenewsTurnsStale(t *testing.T) {
	plant := newUpstream(t, `{"level": 1}`)
	s := start(t, replaceOnce(t, tank(plant.URL), "stale_after: 1h", "timeout: 1h\n    stale_after: 50ms"))
	s.source("tank", "ok")
	plant.hangs(t)
	got := s.source("tank", "stale")
	if text, _ := got["error"].(string); text != "no successful poll for 50 ms" {
		t.Errorf("error = %q, want %q", text, "no successful poll for 50 ms")
	}
}

func TestAnUpstreamsLimitIsKept(t *testing.T) {
	plant := newUpstream(t, `{"level": 1}`)
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q, limit: 1/h, burst: 2}}
sources:
  a: {http: {upstream: plant, path: /a}, every: 1ms}
  b: {http: {upstream: plant, path: /b}, every: 1ms}
  c: {http: {upstream: plant, path: /c}, every: 1ms}
  beat: {exec: ["true"], every: 10ms}
`, plant.URL))
	// While another source is polled five times, the limited upstream gets its burst and no more.
	last := ""
	for range 5 {
		last, _ = s.await("a beat", func(v object) bool {
			return v["name"] == "beat" && v["state"] == "ok" && v["updated_at"] != last
		})["updated_at"].(string)
	}
	if n := plant.count(); n != 2 {
		t.Errorf("the upstream got %d requests, want its burst of 2", n)
	}
}

func TestAComputedSourceFollowsItsInputs(t *testing.T) {
	plant := newUpstream(t, `{"level": 40}`)
	s := start(t, tank(plant.URL)+`  site:
    from: [tank]
    needs: none
    combine: '{full: (.tank.value.level > 50), state: .tank.state}'
`)
	is := func(full bool, state string) func(object) bool {
		return func(v object) bool {
			return v["key"] == "source/site" && reflect.DeepEqual(v["value"], object{"full": full, "state": state})
		}
	}
	first := s.await("site from tank", is(false, "ok"))
	plant.say(`{"level": 41}`)
	s.await("site as young as tank, whose level says nothing new of it", func(v object) bool { return is(false, "ok")(v) && v["updated_at"] != first["updated_at"] })
	plant.say(`{"level": 60}`)
	s.await("site that is full", is(true, "ok"))

	plant.does(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusServiceUnavailable) })
	s.await("site that knows its input is stale", is(true, "stale"))
}

func TestACommandIsASource(t *testing.T) {
	s := start(t, `
sources:
  hello:
    exec: [echo, " 42 "]
    parse: lines
    pick: .[0] | tonumber
`)
	if got := s.source("hello", "ok")["value"]; got != 42.0 {
		t.Errorf("value = %v, want 42", got)
	}
}

func TestTheStreamBeginsWithEveryKeyAndResumesById(t *testing.T) {
	s := start(t, `
sources:
  a: {exec: [echo, a], every: 1h}
  b: {exec: [echo, b], every: 1h}
`)
	s.source("a", "ok")
	s.source("b", "ok")
	var keys []string
	id := ""
	s.events("/api/v1/stream", "", func(ev sse.Event) bool {
		keys = append(keys, decode(t, ev.Data)["key"].(string))
		id = ev.ID
		return len(keys) < 4
	})
	slices.Sort(keys)
	if want := []string{"alerts", "config", "source/a", "source/b"}; !slices.Equal(keys, want) {
		t.Errorf("the stream began with %v, want %v", keys, want)
	}

	// With another epoch everything comes again, after a reset.
	var names []string
	s.events("/api/v1/stream", "x"+id, func(ev sse.Event) bool {
		names = append(names, ev.Name)
		return len(names) < 5
	})
	if want := []string{"reset", "", "", "", ""}; !slices.Equal(names, want) {
		t.Errorf("events after another epoch = %q, want %q", names, want)
	}
}

// at parses a time of the API.
func at(t *testing.T, v any) time.Time {
	t.Helper()
	text, _ := v.(string)
	parsed, err := time.Parse(time.RFC3339, text)
	if err != nil || parsed.Location() != time.UTC {
		t.Fatalf("time %v is not RFC 3339 in UTC", v)
	}
	return parsed
}
