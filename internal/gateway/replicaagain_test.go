package gateway_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

const againThere = `upstreams: {a: {http: "http://up"}, b: {http: "http://up"}}
jobs:
  deploy: {http: {upstream: a, path: "/{n}/job"}, args: {n: {type: int}}, on_busy: queue, queue: 100, then: {run: [{job: after, args: {n: "{n}"}}]}}
  after: {http: {upstream: b, path: "/after-{n}/job"}, args: {n: {type: int}}, on_busy: queue, queue: 100, keep: {runs: 2}}
hooks:
  deploy: {job: deploy, verify: {hmac_sha256: 0123456789abcdef}, args: {n: .n}}
`

// What a hook was promised is kept also if all replicas were away for long: each run that waited works once. What follows
// it does so once, however often replicas start again, and whatever is kept of it.
func TestReplicasAreBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = 100 * time.Millisecond
		a, b := f.join(againThere), f.join(againThere)
		time.Sleep(5 * time.Second)
		const deliveries = 10
		for n := range deliveries {
			body := fmt.Sprintf(`{"n":%d}`, n)
			for i, m := range []*member{a, b} {
				w := m.doWith("POST", "/hooks/deploy", body, http.Header{"X-Hub-Signature-256": {signed(body)[1]}})
				if repeated := decode(t, w.Body.Bytes())["repeated"]; w.Code != 202 || repeated != (i > 0) {
					t.Fatalf("delivery %d: %d %s at replica %d", n, w.Code, w.Body, i+1)
				}
			}
		}
		a.leave()
		b.leave()
		time.Sleep(time.Hour)
		a, b = f.join(againThere), f.join(againThere)
		time.Sleep(20 * time.Second)
		for range 2 { // one after the other
			a.leave()
			a = f.join(againThere)
			time.Sleep(5 * time.Second)
			a, b = b, a
		}
		f.mu.Lock()
		for n := range deliveries {
			path, after := fmt.Sprintf("/%d/job", n), fmt.Sprintf("/after-%d/job", n)
			if got := len(f.worked[path]); got != 1 {
				t.Errorf("the run of delivery %d has worked %d times, want once", n, got)
			}
			wasAtWork := n < 2 // of each replica one may have been when that left, and nothing follows it then
			if got := len(f.worked[after]); got > 1 || got == 0 && !wasAtWork {
				t.Errorf("what follows delivery %d has worked %d times, want once", n, got)
			}
		}
		f.mu.Unlock()
		a.leave()
		b.leave()
	})
}
