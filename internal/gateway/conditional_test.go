package gateway_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
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
  tank: {http: {upstream: plant, path: /}, pick: {level: .level + 1}, every: 10ms, backoff: {min: 10ms, max: 10ms}}
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
