package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/internal/gateway"
)

// joinIn starts one more replica, on a host of that local time zone.
func (f *fleet) joinIn(yaml string, zone *time.Location) *member {
	return f.joinAs(yaml, func(o gateway.Options) gateway.Options { return o.InZone(zone) })
}

const zonedJobs = `upstreams: {u0: {http: "http://up/u0"}}
sources: {}
jobs:
  j: {http: {upstream: u0, path: /job, method: POST}, at: {cron: '0 3 * * *'%s}}
`

// Replicas whose local time zones differ do not take work from each other if they have timetables without zone, and say so.
func TestReplicasInTwoZones(t *testing.T) {
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Skip(err)
	}
	for zone, want := range map[string]bool{"": true, ", zone: UTC": false} {
		synctest.Test(t, func(t *testing.T) {
			f := newFleet(t)
			yaml := fmt.Sprintf(zonedJobs, zone)
			a := f.joinIn(yaml, time.UTC)
			time.Sleep(3 * time.Second)
			all := []*member{a, f.joinIn(yaml, tokyo)}
			time.Sleep(3 * time.Second)
			if got := a.json("GET", "/api/v1/jobs/j", ""); want && got["replica"] != "r1" {
				t.Errorf("a replica in another zone has taken %v", got)
			}
			all = append(all, f.joinIn(yaml, time.FixedZone("UTC", 0)))
			time.Sleep(3 * time.Second)
			differ := 0
			for _, r := range a.json("GET", "/api/v1/replicas", "")["replicas"].([]any) {
				r := r.(object)
				if r["other_zone"] != (want && r["name"] == "r2") || r["same_config"] == r["other_zone"] {
					t.Errorf("zone%q: a replica is %v", zone, r)
				}
				if r["other_zone"] == true {
					differ++
				}
			}
			if (differ == 1) != want {
				t.Errorf("zone%q: %d replicas are in another zone", zone, differ)
			}
			said := f.said("another local time zone", "replica=r2", "zone=JST", "own=UTC")
			if said != map[bool]int{true: 2, false: 0}[want] { // by r1 and r3
				t.Errorf("zone%q: the log says %d times that r2 is in another zone", zone, said)
			}
			for _, m := range all {
				m.leave()
			}
		})
	}
}

// A zone is identified by what its clocks show, not by its name.
func TestZones(t *testing.T) {
	zone := func(name string) string {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Skip(err)
		}
		_, id, _ := strings.Cut(gateway.ZoneID(l), " ")
		return id
	}
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"Europe/Berlin", "Europe/Vienna", true}, {"UTC", "Etc/UTC", true}, {"Europe/Berlin", "Europe/London", false},
		{"Europe/Berlin", "Africa/Algiers", false}, {"Asia/Tokyo", "Asia/Seoul", true},
	} {
		if got := zone(test.a) == zone(test.b); got != test.same {
			t.Errorf("%s and %s are the same: %v, want %v (%s, %s)", test.a, test.b, got, test.same, zone(test.a), zone(test.b))
		}
	}
}
