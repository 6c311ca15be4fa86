//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// area is how many sources with an alert have the same upstream.
const area = 6

// settled is how long the last messages may take: the backoff of a receiver that has refused some is in it.
const settled = 30 * time.Second

// An outage is sources whose values make their alerts fire and be resolved all the time, and receivers that are told of
// that and of jobs which fail. One of these refuses messages now and then, and both are slow to say that they have one.
type outage struct {
	alarms, failing int // sources and jobs
	upstream        *httptest.Server
	receiver        *httptest.Server

	mu      sync.Mutex                   // guards the fields below
	levels  []level                      // by alarm
	told    map[string]map[string][]told // by receiver and key of the alert
	refused time.Time                    // until then one receiver refuses
	calm    bool                         // no alarm is high, and nothing is refused
}

// A level is what the upstream answers of one alarm.
type level struct {
	high bool
	next time.Time // when it changes
	was  []answer
}

// An answer is one that the upstream gave.
type answer struct {
	at   time.Time
	high bool
}

// receivers are the names of those that are told.
var receivers = []string{"pager", "team"}

func startOutage(alarms, failing int) *outage {
	o := &outage{alarms: alarms, failing: failing, levels: make([]level, alarms), told: map[string]map[string][]told{}}
	for _, to := range receivers {
		o.told[to] = map[string][]told{}
	}
	o.upstream = httptest.NewServer(http.HandlerFunc(o.answer))
	o.receiver = httptest.NewServer(http.HandlerFunc(o.receive))
	return o
}

func (o *outage) close() {
	o.upstream.Close()
	o.receiver.Close()
}

// upstreams, sources, jobs and notify are parts of the configuration.

func (o *outage) upstreams() string {
	var b strings.Builder
	for i := 0; i < o.alarms; i += area {
		fmt.Fprintf(&b, "  area%d: {http: %q}\n", i/area, o.upstream.URL)
	}
	return b.String()
}

func (o *outage) sources() string {
	var b strings.Builder
	for i := range o.alarms {
		fmt.Fprintf(&b, "  a%d: {http: {upstream: area%d, path: /%[1]d}, every: 200ms, alert: {if: . > 50, notify: [pager, team]}}\n", i, i/area)
	}
	return b.String()
}

func (o *outage) jobs(dir string) (string, error) {
	var b strings.Builder
	script := filepath.Join(dir, "fail.sh")
	for i := range o.failing {
		fmt.Fprintf(&b, "  f%d: {exec: [sh, %q, \"{seconds}\", \"{code}\"], on_busy: queue, queue: 10, keep: {runs: 1000}, "+
			"args: {seconds: {type: number}, code: {type: int}}, alert: {notify: [pager, team]}}\n", i, script)
	}
	return b.String(), os.WriteFile(script, []byte("sleep $1; exit $2\n"), 0o600)
}

func (o *outage) notify() string {
	return fmt.Sprintf("notify:\n  pager: {http: %q, group_wait: 100ms}\n  team: {http: %q, group_wait: 300ms}\n",
		o.receiver.URL+"/pager", o.receiver.URL+"/team")
}

// answer is the upstream's.
func (o *outage) answer(w http.ResponseWriter, r *http.Request) {
	var i int
	if _, err := fmt.Sscanf(r.URL.Path, "/%d", &i); err != nil || i < 0 || i >= o.alarms {
		http.NotFound(w, r)
		return
	}
	o.mu.Lock()
	now, l := time.Now(), &o.levels[i]
	if l.next.Before(now) {
		l.high = !l.high
		l.next = now.Add(150*time.Millisecond + time.Duration(rand.ExpFloat64()*float64(1500*time.Millisecond)))
	}
	high := l.high && !o.calm
	l.was = append(l.was, answer{now, high})
	o.mu.Unlock()
	fmt.Fprint(w, map[bool]int{true: 90, false: 20}[high])
}

// receive takes a message for a receiver, and then takes its time to answer: a kill meanwhile leaves the gateway in doubt.
func (o *outage) receive(w http.ResponseWriter, r *http.Request) {
	to := r.URL.Path[1:]
	var m struct {
		ID, State, Again string
		Count            int
		Alerts           []struct {
			Key, State string
			Earlier    int
		}
	}
	err := json.NewDecoder(r.Body).Decode(&m)
	o.mu.Lock()
	now := time.Now()
	if !o.calm && now.After(o.refused.Add(3*time.Second)) && rand.IntN(10) == 0 {
		o.refused = now.Add(rand.N(2 * time.Second))
	}
	refuses := to == "team" && !o.calm && now.Before(o.refused)
	if !refuses {
		all := o.told[to]
		if err != nil || all == nil || m.Count != len(m.Alerts) || m.Count == 0 {
			m.ID, m.Alerts = "", append(m.Alerts, struct {
				Key, State string
				Earlier    int
			}{Key: fmt.Sprintf("a message of %d to %s: %v", m.Count, to, err)})
		}
		for _, a := range m.Alerts {
			all[a.Key] = append(all[a.Key], told{now, m.ID, a.State, m.Again, a.Earlier})
		}
	}
	o.mu.Unlock()
	if refuses {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	time.Sleep(rand.N(60 * time.Millisecond))
}

// accountOf says how often the alert of a source has fired, given when the gateway was killed. A value of the last moments
// before a kill may have been seen or not. One more or less never makes fewer times of more values: so what is certain is
// the least, and all together the most.
func (o *outage) accountOf(i int, killed []span) account {
	o.mu.Lock()
	defer o.mu.Unlock()
	var certain, all []bool
	for _, a := range o.levels[i].was {
		all = append(all, a.high)
		if !within(killed, a.at) {
			certain = append(certain, a.high)
		}
	}
	return account{fires(certain), fires(all), true}
}

// checkTold brings everything to rest, and judges what the receivers were told.
func (c *checker) checkTold() {
	o := c.outage
	o.mu.Lock()
	o.calm = true
	o.mu.Unlock()
	for i := range o.failing {
		c.runOnce(context.Background(), fmt.Sprint("f", i), `"seconds":0,"code":0`)
	}
	c.awaitRest()

	c.mu.Lock()
	killed := slices.Clone(c.killed)
	c.mu.Unlock()
	truth := map[string]account{}
	for i := range o.alarms {
		truth[fmt.Sprint("source/a", i)] = o.accountOf(i, killed)
	}
	ends := c.allRuns()
	slices.SortFunc(ends, func(a, b runView) int { return a.Finished.Compare(b.Finished) })
	for i := range o.failing {
		var bad []bool
		for _, run := range ends {
			if run.Job == fmt.Sprint("f", i) {
				bad = append(bad, run.Status != "succeeded")
			}
		}
		truth[fmt.Sprint("job/f", i)] = account{fires(bad), fires(bad), true}
	}

	o.mu.Lock()
	defer o.mu.Unlock()
	messages, times := 0, 0
	for _, to := range receivers {
		for key := range o.told[to] {
			_, known := truth[key]
			c.expect(known, "%s was told of %s, which has no alert", to, key)
		}
		for key, fired := range truth {
			messages += len(o.told[to][key])
			times += fired.least
			wrong := judge(o.told[to][key], fired)
			c.expect(len(wrong) == 0, "%s of %s: %s", to, key, strings.Join(wrong, "; "))
		}
	}
	fmt.Printf("alerts fired %d times at least; receivers were told %d times of firing and resolved\n", times/len(receivers), messages)
}

// awaitRest waits until no alert fires and no message waits.
func (c *checker) awaitRest() {
	var now struct {
		Alerts    []struct{ Key, State string }
		Receivers []struct {
			Name    string
			Waiting int
		}
	}
	for late := time.Now().Add(settled); ; time.Sleep(50 * time.Millisecond) {
		err := c.gateway.get("/api/v1/alerts", &now)
		waiting := 0
		for _, r := range now.Receivers {
			waiting += r.Waiting
		}
		if err == nil && len(now.Alerts) == 0 && waiting == 0 && len(now.Receivers) == len(receivers) {
			return
		}
		if time.Now().After(late) {
			c.expect(false, "there is no rest within %v: %v %+v", settled, err, now)
			return
		}
	}
}
