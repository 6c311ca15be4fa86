package gateway_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A replica that stops does not hold its clients until the server is closed on them: starts that wait for another replica are
// answered, and so are those that wait for the end of a run there.
func TestReplicasThatStopDoNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t)
		f.jobTakes = time.Hour
		all := []*member{f.join(jobsOf(1, "on_busy: queue")), f.join(jobsOf(1, "on_busy: queue"))}
		time.Sleep(3 * time.Second)
		all[0].start("j0", "")
		synctest.Wait()
		holder, other := f.doer("/u0/job"), all[0]
		if other == holder {
			other = all[1]
		}
		type answered struct {
			status int
			after  time.Duration
		}
		start := func(header http.Header) <-chan answered {
			at := make(chan answered, 1)
			go func() {
				begin := time.Now()
				w := other.doWith("POST", "/api/v1/jobs/j0/runs", "{}", header)
				at <- answered{w.Code, time.Since(begin)}
			}()
			time.Sleep(time.Second)
			return at
		}
		waits := start(http.Header{"Prefer": {"wait=100"}})
		f.silence(holder.ReplicaID(), true)
		asks := start(nil)
		other.BeginStop()
		if got := <-waits; got.status != 202 || got.after > 3*time.Second {
			t.Errorf("who waits for the end of a run of another replica gets %v, want 202 at once", got)
		}
		if got := <-asks; got.status != 504 || got.after > 5*time.Second {
			t.Errorf("who starts a run at a replica that is silent gets %v, want 504 within 4 s", got)
		}
		f.silence(holder.ReplicaID(), false)
		for _, m := range all {
			m.leave()
		}
	})
}
