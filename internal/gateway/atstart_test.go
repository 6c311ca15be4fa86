package gateway_test

import (
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// A job with @start starts once when the gateway does, and a reload starts none.
func TestAJobStartsWithTheGateway(t *testing.T) {
	const job = `jobs:
  warm: {exec: [echo, "{what}"], args: {what: {default: caches}}, at: "@start", then: {run: after}}
  after: {exec: [date]}
`
	dir := withDir(filepath.Join(t.TempDir(), "state"))
	count := func(s *server, job string) int {
		return len(s.json(200, "GET", "/api/v1/jobs/"+job+"/runs?status=succeeded", "")["runs"].([]any))
	}
	for n := 1; n <= 2; n++ {
		s := startFile(t, dir+job, 0)
		until(t, "it has run", func() bool { return count(s, "after") == n })
		warm := s.json(200, "GET", "/api/v1/jobs/warm", "")
		if warm["at"] != "when Tidewire starts" || warm["next_at"] != nil || warm["last_run"].(object)["trigger"] != "schedule" {
			t.Errorf("the job is %v", warm)
		}
		s.write(dir + job + "  late: {exec: [date], at: \"@start\"}\n")
		s.json(200, "POST", "/api/v1/config/reload", "")
		s.json(200, "GET", "/api/v1/jobs/late", "")
		time.Sleep(200 * time.Millisecond)
		if got := [3]int{count(s, "warm"), count(s, "after"), count(s, "late")}; got != [3]int{n, n, 0} {
			t.Errorf("after start %d and a reload there are %v runs", n, got)
		}
		s.stop()
	}
}

const startedByAll = `upstreams:
  u0: {http: "http://up/u0"}
  u1: {http: "http://up/u1"}
jobs:
  j0: {http: {upstream: u0, path: /job}, at: "@start", keep: {for: 7d}}
  j1: {http: {upstream: u1, path: /job}, at: "@start", keep: {for: 7d}}
`

// Replicas start such a job once for all of them: when the first one starts, and not again while one lives.
func TestReplicasStartAJobOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		check := func(m *member, want int) {
			t.Helper()
			time.Sleep(20 * time.Second)
			for _, job := range []string{"j0", "j1"} {
				if runs := m.runsOf(job); len(runs) != want {
					t.Errorf("there are %d runs of %s, want %d: %v", len(runs), job, want, runs)
				}
			}
		}
		a := f.join(startedByAll)
		b := f.join(startedByAll)
		check(a, 1)
		c := f.join(startedByAll) // units move to it
		check(c, 1)
		a.leave()
		check(b, 1)
		b.kill() // whatever it had, c takes over
		check(c, 1)
		d := f.join(startedByAll)
		time.Sleep(3 * time.Second) // for so long c may not have noted that d lives
		c.kill()
		time.Sleep(20 * time.Second)
		check(d, 1)
		d.leave()
		e := f.join(startedByAll) // all were away
		check(e, 2)
		e.leave()
	})
}
