package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What replicas leave in the store of sources and jobs that they have no more, when they are started again with another
// configuration, is removed when all have that; and whoever was told that an alert of these fires is told that it is over.
func TestReplicasRemoveLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		fewer := strings.Replace(sharedAlerts[:strings.Index(sharedAlerts, "jobs:")], "  a: {", "  c: {", 1)
		fewer = strings.Replace(fewer, "path: /a", "path: /c", 1)
		all := []*member{f.join(sharedAlerts), f.join(sharedAlerts)}
		time.Sleep(5 * time.Second)
		f.set("9")
		time.Sleep(5 * time.Second)
		if got := f.told(); got["firing of a"] != 1 {
			t.Fatalf("told %v, want that a fires", got)
		}
		for i := range all {
			all[i].leave()
			time.Sleep(2 * time.Minute)
			if i == 0 {
				if got := f.told(); got["resolved of a"] != 0 {
					t.Errorf("while a replica has the source, told %v", got)
				}
			}
			all[i] = f.join(fewer)
			time.Sleep(2 * time.Minute)
		}
		if got := f.told(); got["resolved of a"] != 1 {
			t.Errorf("when nobody has the source any more, told %v, want that it is over", got)
		}
		for _, m := range all {
			if got := m.json("GET", "/api/v1/alerts", "")["alerts"].([]any); strings.Contains(fmt.Sprint(got), "source/a") {
				t.Errorf("a replica lists %v", got)
			}
		}
		if got := all[0].Entries(t.Context(), "alert/source/a"); len(got) > 0 {
			t.Errorf("the store has %v", got)
		}
		for _, m := range all {
			m.leave()
		}
	})
}
