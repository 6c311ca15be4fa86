package gateway_test

import (
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// logged returns the lines that the replicas have logged with one of the texts in them.
func (f *fleet) logged(texts ...string) (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for line := range strings.Lines(f.logs.String()) {
		for _, text := range texts {
			if strings.Contains(line, text) {
				all = append(all, line)
			}
		}
	}
	return all
}

// The log of a replica that has lost its lease says of its runs what all others see: that they are lost. That is no error
// of its own.
func TestReplicasLogLostRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		all := []*member{f.join(jobsOf(1, "on_busy: queue")), f.join(jobsOf(1, "on_busy: queue"))}
		time.Sleep(3 * time.Second)
		_, run := all[0].start("j0", "")
		_, waits := all[0].start("j0", "")
		synctest.Wait()
		f.doer("/u0/job").process.Lose()
		time.Sleep(5 * time.Second)
		for _, r := range []object{run, waits} {
			if got := all[0].json("GET", "/api/v1/runs/"+of(r, "id"), ""); got["status"] != "lost" {
				t.Errorf("the run is %v, want lost", got)
			}
		}
		if lines := f.logged("level=ERROR", "status=succeeded", "status=cancelled"); len(lines) > 0 {
			t.Errorf("the log has %q", lines)
		}
		if lines := f.logged("status=lost"); len(lines) != 2 {
			t.Errorf("of 2 lost runs the log has %q", lines)
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// A run that was lost has one end at all replicas, also at the one that had it, where it ends after that has heard of it.
func TestReplicasTellOneEndOfALostRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes, f.lingers = time.Hour, 3*time.Second
		all := []*member{f.join(jobsOf(1, "on_busy: queue")), f.join(jobsOf(1, "on_busy: queue"))}
		time.Sleep(3 * time.Second)
		_, run := all[0].start("j0", "")
		time.Sleep(time.Second)
		f.doer("/u0/job").process.Lose()
		time.Sleep(5 * time.Second)
		a, b := all[0].json("GET", "/api/v1/runs/"+of(run, "id"), ""), all[1].json("GET", "/api/v1/runs/"+of(run, "id"), "")
		if a["status"] != "lost" || !reflect.DeepEqual(a, b) {
			t.Errorf("the run is %v, and at the other replica %v", a, b)
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// A replica that loses its lease while its timetable starts a run does not warn that the run was not started: the next
// holder starts it.
func TestReplicasLoseAnInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		slow := &hesitantStore{Store: f.store}
		f.store = slow
		yaml := jobsOf(1, "at: {cron: '* * * * *', zone: UTC}")
		all := []*member{f.join(yaml), f.join(yaml)}
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(2*time.Minute - time.Second)))
		holder := f.doer("/u0/job")
		slow.set(&slow.claim, func(topic string) time.Duration {
			if strings.HasPrefix(topic, "run/") {
				return 10 * time.Second
			}
			return 0
		})
		time.Sleep(2 * time.Second)
		slow.set(&slow.claim, nil)
		holder.process.Lose()
		time.Sleep(20 * time.Second)
		if lines := f.logged("was not started"); len(lines) > 0 {
			t.Errorf("the log has %q", lines)
		}
		f.mu.Lock()
		n := len(f.worked["/u0/job"])
		f.mu.Unlock()
		if n != 2 {
			t.Errorf("%d runs have begun in two minutes, want 2", n)
		}
		for _, m := range all {
			m.leave()
		}
	})
}

// A run that is cancelled while it waits does not count for the limit, wherever the job has moved to since.
func TestReplicasDoNotCountCancelledStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		yaml := jobsOf(1, "on_busy: queue, limit: 2/h")
		all := []*member{f.join(yaml), f.join(yaml)}
		time.Sleep(3 * time.Second)
		all[0].start("j0", "")
		_, waits := all[0].start("j0", "")
		synctest.Wait()
		all[0].do("POST", "/api/v1/runs/"+of(waits, "id")+"/cancel", "")
		all[0].ended(of(waits, "id"))
		time.Sleep(time.Second)
		dying, b := f.doer("/u0/job"), all[0]
		if b == dying {
			b = all[1]
		}
		dying.kill()
		time.Sleep(5 * time.Second)
		if code, run := b.start("j0", ""); code != 202 {
			t.Errorf("the second start that counts = %d %v, want 202", code, run)
		}
		if code, run := b.start("j0", ""); code != 429 {
			t.Errorf("the third start that counts = %d %v, want 429", code, run)
		}
		b.leave()
	})
}
