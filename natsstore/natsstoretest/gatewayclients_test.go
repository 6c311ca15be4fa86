package natsstoretest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// quiet is how long a client waits for anything, before it connects again: longer than between two heartbeats.
	quiet = 20 * time.Second
	// followsFor is how long a client follows a run.
	followsFor = 3 * time.Minute
)

// reader is a client that watches one thing, as EventSource of browsers does.
type reader struct {
	log    *recorder
	client *http.Client // makes a connection for each request
	by     string
	url    string
	is     record // has Name, and Run of a run

	last  string        // the id of the last event
	retry time.Duration // before the next connection
}

// watch gets events until ctx ends, or the end of the run. It returns the status of that run, empty if it was not heard.
func (r *reader) watch(ctx context.Context) (status string) {
	opened := r.is
	opened.What, opened.By = isOpened, r.by
	r.log.add(opened)
	r.retry = 3 * time.Second
	left := opened
	left.What = isLeft
	defer func() { r.log.add(left) }()
	for {
		code, ended := r.connect(ctx)
		if ended != "" {
			status = ended
		}
		if ctx.Err() != nil {
			left.Code = 0
			return status
		}
		switch left.Code = code; code {
		case 0, http.StatusOK, http.StatusBadGateway, http.StatusServiceUnavailable:
		default:
			return status
		}
		if status != "" && part(r.last+r.by, 5) > 0 { // a fifth asks again, as browsers do
			left.Code = 0
			return status
		}
		if !wait(ctx, r.retry) {
			left.Code = 0
			return status
		}
	}
}

// connect reads one stream. It returns the status of the answer, 0 if there is none, and that of a run which has ended.
func (r *reader) connect(ctx context.Context) (code int, ended string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silence := time.AfterFunc(quiet, cancel)
	defer silence.Stop()
	request, err := http.NewRequestWithContext(ctx, "GET", r.url, nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if r.last != "" {
		request.Header.Set("Last-Event-ID", r.last)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, ""
	}
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	var id, name, data string
	for lines.Scan() {
		silence.Reset(quiet)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data += value
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				r.retry = time.Duration(ms) * time.Millisecond
			}
		case "":
			if data == "" && name == "" { // a heartbeat, or an id alone
				continue
			}
			if id != "" {
				r.last = id
			}
			if name == "" {
				ended = r.event(data)
			}
			name, data = "", ""
		}
	}
	return http.StatusOK, ended
}

// event puts one into the log, and returns the status of a run that has ended.
func (r *reader) event(data string) string {
	var is struct {
		Key, Name, ID, Job, Status string
		Value                      any
	}
	if json.Unmarshal([]byte(data), &is) != nil {
		return ""
	}
	run, n, _ := strings.Cut(r.last, "-")
	e := record{What: isEvent, By: r.by, Name: r.is.Name, Run: run}
	e.N, _ = strconv.ParseUint(n, 10, 64)
	if r.is.Run != "" {
		e.Status = is.Status
	} else if strings.HasPrefix(is.Key, "source/") {
		value, _ := is.Value.(float64)
		e.Name, e.Value = is.Name, int(value)%fires
	} else {
		return "" // of the configuration, or that alerts have changed
	}
	r.log.add(e)
	if n == "end" {
		return is.Status
	}
	return ""
}

// pair is two clients of which one starts runs, and both follow them.
type pair struct {
	f     *chaosFleet
	n     int
	jobs  []string // which it starts
	dice  *rand.Rand
	count int
}

// work starts one run after the other until ctx ends.
func (p *pair) work(ctx context.Context) {
	for wait(ctx, time.Duration(1000+p.dice.IntN(10000))*time.Millisecond) {
		job := p.jobs[p.dice.IntN(len(p.jobs))]
		p.count++
		key := fmt.Sprintf("k%d-%d", p.n, p.count)
		run := p.start(ctx, job, key)
		if run == "" {
			continue
		}
		within, cancel := context.WithTimeout(ctx, followsFor)
		var both sync.WaitGroup
		for i := range 2 {
			r := p.f.reader(2*p.n+i, "/api/v1/runs/"+run+"/events", record{Name: job, Run: run})
			both.Go(func() { r.watch(within) })
		}
		both.Wait()
		cancel()
		p.f.ends.expect(job, run)
	}
}

// start asks for a start until it is answered for good, and returns the run. Some starts are asked for twice, at different
// gateways.
func (p *pair) start(ctx context.Context, job, key string) (run string) {
	again := p.dice.IntN(4) == 0
	for try := range 6 {
		base, by := p.f.balancer.url(), ""
		if place := p.dice.IntN(2 * len(p.f.places)); place < len(p.f.places) { // half of them past the balancer
			if addr := p.f.healthy(place); addr != "" {
				base, by = "http://"+addr, placeName(place)
			}
		}
		code, got := p.ask(ctx, base, by, job, key)
		if ctx.Err() != nil {
			return run
		}
		if got != "" {
			run = got
		}
		switch {
		case code == http.StatusAccepted && !again, code >= 400 && code < 500:
			return run
		case code == http.StatusAccepted:
			again = false
		case try == 5, !wait(ctx, time.Duration(500+p.dice.IntN(1500))*time.Millisecond):
			return run
		}
	}
	return run
}

// ask asks for one start.
func (p *pair) ask(ctx context.Context, base, by, job, key string) (code int, run string) {
	id := p.f.log.id()
	p.f.log.add(record{What: isAsked, ID: id, By: by, Name: job, Key: key})
	answered := record{What: isAnswered, ID: id}
	defer func() { p.f.log.add(answered) }()
	body := "{}"
	if p.f.takesArgument(job) {
		body = `{"args": {"n": "` + key + `"}}`
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, "POST", base+"/api/v1/jobs/"+url.PathEscape(job)+"/runs", strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	answer, err := p.f.client.Do(request)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	var is struct{ ID string }
	if answer.StatusCode == http.StatusAccepted {
		if json.NewDecoder(answer.Body).Decode(&is) != nil {
			return 0, "" // broken off
		}
	}
	answered.Code, answered.Run = answer.StatusCode, is.ID
	return answered.Code, answered.Run
}

// ends asks all gateways how runs have ended.
type ends struct {
	f *chaosFleet

	mu   sync.Mutex // guards all below
	open []*expected
}

// expected is a run about which gateways are asked.
type expected struct {
	job, run string
	since    time.Time
	told     [3]bool
}

// expect has all gateways asked about a run that should be over soon.
func (e *ends) expect(job, run string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.open = append(e.open, &expected{job: job, run: run, since: time.Now()})
}

// work asks until ctx ends.
func (e *ends) work(ctx context.Context) {
	for wait(ctx, time.Second) {
		e.mu.Lock()
		all := e.open
		e.open = nil
		e.mu.Unlock()
		var left []*expected
		for _, x := range all {
			for place := range x.told {
				if !x.told[place] && ctx.Err() == nil {
					x.told[place] = e.ask(ctx, x, place)
				}
			}
			if x.told != [3]bool{true, true, true} {
				left = append(left, x)
			}
		}
		e.mu.Lock()
		e.open = append(e.open, left...)
		e.mu.Unlock()
	}
}

// ask asks one gateway about a run, and reports whether that need not be done again.
func (e *ends) ask(ctx context.Context, x *expected, place int) bool {
	addr := e.f.healthy(place)
	if addr == "" {
		return false
	}
	var run map[string]any
	code := e.f.get(ctx, addr, "/api/v1/runs/"+x.run, &run)
	by := placeName(place)
	switch {
	case code == http.StatusNotFound || code == http.StatusGone:
		if time.Since(x.since) < 10*time.Second {
			return false
		}
		e.f.log.add(record{What: isMissing, By: by, Name: x.job, Run: x.run})
		return true
	case code != http.StatusOK || run["finished_at"] == nil:
		return false
	}
	status, _ := run["status"].(string)
	all, _ := json.Marshal(run)
	e.f.log.add(record{What: isEnd, By: by, Name: x.job, Run: x.run, Status: status, Text: string(all)})
	return true
}
