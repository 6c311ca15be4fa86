package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
	"github.com/tidewire/tidewire/sse"
)

// policy is a configuration with a job that runs the script, and has those keys too.
func (s *script) policy(keys string) string {
	return "jobs:\n  scan: {exec: " + s.Argv("{n}") + ", args: {n: {type: int, default: 0}}, " + keys + "}\n"
}

// trigger starts the job scan and returns the answer, which must have the given status.
func (s *server) trigger(want, n int, header ...string) object {
	s.t.Helper()
	return s.json(want, "POST", runs, fmt.Sprintf(`{"args":{"n":%d}}`, n), header...)
}

// of is a member of a run that is a text.
func of(run object, name string) string { text, _ := run[name].(string); return text }

// runNow awaits a state of a run.
func (s *server) runNow(id, status string) (run object) {
	s.t.Helper()
	s.events("/api/v1/runs/"+id+"/events", "", func(ev sse.Event) bool {
		run = decode(s.t, ev.Data)
		return run["status"] != status
	})
	if run["status"] != status {
		s.t.Fatalf("run %s is %v, want %s", id, run, status)
	}
	return run
}

// However many wait, a start costs the same, and all of them can be looked at.
func TestASnapshotOfAJobHasTheFirstOfItsQueue(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: queue, queue: 1000"))
	s.trigger(202, 0)
	p := script.Begun()
	before := 0
	for n := 1; n <= 30; n++ {
		s.trigger(202, n)
		_, _, body := s.do("GET", "/api/v1/stream?jobs=scan", "", "Accept", "application/json")
		if n == 15 {
			before = len(body)
		}
		if n == 30 && len(body) > before+20 {
			t.Errorf("with 30 waiting runs a snapshot has %d bytes, with 15 %d", len(body), before)
		}
	}
	job := s.json(200, "GET", "/api/v1/jobs/scan", "")
	all := s.json(200, "GET", "/api/v1/jobs/scan/queue", "")["queue"].([]any)
	if shown := job["queue"].([]any); len(shown) != 10 || job["queued"] != 30.0 || len(all) != 30 || fmt.Sprint(shown) != fmt.Sprint(all[:10]) {
		t.Errorf("the job shows %d of %v waiting runs, its queue %d, want 10 of 30, and 30", len(shown), job["queued"], len(all))
	}
	s.json(404, "GET", "/api/v1/jobs/none/queue", "")
	p.Exit(0)
}

func TestQueuedRunsTakeTheirTurns(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: queue, queue: 2"))
	first := s.trigger(202, 1)
	p := script.Begun()
	second, third := s.trigger(202, 1), s.trigger(202, 2) // equal arguments do not share a run that has begun
	joined := s.trigger(202, 2)
	if second["status"] != "queued" || second["position"] != 1.0 || third["position"] != 2.0 || second["id"] == first["id"] {
		t.Errorf("two more starts = %v and %v, want runs queued at 1 and 2", second, third)
	}
	if joined["id"] != third["id"] || joined["coalesced"] != true || joined["requests"] != 2.0 {
		t.Errorf("a start equal to one that waits = %v, want to join it", joined)
	}
	status, header, body := s.do("POST", runs, `{"args":{"n":3}}`)
	full := decode(t, []byte(body))
	if status != 429 || header.Get("Retry-After") == "" || fmt.Sprint(full["retry_after"]) != header.Get("Retry-After") || !strings.HasSuffix(of(full, "type"), "/problems/queue-full") {
		t.Errorf("a start with a full queue = %d %s, Retry-After %q, want 429 queue-full", status, body, header.Get("Retry-After"))
	}
	job := s.json(200, "GET", "/api/v1/jobs/scan", "")
	var queue []string
	for _, w := range job["queue"].([]any) {
		queue = append(queue, of(w.(object), "id"))
	}
	if want := []string{of(second, "id"), of(third, "id")}; !slices.Equal(queue, want) || job["last_run"].(object)["id"] != first["id"] {
		t.Errorf("the job shows %v with the queue %v, want %v first and %v", job, queue, first["id"], want)
	}

	if got := s.json(202, "POST", "/api/v1/runs/"+of(second, "id")+"/cancel", ""); got["id"] != second["id"] {
		t.Errorf("cancel of a queued run = %v", got)
	}
	if run := s.ended(of(second, "id")); run["status"] != "cancelled" || run["started_at"] != nil {
		t.Errorf("a queued run that was cancelled ended as %v, want cancelled and never begun", run)
	}
	if got := s.json(200, "GET", "/api/v1/runs/"+of(third, "id"), ""); got["position"] != 1.0 {
		t.Errorf("the run behind it has position %v, want 1", got["position"])
	}
	p.Exit(0)
	s.ended(of(first, "id"))
	p = script.Begun()
	if p.Args != `["2"]` {
		t.Errorf("the next command got %s, want the arguments of the run that waited", p.Args)
	}
	p.Exit(0)
	if run := s.ended(of(third, "id")); run["status"] != "succeeded" {
		t.Errorf("the run that waited ended as %v", run)
	}
}

func TestBusyJobsReject(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: reject"))
	first := s.trigger(202, 1)
	p := script.Begun()
	busy := s.trigger(409, 1)
	if busy["run"] != first["id"] || !strings.HasSuffix(of(busy, "type"), "/problems/job-busy") {
		t.Errorf("an equal start = %v, want the problem job-busy with the run %v", busy, first["id"])
	}
	p.Exit(0)
	s.ended(of(first, "id"))
	second := s.trigger(202, 1)
	script.Begun().Exit(0)
	s.ended(of(second, "id"))
}

func TestARunThatIsBeingCancelledIsNotJoined(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: join"))
	first := s.trigger(202, 1)
	p := script.Begun()
	p.Stubborn()
	s.json(202, "POST", "/api/v1/runs/"+of(first, "id")+"/cancel", "")
	if busy := s.trigger(409, 1); !contains(of(busy, "detail"), "being cancelled") {
		t.Errorf("an equal start meanwhile = %v, want 409 that says so", busy)
	}
	p.Exit(0)
	s.ended(of(first, "id"))
}

func TestANewerStartReplacesTheRun(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: replace"))
	first := s.trigger(202, 1)
	p := script.Begun()
	p.Stubborn()
	second := s.trigger(202, 2)
	if second["status"] != "queued" {
		t.Errorf("the newer run = %v, want queued until the older has ended", second)
	}
	s.runNow(of(first, "id"), "cancelling")
	third := s.trigger(202, 3)
	if run := s.ended(of(second, "id")); run["status"] != "cancelled" || run["error"] != "replaced by a newer start" {
		t.Errorf("the run that waited ended as %v, want superseded", run)
	}
	p.Exit(0)
	if run := s.ended(of(first, "id")); run["status"] != "cancelled" {
		t.Errorf("the first run ended as %v, want cancelled", run)
	}
	p = script.Begun()
	if p.Args != `["3"]` {
		t.Errorf("the next command got %s, want that of the newest start", p.Args)
	}
	p.Exit(0)
	s.ended(of(third, "id"))
}

func TestAJobHasALimitOfStarts(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true'], limit: 2/h}}\n")
	for range 2 {
		s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
	}
	status, header, body := s.do("POST", runs, "{}")
	if p := decode(t, []byte(body)); status != 429 || !strings.HasSuffix(of(p, "type"), "/problems/limit-reached") || p["retry_after"].(float64) < 3500 || header.Get("Retry-After") == "" {
		t.Errorf("the third start = %d %s, want 429 limit-reached for nearly an hour", status, body)
	}
	if job := s.json(200, "GET", "/api/v1/jobs/scan", ""); job["available_at"] == nil {
		t.Errorf("the job = %v, want when it is available", job)
	}
}

func TestAStartThatNeverBeganCountsForNoLimit(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: queue, limit: 2/h"))
	first := s.trigger(202, 1)
	p := script.Begun()
	second := s.trigger(202, 2)
	s.trigger(429, 3)
	s.json(202, "POST", "/api/v1/runs/"+of(second, "id")+"/cancel", "")
	third := s.trigger(202, 3)
	p.Exit(0)
	s.ended(of(first, "id"))
	script.Begun().Exit(0)
	s.ended(of(third, "id"))
}

func TestJobsOfAGroupDoNotOverlap(t *testing.T) {
	one, two := newScript(t), newScript(t)
	s := start(t, fmt.Sprintf(`
jobs:
  one: {exec: %s, group: disk}
  two: {exec: %s, group: disk, on_busy: reject}
`, one.Argv(), two.Argv()))
	first := s.json(202, "POST", "/api/v1/jobs/one/runs", "{}")
	p := one.Begun()
	second := s.json(202, "POST", "/api/v1/jobs/two/runs", "{}")
	if second["status"] != "queued" || second["position"] != 1.0 {
		t.Errorf("a start while the group is busy = %v, want queued, whatever the job does while busy itself", second)
	}
	job := s.json(200, "GET", "/api/v1/jobs/two", "")
	if got := job["last_run"].(object); got["id"] != second["id"] || got["status"] != "queued" || len(job["queue"].([]any)) != 0 {
		t.Errorf("the job shows %v, want its queued run, and nobody behind it", job)
	}
	s.json(409, "POST", "/api/v1/jobs/two/runs", "{}")
	p.Exit(0)
	s.ended(of(first, "id"))
	q := two.Begun()
	q.Exit(0)
	s.ended(of(second, "id"))
}

func TestAKeyMakesAStartIdempotent(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: join"))
	first := s.trigger(202, 1, "Idempotency-Key", `"ab"`)
	p := script.Begun()
	again := s.trigger(202, 1, "Idempotency-Key", "ab")
	if again["id"] != first["id"] || again["coalesced"] != false || again["requests"] != 1.0 {
		t.Errorf("the same start again = %v, want the answer %v again", again, first)
	}
	p.Exit(0)
	s.ended(of(first, "id"))
	if over := s.trigger(202, 1, "Idempotency-Key", "ab"); over["id"] != first["id"] || over["status"] != "succeeded" {
		t.Errorf("the same start after the end = %v, want the run that has ended", over)
	}
	if bad := s.trigger(422, 2, "Idempotency-Key", "ab"); !strings.HasSuffix(of(bad, "type"), "/problems/idempotency-key-reused") || bad["run"] != first["id"] {
		t.Errorf("the key for another start = %v, want the problem idempotency-key-reused", bad)
	}
	for _, key := range []string{"", "a b", "ä", strings.Repeat("x", 256)} {
		if status, _, _ := s.do("POST", runs, "{}", "Idempotency-Key", key); status != 400 {
			t.Errorf("the key %.20q = %d, want 400", key, status)
		}
	}
	other := s.trigger(202, 1, "Idempotency-Key", "ac")
	if other["id"] == first["id"] {
		t.Errorf("another key = %v, want a run of its own", other)
	}
	script.Begun().Exit(0)
	s.ended(of(other, "id"))
}

func TestWhoWouldRatherWaitIsAnsweredWithTheEnd(t *testing.T) {
	script := newScript(t)
	s := start(t, "jobs:\n  scan: {exec: [echo, done]}\n  slow: {exec: "+script.Argv()+"}\n")
	status, header, body := s.do("POST", runs, "{}", "Prefer", "respond-async, wait=20")
	if run := decode(t, []byte(body)); status != 200 || run["status"] != "succeeded" || header.Get("Preference-Applied") != "respond-async, wait=20" || header.Get("Retry-After") != "" {
		t.Errorf("a start that waits = %d %s, %v, want 200 with the end", status, body, header)
	}
	status, header, body = s.do("POST", "/api/v1/jobs/slow/runs", "{}", "Prefer", "wait=0")
	run := decode(t, []byte(body))
	if status != 202 || run["status"] != "running" || header.Get("Preference-Applied") != "wait=0" || header.Get("Retry-After") != "1" {
		t.Errorf("a start that would have waited too long = %d %s, %v, want 202", status, body, header)
	}
	if want := s.url + "/api/v1/runs/" + of(run, "id"); header.Get("Operation-Location") != want || header.Get("Location") != want[len(s.url):] {
		t.Errorf("Operation-Location %q, Location %q, want %s", header.Get("Operation-Location"), header.Get("Location"), want)
	}
	script.Begun().Exit(0)
	s.ended(of(run, "id"))
}

func TestAFormStartsARun(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: [echo, '{n}'], args: {n: {type: int}}}}\n")
	form := []string{"Content-Type", "application/x-www-form-urlencoded", "Origin", s.url}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, _ := http.NewRequest("POST", s.url+runs, strings.NewReader("n=5"))
	req.Header.Set(form[0], form[1])
	req.Header.Set(form[2], form[3])
	req.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 303 {
		t.Fatalf("a form = %d, want 303", resp.StatusCode)
	}
	if run := s.ended(strings.TrimPrefix(resp.Header.Get("Location"), "/api/v1/runs/")); run["output"] != "5\n" {
		t.Errorf("the run of a form ended as %v, want it with the argument", run)
	}
	for _, accept := range []string{"*/*", "", "application/json"} { // curl, and other programs
		status, head, body := s.do("POST", runs, "n=6", form[0], form[1], "Accept", accept)
		if id := str(decode(t, []byte(body))["id"]); status != 202 || id == "" || head.Get("Location") != "/api/v1/runs/"+id {
			t.Errorf("a form with Accept: %s = %d %s at %q, want 202 and the run", accept, status, body, head.Get("Location"))
		} else {
			s.ended(id)
		}
	}
	for _, c := range []struct {
		body   string
		status int
		origin string
	}{
		{"n=5", 403, "https://evil.example"},
		{"n=x", 422, s.url},
		{"m=1&n=5", 422, s.url},
		{"n=5&n=6", 400, s.url},
		{"n=%zz", 400, s.url},
		{"n=" + strings.Repeat("5", 70000), 413, s.url},
	} {
		if status, _, body := s.do("POST", runs, c.body, form[0], form[1], "Origin", c.origin); status != c.status {
			t.Errorf("the form %.20q from %s = %d %s, want %d", c.body, c.origin, status, body, c.status)
		}
	}
}

// However starts, cancels and ends fall together, runs of a job never overlap, all of
// them end, and nothing is left in the line.
func TestRunsUnderStress(t *testing.T) {
	lock := filepath.Join(t.TempDir(), "lock")
	// It fails where another run of the group is at work, and nothing stops it half way.
	command := fmt.Sprintf("[sh, %q]", shell(t, "trap '' TERM; set -C; : > "+lock+" || exit 1; rm "+lock))
	s := start(t, fmt.Sprintf(`
jobs:
  a: {exec: %[1]s, group: g, on_busy: queue, queue: 3}
  b: {exec: %[1]s, group: g, on_busy: replace}
  c: {exec: %[1]s, group: g}
`, command))
	var mu sync.Mutex
	ids := map[string]bool{}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			for k := range 25 {
				status, _, body := s.do("POST", "/api/v1/jobs/"+string("abc"[(i+k)%3])+"/runs", "{}")
				run := decode(t, []byte(body))
				switch status {
				case 202:
					mu.Lock()
					ids[of(run, "id")] = true
					mu.Unlock()
				case 429, 409: // a full queue, or one that is being cancelled
				default:
					t.Errorf("a start = %d %s", status, body)
				}
				if k%7 == 3 && status == 202 {
					s.do("POST", "/api/v1/runs/"+of(run, "id")+"/cancel", "")
				}
			}
		})
	}
	all.Wait()
	for id := range ids {
		status, _, _ := s.do("GET", "/api/v1/runs/"+id, "")
		if status == 410 {
			continue // newer ones pushed it out
		}
		if run := s.ended(id); run["status"] == "failed" {
			t.Errorf("run %s ended as %v: it overlapped with another one of its group", id, run)
		}
	}
	for _, j := range s.json(200, "GET", "/api/v1/jobs", "")["jobs"].([]any) {
		if queue := j.(object)["queue"].([]any); len(queue) > 0 {
			t.Errorf("after all runs have ended %v wait", queue)
		}
	}
}

// 100 runs and as many that wait end with the gateway, children included, and each has an end.
func TestStoppingDuringManyRuns(t *testing.T) {
	script := newScript(t)
	var yaml strings.Builder
	yaml.WriteString("jobs:\n")
	const jobs = 40
	for i := range jobs {
		fmt.Fprintf(&yaml, "  j%d: {exec: [sh, -c, 'sleep 1h & sleep 1h'], on_busy: queue}\n", i)
	}
	fmt.Fprintf(&yaml, "  scan: {exec: %s}\n", script.Argv())
	s := start(t, yaml.String())
	var ids []string
	for i := range jobs {
		for range 2 {
			ids = append(ids, of(s.json(202, "POST", fmt.Sprintf("/api/v1/jobs/j%d/runs", i), "{}"), "id"))
		}
	}
	s.json(202, "POST", runs, "{}")
	p := script.Begun()
	var mu sync.Mutex
	ends := map[string]string{}
	var all sync.WaitGroup
	begun := make(chan struct{}, len(ids))
	for _, id := range ids {
		all.Go(func() {
			first := true
			s.events("/api/v1/runs/"+id+"/events", "", func(ev sse.Event) bool {
				if first {
					first = false
					begun <- struct{}{}
				}
				mu.Lock()
				defer mu.Unlock()
				ends[id] = of(decode(t, ev.Data), "status")
				return true
			})
		})
	}
	for range ids {
		<-begun
	}
	s.stop()
	all.Wait()
	p.Ended()
	for _, id := range ids {
		if ends[id] != "cancelled" {
			t.Errorf("the stream of run %s ended at %q, want cancelled", id, ends[id])
		}
	}
}

// Starts, cancels and reloads go on while the gateway stops: nothing hangs, and all streams of
// runs have an end.
func TestRunsReloadAndStopUnderStress(t *testing.T) {
	name := filepath.Join(t.TempDir(), "tidewire.yaml")
	write := func(k int) {
		policy := []string{"queue", "replace", "join", "reject"}[k%4]
		yaml := fmt.Sprintf("version: 1\njobs:\n  a: {exec: ['true'], group: g, on_busy: %s, at: '@every 1s'}\n", policy)
		if k%3 > 0 {
			yaml += "  b: {exec: [sleep, '0.01'], group: g, on_busy: queue}\n"
		}
		if err := os.WriteFile(name, []byte(yaml), 0o600); err != nil {
			t.Error(err)
		}
	}
	write(1)
	cfg, files, err := config.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	s := run(t, cfg, gateway.Options{Files: files})
	post := func(path string) (id string, ok bool) { // until the gateway is gone
		resp, err := http.Post(s.url+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			return "", false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return "", false
		}
		if resp.StatusCode >= 500 && resp.StatusCode != 503 {
			t.Errorf("POST %s = %d %s", path, resp.StatusCode, body)
		}
		return of(decode(t, body), "id"), true
	}
	var all sync.WaitGroup
	enough := make(chan struct{})
	for i := range 4 {
		all.Go(func() {
			for k := 0; ; k++ {
				id, ok := post("/api/v1/jobs/" + string("ab"[(i+k)%2]) + "/runs")
				if !ok {
					return
				}
				if id != "" && k%3 == 0 {
					post("/api/v1/runs/" + id + "/cancel")
				}
			}
		})
	}
	all.Go(func() {
		for k := 0; ; k++ {
			if k == 30 {
				close(enough)
			}
			write(k)
			if _, ok := post("/api/v1/config/reload"); !ok {
				return
			}
		}
	})
	<-enough
	s.stop()
	all.Wait()
}
