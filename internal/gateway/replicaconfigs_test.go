package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A replica with another configuration asks whoever does what a request is about, as the others do.
func TestReplicasOfTwoConfigurationsAskEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.set("9")
		one, other := f.join(askedThings), f.join(askedThings)
		time.Sleep(5 * time.Second)
		changed := f.join(strings.Replace(askedThings, "sources:", "sources:\n  more: {http: {upstream: u0, path: /more}}", 1))
		time.Sleep(5 * time.Second)
		if code, run := changed.start("j", ""); code != 202 {
			t.Errorf("start = %d %v", code, run)
		}
		for _, r := range []struct{ method, path, body string }{
			{"POST", "/api/v1/sources/a/refresh", ""},
			{"POST", "/api/v1/sources/sum/refresh", ""},
			{"GET", "/api/v1/sources/a/polls", ""},
			{"GET", "/api/v1/jobs/j/queue", ""},
			{"POST", "/api/v1/alerts/acknowledge", `{"of":"source/a"}`},
		} {
			if w := changed.do(r.method, r.path, r.body); w.Code >= 300 {
				t.Errorf("%s %s = %d %s", r.method, r.path, w.Code, w.Body)
			}
		}
		for _, m := range []*member{one, other, changed} {
			m.leave()
		}
	})
}

// A source that its replica has left goes on where it is configured, whatever the configuration of others. It ends when none
// has it any more.
func TestReplicasOfTwoConfigurationsLeaveSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		yaml, less := "sources:\n", "sources:\n"
		for i := range 40 {
			yaml += fmt.Sprintf("  s%d: {http: {upstream: u%d, path: /s}, every: 1s}\n", i, i)
		}
		for i := range 40 {
			upstream := fmt.Sprintf("  u%d: {http: \"http://up/u%d\"}\n", i, i)
			if i == 0 {
				upstream = "upstreams:\n" + upstream
				less += "  s0: {http: {upstream: u0, path: /s}, every: 1s}\n"
			}
			yaml, less = strings.Replace(yaml, "sources:\n", upstream+"sources:\n", 1), strings.Replace(less, "sources:\n", upstream+"sources:\n", 1)
		}
		f := newFleet(t)
		a, b := f.join(yaml), f.join(yaml)
		time.Sleep(5 * time.Second)
		c := f.join(less)
		time.Sleep(5 * time.Second)
		a.kill()
		time.Sleep(30 * time.Second)
		if len(f.logged("was removed")) > 0 {
			t.Error("sources that another replica has configured were removed")
		}
		for i := range 40 {
			if got := b.json("GET", fmt.Sprintf("/api/v1/sources/s%d", i), ""); got["state"] != "ok" {
				t.Errorf("s%d is %v", i, got)
			}
		}
		b.kill()
		time.Sleep(30 * time.Second)
		if n := len(f.logged("was removed")); n != 39 {
			t.Errorf("%d sources were removed that no replica has configured, want 39", n)
		}
		c.leave()
	})
}

// What a start lacks where the runs of its job are started is said, with the name of that replica.
func TestReplicasOfTwoConfigurationsSayWhatDiffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "upstreams: {u0: {http: \"http://up/u0\"}}\njobs:\n  j: {http: {upstream: u0, path: /job}, args: {n: {type: int, max: 5, default: 1}}}\n"
		f := newFleet(t)
		a := f.join(yaml)
		time.Sleep(5 * time.Second)
		b := f.join(strings.Replace(yaml, "max: 5", "max: 50", 1) + "  k: {http: {upstream: u0, path: /k/job}}\n")
		time.Sleep(5 * time.Second)
		for _, c := range []struct{ job, body, want string }{
			{"k", "{}", "replica r1, which starts the runs of this job, has another configuration, which does not have this job"},
			{"j", `{"args":{"n":20}}`, "which does not accept these arguments, such as n"},
		} {
			w := b.do("POST", "/api/v1/jobs/"+c.job+"/runs", c.body)
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), c.want) || w.Header().Get("Retry-After") == "" {
				t.Errorf("a start of %s = %d %s, want 503 that says %q", c.job, w.Code, w.Body, c.want)
			}
		}
		if w := b.do("GET", "/api/v1/jobs/k/queue", ""); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"queue":[]}` {
			t.Errorf("the queue is %d %s, want an empty list", w.Code, w.Body)
		}
		b.leave()
		a.leave()
	})
}

// Replicas that have not got a run do not answer for the one that has it and is silent.
func TestReplicasDoNotKnowTheOutputOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		all := []*member{f.join(askedThings), f.join(askedThings), f.join(askedThings)}
		time.Sleep(5 * time.Second)
		code, run := all[0].start("j", "")
		if code != 202 {
			t.Fatalf("start = %d %v", code, run)
		}
		time.Sleep(time.Second)
		f.mu.Lock()
		has := f.by["/u0/job"]
		f.mu.Unlock()
		path := "/api/v1/runs/" + of(run, "id") + "/output"
		for _, m := range all {
			if w := m.do("GET", path, ""); w.Code != 200 {
				t.Errorf("the output is %d %s", w.Code, w.Body)
			}
			if w := m.do("GET", "/api/v1/jobs/j/queue", ""); strings.TrimSpace(w.Body.String()) != `{"queue":[]}` {
				t.Errorf("the queue is %s, want an empty list", w.Body)
			}
		}
		f.silence(has.ReplicaID(), true)
		for _, m := range all {
			if m == has {
				continue
			}
			if w := m.do("GET", path, ""); w.Code != 504 {
				t.Errorf("the output is %d %q, want 504", w.Code, w.Body)
			}
		}
		f.silence(has.ReplicaID(), false)
		for _, m := range all {
			m.leave()
		}
	})
}

// A job that is in another unit by the configuration of another replica still has one run at a time: the second one waits for
// the first, and its timetable starts each run once.
func TestReplicasOfTwoConfigurationsRunAJobOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const yaml = "upstreams: {u0: {http: \"http://up/u0\"}}\njobs:\n" +
			"  j: {http: {upstream: u0, path: /job}, group: g, on_busy: queue}\n" +
			"  t: {http: {upstream: u0, path: /t/job}, group: g, at: {cron: '* * * * *', zone: UTC}}\n"
		f := newFleet(t)
		f.jobTakes = 5 * time.Second
		a := f.join(yaml)
		time.Sleep(5 * time.Second)
		b := f.join(strings.ReplaceAll(yaml, "group: g", "group: h") + "  other: {http: {upstream: u0, path: /o/job}}\n")
		time.Sleep(5 * time.Second)
		_, first := a.start("j", "")
		code, second := b.start("j", "")
		if code != 202 {
			t.Fatalf("start = %d %v", code, second)
		}
		time.Sleep(time.Second)
		if run := a.json("GET", "/api/v1/runs/"+of(second, "id"), ""); !strings.Contains(fmt.Sprint(run["message"]), of(first, "id")) {
			t.Errorf("the second run says %v, want that it waits for %s", run["message"], of(first, "id"))
		}
		for _, run := range []object{first, second} {
			if got := a.ended(of(run, "id")); got["status"] != "succeeded" || got["message"] != "" {
				t.Errorf("a run ended as %v: %v %v", got["status"], got["error"], got["message"])
			}
		}
		time.Sleep(10 * time.Minute)
		f.mu.Lock()
		n := len(f.worked["/u0/t/job"])
		f.mu.Unlock()
		if n < 9 || n > 11 {
			t.Errorf("in ten minutes the timetable has started %d runs that worked", n)
		}
		runs, _ := a.json("GET", "/api/v1/jobs/t/runs", "")["runs"].([]any)
		for _, run := range runs {
			if got := run.(object); got["status"] != "succeeded" && got["status"] != "running" {
				t.Errorf("a run of the timetable is %v: %v", got["status"], got["error"])
			}
		}
		b.leave()
		a.leave()
	})
}

// A silence that is asked for again with its Idempotency-Key is the same one, whichever replica is asked.
func TestReplicasMakeASilenceOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		a, b := f.join(askedThings), f.join(askedThings)
		time.Sleep(3 * time.Second)
		key := http.Header{"Idempotency-Key": {`"once"`}}
		var ids []string
		for _, m := range []*member{a, b, a} {
			w := m.doWith("POST", "/api/v1/silences", `{"of":"source/a","for":"1h"}`, key)
			if w.Code != 201 {
				t.Errorf("a silence = %d %s", w.Code, w.Body)
			}
			ids = append(ids, of(decode(t, w.Body.Bytes()), "id"))
			time.Sleep(time.Second)
		}
		if ids[0] != ids[1] || ids[0] != ids[2] {
			t.Errorf("one key has made the silences %v", ids)
		}
		if w := b.doWith("POST", "/api/v1/silences", `{"of":"all","for":"1h"}`, key); w.Code != 422 {
			t.Errorf("another silence with the same key = %d %s", w.Code, w.Body)
		}
		if got, _ := b.json("GET", "/api/v1/silences", "")["silences"].([]any); len(got) != 1 {
			t.Errorf("there are the silences %v, want one", got)
		}
		a.leave()
		b.leave()
	})
}
