package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// While a changed configuration is not at all replicas yet, each still answers about what those with the other one do.
func TestReplicasOfTwoConfigurations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a := f.join(sharedAlerts)
		time.Sleep(5 * time.Second)
		f.set("9")
		b := f.join(sharedAlerts + "  another: {http: {upstream: u0, path: /x/job, method: POST}}\n")
		time.Sleep(5 * time.Second)
		for _, request := range [][2]string{
			{"/api/v1/sources/a/refresh", ""}, {"/api/v1/alerts/acknowledge", `{"of":"source/a"}`},
			{"/api/v1/jobs/j/runs", "{}"},
		} {
			if w := b.do("POST", request[0], request[1]); w.Code >= 300 {
				t.Errorf("%s = %d %s", request[0], w.Code, w.Body)
			}
		}
		if w := b.do("GET", "/api/v1/sources/a/polls", ""); w.Code != 200 {
			t.Errorf("polls = %d %s", w.Code, w.Body)
		}
		if f.doer("/u0/a") != a {
			t.Error("the source has moved to a replica with another configuration")
		}
		a.leave()
		b.leave()
	})
}
