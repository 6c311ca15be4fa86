package gateway_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const askedThings = `upstreams: {u0: {http: "http://up/u0"}}
notify: {ops: {http: "http://up/ops"}}
sources:
  a: {http: {upstream: u0, path: /a}, every: 1s, alert: {if: '. > 5', notify: ops}}
  sum: {from: [a], combine: .a}
jobs:
  j: {http: {upstream: u0, path: /job, method: POST}, on_busy: queue}
`

// other returns the replica that has not polled the source last, and the one that has.
func (f *fleet) other(source string, a, b *member) (other, owner *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by[source] == a {
		return b, a
	}
	return a, b
}

// What a replica is asked of that does not answer is answered with 504, and with 503 if it cannot be asked: never as if
// there were nothing.
func TestReplicasThatDoNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		f.set("9")
		asks, has := f.other("/u0/a", f.join(askedThings), f.join(askedThings))
		time.Sleep(5 * time.Second)
		asks, has = f.other("/u0/a", asks, has)
		code, run := asks.start("j", "")
		if code != 202 {
			t.Fatalf("start = %d %v", code, run)
		}
		asks.start("j", "second")
		time.Sleep(time.Second)
		path := "/api/v1/runs/" + of(run, "id")
		requests := []struct{ method, path, body string }{
			{"POST", "/api/v1/sources/a/refresh", ""},
			{"POST", "/api/v1/sources/sum/refresh", ""},
			{"GET", "/api/v1/jobs/j/queue", ""},
			{"GET", path + "/output", ""},
			{"POST", "/api/v1/alerts/acknowledge", `{"of":"source/a"}`},
			{"POST", path + "/cancel", ""},
			{"POST", "/api/v1/jobs/j/runs", "{}"},
		}
		check := func(what string, want int) {
			t.Helper()
			for _, r := range requests {
				begin := time.Now()
				w := asks.do(r.method, r.path, r.body)
				if w.Code != want || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "replica") {
					t.Errorf("%s: %s %s = %d, Retry-After %q, %s, want %d", what, r.method, r.path, w.Code, w.Header().Get("Retry-After"), w.Body, want)
				}
				if took := time.Since(begin); took > 11*time.Second {
					t.Errorf("%s: %s %s took %v", what, r.method, r.path, took)
				}
			}
		}
		f.silence(has.ReplicaID(), true)
		check("silent", 504)
		f.silence(has.ReplicaID(), false)
		answer := f.drop(has.ReplicaID())
		check("out of reach", 503)
		_, _ = f.Answer(has.ReplicaID(), answer)
		for _, r := range requests {
			if w := asks.do(r.method, r.path, r.body); w.Code >= 300 {
				t.Errorf("afterwards: %s %s = %d %s", r.method, r.path, w.Code, w.Body)
			}
		}
		asks.leave()
		has.leave()
	})
}
