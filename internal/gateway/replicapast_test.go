package gateway_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

const pastOfSources = `upstreams: {u0: {http: "http://up/u0"}, u1: {http: "http://up/u1"}}
sources:
  a: {http: {upstream: u0, path: /a}, every: 1s, show: {history: 1h}}
  b: {http: {upstream: u1, path: /b}, every: 1s, show: {history: 1h}}
`

// A replica that begins has the past of those that were there before, also when these are gone; and how polls went is told
// at each of them, with what only the replica knows that made them.
func TestReplicasShareThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a := f.join(pastOfSources)
		begin := time.Now()
		time.Sleep(5 * time.Minute)
		f.set("no JSON")
		time.Sleep(time.Minute)
		f.set("7")
		time.Sleep(5 * time.Minute)
		numbers := func(m *member, source string) (first time.Time, n int) {
			all, _ := m.json("GET", "/api/v1/sources/"+source+"/history?points=2000", "")["t"].([]any)
			if len(all) == 0 {
				return time.Time{}, 0
			}
			return time.UnixMilli(int64(all[0].(float64))), len(all)
		}
		check := func(what string, m *member) {
			t.Helper()
			for _, source := range []string{"a", "b"} {
				if first, n := numbers(m, source); first.Sub(begin) > 5*time.Second || n < 200 {
					t.Errorf("%s: the history of %s has %d points from %v on, want that of 11 minutes from %v on", what, source, n, first, begin)
				}
				past := m.json("GET", "/api/v1/sources/"+source+"/availability", "")
				outages := past["outages"].([]any)
				if len(outages) != 1 || outages[0].(object)["to"] == nil {
					t.Errorf("%s: %s has the outages %v, want one that is over", what, source, outages)
				}
				polls := m.json("GET", "/api/v1/sources/"+source+"/polls", "")["polls"].([]any)
				if len(polls) != 50 {
					t.Errorf("%s: %d polls of %s are listed, want 50", what, len(polls), source)
				}
				for i, one := range polls {
					p := one.(object)
					if p["status"] != 200.0 || p["took"].(float64) <= 0 || i > 0 && polls[i-1].(object)["at"].(string) <= p["at"].(string) {
						t.Errorf("%s: a poll of %s is %v", what, source, p)
						break
					}
				}
			}
		}
		check("the first", a)
		b := f.join(pastOfSources)
		time.Sleep(20 * time.Second)
		check("the first, of two", a)
		check("the second", b)
		a.leave()
		time.Sleep(time.Minute)
		check("the second alone", b)
		c := f.join(pastOfSources)
		time.Sleep(20 * time.Second)
		check("the third", c)
		f.mu.Lock()
		owner := f.by["/u0/a"]
		f.mu.Unlock()
		other := b
		if owner == b {
			other = c
		}
		f.silence(owner.ReplicaID(), true)
		if w := other.do("GET", "/api/v1/sources/a/polls", ""); w.Code != 504 {
			t.Errorf("the polls that a silent replica makes = %d %s, want 504", w.Code, w.Body)
		}
		f.silence(owner.ReplicaID(), false)
		b.kill()
		time.Sleep(time.Minute)
		check("the third alone", c)
		if s := fmt.Sprint(c.json("GET", "/api/v1/sources/a", "")["state"]); s != "ok" {
			t.Errorf("the source is %s", s)
		}
		c.leave()
	})
}
