//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// A checker starts runs, notes what the gateway said of them, and compares that with what it says after the next start.
type checker struct {
	gateway  *gateway
	upstream *upstream
	outage   *outage
	sources  int

	mu       sync.Mutex // guards the fields below
	runs     map[string]*known
	killed   []span // when the gateway was being killed
	starts   int
	checks   int
	failures []string
}

// A span of time.
type span struct{ from, to time.Time }

// A known run is one whose start was answered.
type known struct {
	job   string
	key   string // the Idempotency-Key of its start
	body  string // of that
	nth   int    // of all starts
	ended string // the status with which a client saw it end; empty: none did
	found string // the status that it had after a kill; empty: it was not looked for yet
}

// A runView is what is needed of the JSON of a run.
type runView struct {
	ID, Job, Status string
	Finished        time.Time `json:"finished_at"`
}

func isEnd(status string) bool {
	return slices.Contains([]string{"succeeded", "failed", "cancelled", "timed_out", "lost"}, status)
}

// expect takes note of a failure unless ok.
func (c *checker) expect(ok bool, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.checks++
	if !ok {
		c.failures = append(c.failures, fmt.Sprintf(format, args...))
	}
}

// work has each job run without a pause, and those with an alert with one, until the gateway cannot be reached or ctx
// ends. The function that it returns waits for that.
func (c *checker) work(ctx context.Context, jobs int) (wait func()) {
	var wg sync.WaitGroup
	for i := range jobs {
		wg.Go(func() {
			for c.runOnce(ctx, fmt.Sprint("j", i), fmt.Sprintf(`"seconds":%.2f`, 0.05+rand.ExpFloat64()*0.8)) {
			}
		})
	}
	for i := range c.outage.failing {
		wg.Go(func() {
			for c.runOnce(ctx, fmt.Sprint("f", i), fmt.Sprintf(`"seconds":%.2f,"code":%d`, rand.Float64()/5, rand.IntN(2))) {
				time.Sleep(rand.N(300 * time.Millisecond))
			}
		})
	}
	return wg.Wait
}

// runOnce starts a job and follows the run to its end. It reports whether the gateway answered, and ctx has not ended.
func (c *checker) runOnce(ctx context.Context, job, args string) bool {
	var run runView
	body := fmt.Sprintf(`{"args":{%s}}`, args)
	key := fmt.Sprintf("%s-%d", job, rand.Uint64())
	err := c.gateway.post("/api/v1/jobs/"+job+"/runs", key, body, &run)
	refused := (*status)(nil)
	if errors.As(err, &refused) {
		c.expect(ctx.Err() != nil, "a start of %s was refused: %v", job, err)
	}
	if err != nil {
		return false
	}
	c.mu.Lock()
	c.starts++
	c.runs[run.ID] = &known{job: job, key: key, body: body, nth: c.starts}
	c.mu.Unlock()
	for !isEnd(run.Status) {
		if ctx.Err() != nil {
			return false
		}
		time.Sleep(20 * time.Millisecond)
		if err := c.gateway.get("/api/v1/runs/"+run.ID, &run); err != nil {
			return false
		}
	}
	c.mu.Lock()
	c.runs[run.ID].ended = run.Status
	c.mu.Unlock()
	return ctx.Err() == nil
}

// kill kills the gateway and tells the workers.
func (c *checker) kill(end func()) {
	from := time.Now()
	end()
	c.gateway.kill()
	c.mu.Lock()
	c.killed = append(c.killed, span{from, time.Now()})
	c.mu.Unlock()
}

// unseen returns runs that were not looked for yet: all that nobody saw end, and at most so many others, in no order.
func (c *checker) unseen(most int) map[string]known {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := map[string]known{}
	for id, k := range c.runs {
		if k.found != "" || k.ended != "" && most <= 0 {
			continue
		}
		if list[id] = *k; k.ended != "" {
			most--
		}
	}
	return list
}

// checkRuns looks for runs, and expects each to have ended within a time.
func (c *checker) checkRuns(runs map[string]known, within time.Duration) {
	late := time.Now().Add(within)
	for id, k := range runs {
		var run runView
		err := c.gateway.get("/api/v1/runs/"+id, &run)
		for err == nil && !isEnd(run.Status) && k.ended == "" && time.Now().Before(late) {
			time.Sleep(5 * time.Millisecond)
			err = c.gateway.get("/api/v1/runs/"+id, &run)
		}
		switch {
		case err != nil:
			c.expect(false, "run %s of %s was started, and cannot be found: %v", id, k.job, err)
		case k.ended != "":
			c.expect(run.Status == k.ended, "run %s of %s had ended as %s, now it is %s", id, k.job, k.ended, run.Status)
		default:
			c.expect(isEnd(run.Status), "run %s of %s is %s, want an end within %v", id, k.job, run.Status, within)
		}
		c.mu.Lock()
		c.runs[id].found = run.Status
		c.mu.Unlock()
		c.checkKey(id, k)
	}
}

// checkKey repeats the start of a run, and expects that it leads to that, unless its key may be forgotten.
func (c *checker) checkKey(id string, k known) {
	c.mu.Lock()
	old := c.starts-k.nth > keys
	c.mu.Unlock()
	if old {
		return
	}
	var run runView
	err := c.gateway.post("/api/v1/jobs/"+k.job+"/runs", k.key, k.body, &run)
	c.expect(err == nil && run.ID == id, "the start of %s by run %s leads to %s when it is repeated: %v", k.job, id, run.ID, err)
}

// checkHistory compares the histories of some sources with what the upstream has answered.
func (c *checker) checkHistory() {
	c.mu.Lock()
	killed := slices.Clone(c.killed)
	c.mu.Unlock()
	if len(killed) == 0 {
		return
	}
	for range 20 {
		source := rand.IntN(c.sources)
		var history struct {
			V []*float64
		}
		path := fmt.Sprintf("/api/v1/sources/s%d/history?field=n&since=60s&points=2000", source)
		if err := c.gateway.get(path, &history); err != nil {
			c.expect(false, "GET %s: %v", path, err)
			continue
		}
		has := map[int]bool{}
		for _, v := range history.V {
			if v != nil {
				has[int(*v)] = true
			}
		}
		first := c.upstream.count(source, time.Now().Add(-50*time.Second)) + 1
		last := c.upstream.count(source, killed[len(killed)-1].from.Add(-unwritten))
		for n := first; n <= last; n++ {
			if !has[n] && !within(killed, c.upstream.at(source, n)) {
				c.expect(false, "the history of s%d lacks its answer %d, of %v before the last kill",
					source, n, killed[len(killed)-1].from.Sub(c.upstream.at(source, n)))
			}
		}
		c.expect(true, "")
	}
}

// within reports whether a time was in the last moments before a kill, or during one.
func within(killed []span, at time.Time) bool {
	return slices.ContainsFunc(killed, func(k span) bool {
		return !at.Before(k.from.Add(-unwritten)) && !at.After(k.to)
	})
}

// allRuns reads the list of all runs.
func (c *checker) allRuns() (list []runView) {
	for cursor := ""; ; {
		var page struct {
			Runs []runView
			Next *string
		}
		if err := c.gateway.get("/api/v1/runs?limit=100"+cursor, &page); err != nil {
			c.expect(false, "the list of runs: %v", err)
			return list
		}
		list = append(list, page.Runs...)
		if page.Next == nil {
			return list
		}
		cursor = "&cursor=" + *page.Next
	}
}

// checkAll looks at the list of all runs, and at the events of all that were lost.
func (c *checker) checkAll() {
	list := c.allRuns()
	listed := map[string]int{}
	for _, r := range list {
		listed[r.ID]++
		c.expect(listed[r.ID] == 1, "the list of runs has %s %d times", r.ID, listed[r.ID])
	}
	told := c.lostEvents()
	c.mu.Lock()
	runs := c.runs
	c.mu.Unlock()
	lost := 0
	for id, k := range runs {
		c.expect(listed[id] == 1, "the list of runs has %s %d times, want once", id, listed[id])
		if k.found == "lost" {
			lost++
			c.expect(told[id] == 1, "the events tell %d times that run %s is lost, want once", told[id], id)
		} else {
			c.expect(told[id] == 0, "the events tell that run %s is lost, but it is %s", id, k.found)
		}
	}
	fmt.Printf("%d runs, %d of them lost; %d in the list\n", len(runs), lost, len(list))
}

// lostEvents returns how often the events tell of each run that it is lost.
func (c *checker) lostEvents() map[string]int {
	told := map[string]int{}
	for cursor := ""; ; {
		var page struct {
			Events []struct {
				Run  string
				Data struct{ Status string }
			}
			Next *string
		}
		if err := c.gateway.get("/api/v1/events?kind=run&limit=1000"+cursor, &page); err != nil {
			c.expect(false, "the events: %v", err)
			return told
		}
		for _, e := range page.Events {
			if e.Data.Status == "lost" {
				told[e.Run]++
			}
		}
		if page.Next == nil {
			return told
		}
		cursor = "&cursor=" + *page.Next
	}
}

// report prints what was found.
func (c *checker) report() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.failures[:min(50, len(c.failures))] {
		fmt.Println("FAILED:", f)
	}
	if len(c.failures) > 0 {
		return fmt.Errorf("%d of %d checks failed", len(c.failures), c.checks)
	}
	fmt.Printf("%d starts, %d checks: all as it has to be\n", c.starts, c.checks)
	return nil
}
