package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/sse/ssetest"
)

// reindex is a job that asks an upstream.
func reindex(u *upstream, http string) string {
	return fmt.Sprintf(`
upstreams: {search: {http: %q, bearer: top-secret}}
jobs:
  scan:
    http: {upstream: search, %s}
    args: {index: {}, shards: {type: int, default: 2}}
`, u.URL+"/base", http)
}

func TestARequestIsMadeOfItsArguments(t *testing.T) {
	u := newUpstream(t, "")
	var got string
	u.does(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), r.Header.Get("X-Index"), body)
		io.WriteString(w, `{"took": 3}`)
	})
	s := start(t, reindex(u, `method: PUT, path: "/i/{index}", query: {shards: "{shards}", q: "a {index}"}, headers: {X-Index: "{index}"}, body: '{"index": "{index}", "shards": {shards}}'`))
	run := s.ended(s.json(202, "POST", runs, `{"args":{"index":"a/b?c=\"d\" #{shards}"}}`)["id"].(string))
	want := `PUT /base/i/a%2Fb%3Fc=%22d%22%20%23%7Bshards%7D?q=a+a%2Fb%3Fc%3D%22d%22+%23%7Bshards%7D&shards=2 Bearer top-secret a/b?c="d" #{shards} {"index": "a/b?c=\"d\" #{shards}", "shards": 2}`
	if alternative := strings.Replace(want, "?q=a+a%2Fb%3Fc%3D%22d%22+%23%7Bshards%7D&shards=2", "?shards=2&q=a+a%2Fb%3Fc%3D%22d%22+%23%7Bshards%7D", 1); got != want && got != alternative {
		t.Errorf("the upstream got\n%s, want\n%s", got, want)
	}
	if run["status"] != "succeeded" || !reflect.DeepEqual(run["result"], object{"took": 3.0}) || !contains(run["output"].(string), ": 200 OK") {
		t.Errorf("the run ended as %v, want success with the answer as result and the request in its output", run)
	}
	if contains(fmt.Sprint(run), "top-secret") {
		t.Errorf("the run shows the upstream's credential: %v", run)
	}
	for _, index := range []string{"..", ".", "%2e%2e"} {
		status, _, body := s.do("POST", runs, `{"args":{"index":"`+index+`"}}`)
		if want := map[bool]int{true: 422, false: 202}[index[0] == '.']; status != want {
			t.Errorf("index %q = %d, want %d: %s", index, status, want, body)
		} else if status == 202 {
			s.ended(decode(t, []byte(body))["id"].(string))
			if !contains(got, "/base/i/%252e%252e?") {
				t.Errorf("the upstream got %s, want the percent signs escaped", got)
			}
		}
	}
}

func TestARequestThatIsRefusedFailsItsRun(t *testing.T) {
	u := newUpstream(t, "")
	u.does(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such index", http.StatusConflict) })
	s := start(t, reindex(u, `path: "/i/{index}"`))
	run := s.ended(s.json(202, "POST", runs, `{"args":{"index":"x"}}`)["id"].(string))
	if run["status"] != "failed" || !strings.HasSuffix(run["error"].(string), ": 409 Conflict: no such index") || !contains(run["output"].(string), "no such index") {
		t.Errorf("the run ended as %v, want failed with the status and the answer in its output", run)
	}
}

func TestARequestThatSucceedsWithAStatusOfItsOwn(t *testing.T) {
	u := newUpstream(t, "")
	status := 503
	u.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); io.WriteString(w, `{"n": 7}`) })
	s := start(t, reindex(u, `path: "/i/{index}", accept: [503, 409], query: {id: [1, 2, "{shards}"]}`))
	run := s.ended(s.json(202, "POST", runs, `{"args":{"index":"x"}}`)["id"].(string))
	if run["status"] != "succeeded" || !reflect.DeepEqual(run["result"], object{"n": 7.0}) {
		t.Errorf("the run ended as %v, want success with the answer as its result", run)
	}
	status = 200
	run = s.ended(s.json(202, "POST", runs, `{"args":{"index":"x"}}`)["id"].(string))
	if run["status"] != "failed" || !strings.HasSuffix(run["error"].(string), `: 200 OK: {"n": 7}`) {
		t.Errorf("the run ended as %v, want failed: 200 is not accepted", run)
	}
}

// An answer of at most 64 KiB is the result of its run; of a larger one the beginning is output.
func TestALargeAnswerIsNoResult(t *testing.T) {
	u := newUpstream(t, "")
	u.does(func(w http.ResponseWriter, r *http.Request) {
		n := 64<<10 - 2 // without the quotes
		if r.URL.Path == "/base/i/large" {
			n++
		}
		fmt.Fprintf(w, "%q", strings.Repeat("x", n))
	})
	s := start(t, reindex(u, `path: "/i/{index}"`))
	for index, isResult := range map[string]bool{"small": true, "large": false} {
		run := s.ended(of(s.json(202, "POST", runs, `{"args":{"index":"`+index+`"}}`), "id"))
		output := of(run, "output")
		if run["status"] != "succeeded" || (run["result"] != nil) != isResult || contains(output, "xxx") == isResult || len(output) > 16<<10 {
			t.Errorf("the run of a %s answer ended as %v with %d bytes of output and a result: %t, want %t", index, run["status"], len(output), run["result"] != nil, isResult)
		}
	}
}

func TestAnOperationIsFollowed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []string // of the monitor: a status code and a body
		status  string
		check   func(run object) bool
	}{
		"azure": {[]string{
			`200 {"status": "NotStarted"}`, `503 `, `200 {"status": "Running", "percentComplete": 40}`, `200 {"status": "Succeeded", "percentComplete": 100, "properties": {"n": 7}}`,
		}, "succeeded", func(run object) bool { return reflect.DeepEqual(run["result"], object{"n": 7.0}) }},
		"azure fails": {[]string{`200 {"status": "Failed", "error": {"code": "NoSpace", "message": "the disk is full"}}`}, "failed",
			func(run object) bool { return run["error"] == "the operation failed: NoSpace: the disk is full" }},
		"fields of other types": {[]string{
			`200 {"status": "Running", "percentComplete": "50", "stage": 2}`,
			"200 \xef\xbb\xbf" + `{"status": "Failed", "message": {"text": "no"}, "error": {"code": 5, "message": "the disk is full"}}`,
		}, "failed", func(run object) bool { return run["error"] == "the operation failed: the disk is full" }},
		"cancelled there": {[]string{`200 {"status": "Canceled"}`}, "failed", func(run object) bool { return run["error"] == "the operation canceled" }},
		"location alone":  {[]string{`202 `, `200 {"n": 8}`}, "succeeded", func(run object) bool { return reflect.DeepEqual(run["result"], object{"n": 8.0}) }},
		"it vanishes":     {[]string{`404 gone`}, "failed", func(run object) bool { return contains(run["error"].(string), "404 Not Found") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, "")
			var looks atomic.Int32
			more, credential := "", "Bearer top-secret"
			if name == "cancelled there" { // the job has a credential of its own
				more, credential = "headers: {Authorization: Bearer of-the-job, If-Match: x}, ", "Bearer of-the-job"
			}
			u.does(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "0")
				if r.Method == "POST" {
					header := "Operation-Location"
					if name == "location alone" {
						header = "Location"
					}
					w.Header().Set(header, "/operations/1")
					w.WriteHeader(202)
					return
				}
				if r.URL.Path != "/operations/1" || r.Header.Get("Authorization") != credential || r.Header.Get("If-Match") != "" {
					t.Errorf("the monitor got %s %s", r.URL, r.Header)
				}
				answer := c.answers[min(int(looks.Add(1)), len(c.answers))-1]
				var code int
				fmt.Sscan(answer, &code)
				w.WriteHeader(code)
				io.WriteString(w, answer[4:])
			})
			s := start(t, reindex(u, more+`path: "/i/{index}", follow: operation-location`))
			run := s.ended(s.json(202, "POST", runs, `{"args":{"index":"x"}}`)["id"].(string))
			if run["status"] != c.status || !c.check(run) {
				t.Errorf("the run ended as %v, want %s", run, c.status)
			}
			if int(looks.Load()) != len(c.answers) {
				t.Errorf("the monitor was asked %d times, want %d", looks.Load(), len(c.answers))
			}
		})
	}
}

func TestAnOperationElsewhereIsNotFollowed(t *testing.T) {
	other := newUpstream(t, `{"status": "Succeeded"}`)
	u := newUpstream(t, "")
	s := start(t, reindex(u, `path: "/i/{index}", follow: operation-location`))
	for _, place := range []string{other.URL, strings.Replace(u.URL, "http:", "https:", 1), strings.Replace(u.URL, "127.0.0.1", "localhost", 1)} {
		u.does(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Operation-Location", place+"/steal")
			w.WriteHeader(202)
		})
		before := u.count()
		run := s.ended(s.json(202, "POST", runs, `{"args":{"index":"x"}}`)["id"].(string))
		if run["status"] != "failed" || !contains(fmt.Sprint(run["error"]), "at another place") {
			t.Errorf("the run whose operation is at %s ended as %v, want failed for that", place, run)
		}
		if other.count() != 0 || u.count() != before+1 {
			t.Errorf("%d requests were made to another place, and %d to the upstream, want none and the first", other.count(), u.count()-before)
		}
	}
}

// An operation's server says how often it is to be asked, within bounds: one that says "at once" is asked twice a
// second, one that says "tomorrow" once a minute.
func TestAnOperationIsAskedAtAPaceWithinBounds(t *testing.T) {
	for _, tt := range []struct {
		after string // Retry-After of each answer
		pause time.Duration
	}{
		{"0", 500 * time.Millisecond},
		{"", 2 * time.Second},
		{"5", 5 * time.Second},
		{"86400", time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			const want = 10
			within := want*tt.pause + tt.pause/2
			begun := time.Now()
			var mu sync.Mutex
			var looks []time.Duration
			server := ssetest.NewServer(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				if r.Method == "POST" {
					w.Header().Set("Operation-Location", "/operations/1")
					w.WriteHeader(202)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				looks = append(looks, time.Since(begun))
				io.WriteString(w, `{"status": "Running"}`)
			}))
			b := newBubble(t, load(t, fmt.Sprintf(`
upstreams: {search: {http: http://search.example}}
jobs: {scan: {http: {upstream: search, path: /, method: POST, follow: operation-location}, timeout: %v}}
`, within)), io.Discard, server.Client.Transport)
			if w := b.do("POST", runs, "{}"); w.Code != 202 {
				t.Fatalf("the start = %d %s", w.Code, w.Body)
			}
			time.Sleep(within + time.Second)
			mu.Lock()
			defer mu.Unlock()
			if len(looks) != want {
				t.Fatalf("with Retry-After %q it was asked %d times in %v, want %d", tt.after, len(looks), within, want)
			}
			for i, at := range looks {
				if want := time.Duration(i+1) * tt.pause; at != want {
					t.Errorf("with Retry-After %q look %d was after %v, want %v", tt.after, i+1, at, want)
				}
			}
		})
	}
}

// A job of one gateway follows the run of another one, which sees neither more nor less
// than from anybody else.
func TestAJobFollowsTheRunOfAnotherGateway(t *testing.T) {
	t.Parallel()
	script := newScript(t)
	far := start(t, script.scan())
	near := start(t, fmt.Sprintf(`
upstreams: {far: {http: %q}}
jobs:
  scan: {http: {upstream: far, path: %s, body: '{}', follow: operation-location}}
`, far.url, runs))
	id := near.json(202, "POST", runs, "{}")["id"].(string)
	p := script.Begun()
	p.Print("40% 12 found")
	near.await("progress", func(v object) bool {
		return v["key"] == "job/scan" && v["percent"] == 40.0 && v["message"] == "12 found"
	})
	p.Print(`::result {"found": 14}`)
	p.Exit(0)
	run := near.ended(id)
	if run["status"] != "succeeded" || !reflect.DeepEqual(run["result"], object{"found": 14.0}) {
		t.Errorf("the run ended as %v, want success with the result of the other gateway", run)
	}

	id = near.json(202, "POST", runs, "{}")["id"].(string)
	p = script.Begun()
	near.json(202, "POST", "/api/v1/runs/"+id+"/cancel", "")
	if run := near.ended(id); run["status"] != "cancelled" {
		t.Errorf("a cancelled run ended as %v", run)
	}
	p.Exit(0) // it is still there: to stop following ends nothing elsewhere
}

func TestRequestsOfJobsShareTheLimitOfTheirUpstream(t *testing.T) {
	u := newUpstream(t, `1`)
	s := start(t, fmt.Sprintf(`
upstreams: {search: {http: %q, limit: 1/h}}
sources: {a: {http: {upstream: search, path: /a}}}
jobs: {scan: {http: {upstream: search, path: /b}, timeout: 200ms}}
`, u.URL))
	s.source("a", "ok")
	run := s.ended(s.json(202, "POST", runs, `{}`)["id"].(string))
	if run["status"] != "timed_out" || u.count() != 1 || !contains(of(run, "output"), "/b: not sent: the limits of upstream search allowed no request") {
		t.Errorf("the run ended as %v after %d requests, want timed_out while the source has used up the limit, and that it says so", run, u.count())
	}
}
