package gateway_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A replica that is alone and starts again polls at once and starts runs at once: it has given up what it held.
func TestReplicaStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "upstreams: {up: {http: \"http://up\"}}\nsources:\n"
		for s := range 20 {
			yaml += fmt.Sprintf("  s%d: {http: {upstream: up, path: /%d}, every: 1s}\n", s, s)
		}
		yaml += "  sum: {from: [s1, s2], combine: '.s1.value + .s2.value'}\n"
		yaml += "jobs: {j: {http: {upstream: up, path: /j/job, method: POST}, on_busy: queue}}\n"
		f := newFleet(t)
		f.jobTakes = time.Minute
		for range 3 {
			m := f.join(yaml)
			time.Sleep(5 * time.Second)
			if code, run := m.start("j", ""); code != 202 {
				t.Fatalf("a start = %d %v", code, run)
			}
			time.Sleep(time.Second) // the start was answered before the run is at work
			if got := m.json("GET", "/api/v1/sources/sum", ""); got["value"] != 2.0 {
				t.Errorf("the computed source is %v", got)
			}
			m.leave()
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		for name, gap := range f.gaps {
			if gap > 1500*time.Millisecond {
				t.Errorf("%s was not polled for %v", name, gap)
			}
		}
		if len(f.polled) != 20 || len(f.worked["/j/job"]) != 3 {
			t.Errorf("%d sources were polled, and %d runs worked", len(f.polled), len(f.worked["/j/job"]))
		}
	})
}
