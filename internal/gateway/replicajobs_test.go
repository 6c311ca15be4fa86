package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// start starts a run with an Idempotency-Key, "" for none.
func (m *member) start(job, key string) (int, object) {
	m.of.t.Helper()
	header := http.Header{}
	if key != "" {
		header.Set("Idempotency-Key", `"`+key+`"`)
	}
	w := m.doWith("POST", "/api/v1/jobs/"+job+"/runs", "{}", header)
	return w.Code, decode(m.of.t, w.Body.Bytes())
}

// ended waits for the end of a run.
func (m *member) ended(id string) object {
	m.of.t.Helper()
	for range 600 {
		if run := m.json("GET", "/api/v1/runs/"+id, ""); run["finished_at"] != nil {
			return run
		}
		time.Sleep(100 * time.Millisecond)
	}
	m.of.t.Fatalf("run %s has not ended after a minute", id)
	return nil
}

const sharedJobs = `upstreams:
  u0: {http: "http://up/u0"}
  u1: {http: "http://up/u1"}
  u2: {http: "http://up/u2"}
  u3: {http: "http://up/u3"}
sources: {}
jobs:
  j0: {http: {upstream: u0, path: /job, method: POST}, on_busy: queue}
  j1: {http: {upstream: u1, path: /job, method: POST}, on_busy: queue}
  j2: {http: {upstream: u2, path: /job, method: POST}, on_busy: join}
  j3: {http: {upstream: u3, path: /job, method: POST}, on_busy: reject, limit: 2/h}
`

// A run starts, is seen and is cancelled on any replica; an Idempotency-Key leads to one run, whichever replicas it is sent
// to, and queues, joins and limits are those of all replicas.
func TestReplicasShareJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		all := []*member{f.join(sharedJobs), f.join(sharedJobs), f.join(sharedJobs)}
		time.Sleep(3 * time.Second)
		for i := range 4 {
			job := fmt.Sprint("j", i)
			first := ""
			for _, m := range all {
				code, run := m.start(job, "once")
				if code != 202 {
					t.Fatalf("%s: a start = %d %v", job, code, run)
				}
				if first == "" {
					first = of(run, "id")
				} else if of(run, "id") != first {
					t.Errorf("%s: the key leads to %v, want %s", job, run["id"], first)
				}
				if got := m.json("GET", "/api/v1/runs/"+first, ""); got["id"] != first {
					t.Errorf("%s: a replica that was told of a run does not know it: %v", job, got)
				}
			}
			switch job {
			case "j0": // each replica adds one to the same queue
				second, third := "", ""
				_, run := all[1].start(job, "")
				second = of(run, "id")
				_, run = all[2].start(job, "later")
				third = of(run, "id")
				if got := all[0].json("GET", "/api/v1/jobs/j0/queue", "")["queue"].([]any); second != third && len(got) != 1 && len(got) != 2 {
					t.Errorf("the queue is %v", got)
				}
				if w := all[0].do("POST", "/api/v1/runs/"+first+"/cancel", ""); w.Code != 202 {
					t.Errorf("cancel = %d %s", w.Code, w.Body)
				}
				if run := all[1].ended(first); run["status"] != "cancelled" {
					t.Errorf("the run that was cancelled on another replica is %v", run)
				}
			case "j2":
				for _, m := range all {
					if _, run := m.start(job, ""); of(run, "id") != first || run["coalesced"] != true {
						t.Errorf("a start joins %v, want %s", run, first)
					}
				}
			case "j3":
				code, _ := all[1].start(job, "")
				if code != 409 {
					t.Errorf("a start of a busy job = %d, want 409", code)
				}
			}
		}
		ids := map[string]bool{}
		for _, m := range all {
			for _, run := range m.json("GET", "/api/v1/runs?limit=100", "")["runs"].([]any) {
				ids[of(run.(object), "id")] = true
			}
		}
		for id := range ids {
			var status string
			for _, m := range all {
				run := m.ended(id)
				if status == "" {
					status = of(run, "status")
				} else if run["status"] != status {
					t.Errorf("run %s is %v on one replica, %s on another", id, run["status"], status)
				}
			}
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// Whoever takes over from a replica that has died knows its starts and its keys, and its runs count as lost.
func TestReplicasRememberStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		all := []*member{f.join(sharedJobs), f.join(sharedJobs), f.join(sharedJobs)}
		time.Sleep(3 * time.Second)
		ids := map[string]string{}
		for i, job := range []string{"j0", "j1", "j2", "j3"} {
			code, run := all[i%3].start(job, "k")
			if code != 202 {
				t.Fatalf("%s: a start = %d %v", job, code, run)
			}
			ids[job] = of(run, "id")
		}
		synctest.Wait()
		f.mu.Lock()
		dying := f.by["/u3/job"]
		f.mu.Unlock()
		dying.kill()
		if all[0] == dying {
			all[0] = all[2]
		}
		b := all[0]
		time.Sleep(5 * time.Second)
		for i := range 4 {
			job := fmt.Sprint("j", i)
			want := "running"
			if f.doer(fmt.Sprintf("/u%d/job", i)) == dying {
				want = "lost"
			}
			if run := b.json("GET", "/api/v1/runs/"+ids[job], ""); run["status"] != want {
				t.Errorf("%s: after the death of a replica the run is %v, want %s", job, run, want)
			}
			if _, again := b.start(job, "k"); of(again, "id") != ids[job] {
				t.Errorf("%s: the key leads to %v, want %s", job, again, ids[job])
			}
		}
		code, run := b.start("j3", "") // the second one of two within an hour
		if code != 202 {
			t.Errorf("the second start within the limit = %d %v", code, run)
		}
		synctest.Wait()
		b.do("POST", "/api/v1/runs/"+of(run, "id")+"/cancel", "")
		b.ended(of(run, "id"))
		if code, run := b.start("j3", ""); code != 429 {
			t.Errorf("the third start within the limit = %d %v, want 429", code, run)
		}
		for _, m := range all {
			if m != dying {
				m.leave()
				if m == all[0] {
					dying = m // which may be there twice
				}
			}
		}
	})
}

// A replica that takes many units over knows the keys of all of them: those of one do not displace those of another, even if
// one caller has sent them all.
func TestReplicasRememberAllKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs, each = 5, 201 // together more than a process alone remembers of a caller
		yaml := "upstreams:\n"
		for i := range jobs {
			yaml += fmt.Sprintf("  u%d: {http: \"http://up/u%d\"}\n", i, i)
		}
		yaml += "jobs:\n"
		for i := range jobs {
			yaml += fmt.Sprintf("  j%d: {http: {upstream: u%d, path: /job}, on_busy: queue, queue: 1000, keep: {runs: 1000}}\n", i, i)
		}
		f := newFleet(t)
		f.jobTakes = time.Millisecond
		a := f.join(yaml)
		time.Sleep(5 * time.Second)
		ids := map[string]string{}
		for k := range each {
			for i := range jobs {
				job := fmt.Sprint("j", i)
				code, run := a.start(job, fmt.Sprint("k", k))
				if code != 202 {
					t.Fatalf("a start = %d %v", code, run)
				}
				ids[fmt.Sprint(job, " k", k)] = of(run, "id")
			}
		}
		time.Sleep(time.Minute)
		b := f.join(yaml)
		a.kill()
		time.Sleep(time.Minute)
		for what, id := range ids {
			job, key, _ := strings.Cut(what, " ")
			if _, run := b.start(job, key); of(run, "id") != id {
				t.Fatalf("the key %s of %s leads to %v, want run %s", key, job, run, id)
			}
		}
		b.leave()
	})
}

// All replicas say the same about when a limit lets a job start again, also when that is over.
func TestReplicasTellLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Second
		all := []*member{f.join(sharedJobs), f.join(sharedJobs), f.join(sharedJobs)}
		time.Sleep(3 * time.Second)
		for range 2 {
			_, run := all[0].start("j3", "")
			all[0].ended(of(run, "id"))
		}
		for _, after := range []time.Duration{time.Second, time.Hour} {
			time.Sleep(after)
			for _, m := range all {
				if got := m.json("GET", "/api/v1/jobs/j3", ""); (got["available_at"] != nil) != (after < time.Hour) {
					t.Errorf("after %v a replica says that the job can start at %v", after, got["available_at"])
				}
			}
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// Each instant of a timetable starts one run, whoever lives.
func TestReplicasShareTimetables(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Second
		var b strings.Builder
		b.WriteString("upstreams:\n")
		for u := range 6 {
			fmt.Fprintf(&b, "  u%d: {http: \"http://up/u%d\"}\n", u, u)
		}
		b.WriteString("jobs:\n")
		for u := range 6 {
			fmt.Fprintf(&b, "  j%d: {http: {upstream: u%d, path: /job, method: POST}, at: {cron: '* * * * *', zone: UTC}}\n", u, u)
		}
		yaml := b.String()
		all := []*member{f.join(yaml), f.join(yaml), f.join(yaml)}
		begin := time.Now()
		time.Sleep(7 * time.Second)
		for i := range 12 {
			time.Sleep(47 * time.Second) // at no time when runs begin
			switch i % 3 {
			case 0:
				all[0].leave()
				all = append(all[1:], f.join(yaml))
			case 1:
				all[0].kill()
				all = append(all[1:], f.join(yaml))
			}
		}
		for _, m := range all[1:] {
			m.leave()
		}
		for range 3 { // nobody lives when the last ones are due
			time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(57 * time.Second)))
			all[0].kill()
			time.Sleep(20 * time.Second)
			all = []*member{f.join(yaml)}
		}
		time.Sleep(30 * time.Second)
		minutes := int(time.Since(begin) / time.Minute)
		f.mu.Lock()
		for u := range 6 {
			name := fmt.Sprintf("/u%d/job", u)
			seen := map[time.Time]int{}
			for _, at := range f.worked[name] {
				seen[at.Truncate(time.Minute)]++
			}
			for at, n := range seen {
				if n > 1 {
					t.Errorf("%s was started %d times at %v", name, n, at)
				}
			}
			if len(seen) < minutes {
				t.Errorf("%s was started at %d of %d minutes", name, len(seen), minutes)
			}
		}
		f.mu.Unlock()
		for _, m := range all {
			m.leave()
		}
	})
}

// What was due while nobody lived is made up for within catch_up, once, but not what was due before a job or its timetable
// was configured.
func TestReplicasMakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Second
		const (
			upstreams = "upstreams:\n  u0: {http: \"http://up/u0\"}\n  u1: {http: \"http://up/u1\"}\njobs:\n"
			job       = "  j%d: {http: {upstream: u%d, path: /job, method: POST}, group: g, at: {cron: '%s', zone: UTC, catch_up: %s}}\n"
		)
		yaml := upstreams + fmt.Sprintf(job, 0, 0, "0 * * * *", "2h")
		starts := func(when string, want ...int) {
			t.Helper()
			time.Sleep(5 * time.Second)
			f.mu.Lock()
			defer f.mu.Unlock()
			for u, n := range want {
				if got := len(f.worked[fmt.Sprintf("/u%d/job", u)]); got != n {
					t.Errorf("%s: j%d was started %d times, want %d", when, u, got, n)
				}
			}
		}
		m := f.join(yaml) // at a full hour
		starts("at first", 0)
		time.Sleep(90 * time.Minute)
		starts("after 90 minutes", 1)
		m.kill()
		time.Sleep(100 * time.Minute) // two are due
		m = f.join(yaml)
		time.Sleep(20 * time.Second)
		starts("after 100 minutes without a replica", 2)
		m.leave()
		m = f.join(yaml)
		starts("after a restart", 2)
		yaml += fmt.Sprintf(job, 1, 1, "5 * * * *", "5h") // in the same unit
		m.leave()
		m = f.join(yaml)
		starts("with a new job", 2, 0)
		m.kill()
		m = f.join(yaml)
		time.Sleep(20 * time.Second)
		starts("after a new job and a death", 2, 0)
		m.kill()
		time.Sleep(9 * time.Hour)
		m = f.join(yaml)
		time.Sleep(20 * time.Second)
		starts("after 9 hours without a replica", 3, 1)
		m.leave()
	})
}
