package gateway_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Every replica tells which replicas there are and what each of them does: a source names the one that polls it, a job the
// one that starts its runs, and a run the one that runs it.
func TestReplicasAreSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml := "upstreams:\n"
		for u := range 16 {
			yaml += fmt.Sprintf("  u%d: {http: \"http://up/u%d\"}\n", u, u)
		}
		yaml += "sources:\n"
		for u := range 16 {
			yaml += fmt.Sprintf("  s%d: {http: {upstream: u%d, path: /s}, every: 1s}\n", u, u)
		}
		yaml += "jobs:\n"
		for u := range 16 {
			yaml += fmt.Sprintf("  j%d: {http: {upstream: u%d, path: /job, method: POST}}\n", u, u)
		}
		f := newFleet(t)
		check := func(what string, members ...*member) {
			t.Helper()
			time.Sleep(5 * time.Second)
			for _, m := range members {
				all := m.json("GET", "/api/v1/replicas", "")["replicas"].([]any)
				if len(all) != len(members) {
					t.Errorf("%s: %d replicas are listed, want %d", what, len(all), len(members))
				}
				selfs, sum := 0, map[string]float64{}
				polls, starts := map[string]float64{}, map[string]float64{}
				for _, one := range all {
					r := one.(object)
					if r["self"] == true {
						selfs++
						if r["id"] != m.ReplicaID() {
							t.Errorf("%s: %v is said to be the one that answers", what, r["name"])
						}
					}
					if r["state"] != "ok" || r["silent_since"] != nil || r["same_config"] != true {
						t.Errorf("%s: a replica is %v", what, r)
					}
					sum["sources"] += r["sources"].(float64)
					sum["jobs"] += r["jobs"].(float64)
					polls[r["name"].(string)], starts[r["name"].(string)] = r["sources"].(float64), r["jobs"].(float64)
				}
				if selfs != 1 || sum["sources"] != 16 || sum["jobs"] != 16 {
					t.Errorf("%s: %d say that they are the one that answers, %v are done", what, selfs, sum)
				}
				for _, s := range m.json("GET", "/api/v1/sources", "")["sources"].([]any) {
					polls[s.(object)["replica"].(string)]--
				}
				for _, j := range m.json("GET", "/api/v1/jobs", "")["jobs"].([]any) {
					starts[j.(object)["replica"].(string)]--
				}
				for name := range polls {
					if polls[name] != 0 || starts[name] != 0 {
						t.Errorf("%s: %s has %v sources and %v jobs more than name it", what, name, polls[name], starts[name])
					}
				}
			}
		}
		a := f.join(yaml)
		check("one", a)
		b := f.join(yaml)
		check("two", a, b)
		for u := range 16 {
			job := fmt.Sprintf("/api/v1/jobs/j%d", u)
			run := a.json("POST", job+"/runs", "{}")
			time.Sleep(time.Second)
			if got := b.json("GET", "/api/v1/runs/"+run["id"].(string), "")["replica"]; got == nil || got != b.json("GET", job, "")["replica"] {
				t.Errorf("a run of j%d is on %v", u, got)
			}
			time.Sleep(3 * time.Second)
		}
		b.kill()
		check("one died", a)
		a.leave()
	})
}

// What becomes of replicas is an event at the others.
func TestReplicasBecomeEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		const yaml = "upstreams: {u: {http: \"http://up/u\"}}\nsources: {a: {http: {upstream: u, path: /a}, every: 1s}}\n"
		a := f.join(yaml)
		time.Sleep(2 * time.Second)
		b := f.join(yaml)
		time.Sleep(2 * time.Second)
		b.leave()
		time.Sleep(2 * time.Second)
		c := f.join(yaml)
		time.Sleep(2 * time.Second)
		c.kill()
		time.Sleep(2 * time.Second)
		var got []string
		for _, e := range a.json("GET", "/api/v1/events?kind=replica", "")["events"].([]any) {
			got = append(got, e.(object)["text"].(string))
		}
		slices.Reverse(got)
		want := []string{"r2 joined", "r2 stopped", "r3 joined", "r3 has died, or is out of reach: the others do its work"}
		if !slices.Equal(got, want) {
			t.Errorf("the events are %q, want %q", got, want)
		}
		a.leave()
	})
}

// A replica that was killed and started again has the name of the one that nobody knows to be dead yet. What each polls is
// counted once.
func TestReplicasOfOneNameAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml, sources := "upstreams:\n", "sources:\n"
		for u := range 16 {
			yaml += fmt.Sprintf("  u%d: {http: \"http://up/u%d\"}\n", u, u)
			sources += fmt.Sprintf("  s%d: {http: {upstream: u%d, path: /s}, every: 1s}\n", u, u)
		}
		f := newFleet(t)
		a := f.join(yaml + sources)
		time.Sleep(5 * time.Second)
		f.joined--
		b := f.join(yaml + sources)
		time.Sleep(5 * time.Second)
		owners := f.owners(time.Now().Add(-2 * time.Second))
		for _, m := range []*member{a, b} {
			for _, one := range m.json("GET", "/api/v1/replicas", "")["replicas"].([]any) {
				of := a
				if one.(object)["id"] == b.ReplicaID() {
					of = b
				}
				if got, want := one.(object)["sources"], float64(owners[of]); got != want {
					t.Errorf("a replica is said to poll %v sources, and polls %v", got, want)
				}
			}
		}
		a.leave()
		b.leave()
	})
}
