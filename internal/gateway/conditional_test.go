package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/ssetest"
)

// An upstream that says that nothing has changed has the last value count as a new one; what could not be picked is
// asked for again.
func TestAnAnswerThatHasNotChanged(t *testing.T) {
	var mu sync.Mutex
	version, body := `"1"`, `{"level": 40}`
	known := map[string]int{} // requests, by the version that they know
	set := func(v, b string) {
		mu.Lock()
		defer mu.Unlock()
		version, body, known = v, b, map[string]int{}
	}
	asked := func(v string) int {
		mu.Lock()
		defer mu.Unlock()
		return known[v]
	}
	plant := newUpstream(t, "")
	plant.does(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		known[r.Header.Get("If-None-Match")]++
		if r.Header.Get("If-None-Match") == version {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", version)
		fmt.Fprint(w, body)
	})
	s := start(t, fmt.Sprintf(`
upstreams: {plant: {http: %q}}
sources:
  tank: {http: {upstream: plant, path: /}, pick: {level: .level + 1}, every: 10ms, stale_after: 1h, backoff: {min: 10ms, max: 10ms}}
`, plant.URL))
	level := func(want float64) func(object) bool {
		return func(v object) bool {
			value, _ := v["value"].(object)
			return v["name"] == "tank" && v["state"] == "ok" && value["level"] == want
		}
	}
	first := s.await("the first value", level(41))
	s.await("a later poll", func(v object) bool {
		return level(41)(v) && v["updated_at"] != first["updated_at"] && asked(`"1"`) > 2
	})
	if n := asked(""); n != 1 {
		t.Errorf("%d requests knew no version, want the first one alone", n)
	}

	set(`"2"`, `{"level": "broken"}`)
	s.await("a value that cannot be picked", func(v object) bool { return v["name"] == "tank" && v["state"] == "stale" && asked(`"1"`) > 2 })
	if n := asked(`"2"`); n != 0 {
		t.Errorf("%d requests knew a version of which nothing was picked", n)
	}
	set(`"3"`, `{"level": 50}`)
	s.await("the next value", level(51))
}

// An answer that has not changed is not transferred, but what is made of it may depend on more: on the time.
func TestWhatHasNotChangedIsEvaluatedAtEveryPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		var full, fired atomic.Int32
		server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Host == "ops.example":
				fired.Add(1)
			case r.Header.Get("If-None-Match") == `"1"`:
				w.WriteHeader(http.StatusNotModified)
			default:
				full.Add(1)
				w.Header().Set("ETag", `"1"`)
				fmt.Fprintf(w, `{"last_backup": %d}`, begun.Unix())
			}
		}))
		b := newBubble(t, load(t, `
upstreams: {plant: {http: http://plant.example}}
notify: {ops: {http: http://ops.example/}}
defaults: {jitter: 0}
sources:
  backup:
    http: {upstream: plant, path: /}
    every: {normal: 10m, when: [{if: .age > 7200, every: 1m}]}
    pick: {age: now - .last_backup}
    alert: {if: .age > 3600, notify: ops}
  late: {from: [backup], combine: .backup.value.age > 5400}
`), io.Discard, server.Client.Transport)
		get := func(name string) object { return b.json("GET", "/api/v1/sources/"+name, "") }
		time.Sleep(50 * time.Minute)
		if fired.Load() != 0 || get("late")["value"] != false {
			t.Errorf("after 50 minutes: %d alerts, late is %v, want none", fired.Load(), get("late"))
		}
		time.Sleep(50 * time.Minute)
		if fired.Load() != 1 || get("late")["value"] != true {
			t.Errorf("after 100 minutes: %d alerts, late is %v, want the alert and true", fired.Load(), get("late"))
		}
		time.Sleep(40 * time.Minute)
		updated := at(t, get("backup")["updated_at"])
		if age := time.Since(updated); age > time.Minute {
			t.Errorf("the last poll is %v ago, want the pause of the value as it is now", age)
		}
		if n := full.Load(); n != 1 {
			t.Errorf("%d answers were transferred, want 1", n)
		}
	})
}
