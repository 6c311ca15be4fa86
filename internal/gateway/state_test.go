package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// longPolls waits until n requests of the process wait for a change.
func longPolls(t *testing.T, n int) {
	t.Helper()
	stacks := make([]byte, 4<<20)
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		got := strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "api.(*API).serveState(")
		if got == n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests wait for a change, want %d", got, n)
		}
	}
}

// An answered is an answer that a longPoll waits for.
type answered struct {
	status int
	header http.Header
	body   string
	err    error
}

// longPoll begins a request that waits for up to a minute, and returns once it waits.
func (s *server) longPoll(ctx context.Context, path, tag string, header ...string) <-chan answered {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("If-None-Match", tag)
	req.Header.Set("Prefer", "respond-async, Wait=60; x=y")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	done := make(chan answered, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			done <- answered{err: err}
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		done <- answered{resp.StatusCode, resp.Header, string(body), err}
	}()
	longPolls(s.t, 1)
	return done
}

// get returns the answer, which must come long before the minute is over.
func (s *server) get(done <-chan answered) answered {
	s.t.Helper()
	select {
	case a := <-done:
		return a
	case <-time.After(patience):
		s.t.Fatal("the request is not answered")
		return answered{}
	}
}

// tag is the entity tag of what is at path now.
func (s *server) tag(path string, header ...string) string {
	s.t.Helper()
	status, h, body := s.do("GET", path, "", header...)
	if status != 200 || h.Get("ETag") == "" {
		s.t.Fatalf("GET %s = %d, ETag %q, want 200 and a tag:\n%s", path, status, h.Get("ETag"), body)
	}
	return h.Get("ETag")
}

const asJSON = "application/json"

func TestWhatIsUnchangedIsNotSentAgain(t *testing.T) {
	script := newScript(t)
	s := start(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n"+script.scan())
	s.source("a", "ok")
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	script.Begun()
	for _, path := range []string{
		"/api/v1/sources", "/api/v1/sources/a", "/api/v1/jobs", "/api/v1/runs/" + id, "/api/v1/runs/" + id + "/events", "/api/v1/stream",
	} {
		tag := s.tag(path, "Accept", asJSON)
		for given, want := range map[string]int{
			tag: 304, "W/" + tag: 304, `"x", ` + tag: 304, "*": 304, `"x"`: 200, strings.Trim(tag, `"`): 200, "": 200,
		} {
			status, h, body := s.do("GET", path, "", "Accept", asJSON, "If-None-Match", given)
			if status != want || h.Get("ETag") != tag || (body == "") != (want == 304) {
				t.Errorf("GET %s with If-None-Match %s = %d, ETag %s, want %d, %s:\n%s", path, given, status, h.Get("ETag"), want, tag, body)
			}
			if got := h.Get("Preference-Applied"); got != "" {
				t.Errorf("GET %s applied %q without any preference", path, got)
			}
		}
	}
}

// Only a client that has the newest version waits; a wait that is over is 304.
func TestALongPollWaits(t *testing.T) {
	t.Parallel()
	s := start(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n")
	s.source("a", "ok")
	const path = "/api/v1/sources"
	tag := s.tag(path)
	for _, c := range []struct {
		tag, prefer, applied string
		status               int
		waits                bool
	}{
		{"", "wait=60", "wait=60", 200, false},
		{`"old"`, "wait=61", "wait=60", 200, false}, // a minute is the most
		{tag, "wait=0", "wait=0", 304, false},
		{tag, "wait=-1", "", 304, false},
		{tag, "wait=soon", "", 304, false},
		{tag, "wait", "", 304, false},
		{tag, `wait="1"`, "wait=1", 304, true},
	} {
		begun := time.Now()
		status, h, _ := s.do("GET", path, "", "If-None-Match", c.tag, "Prefer", c.prefer)
		took := time.Since(begun)
		if status != c.status || h.Get("Preference-Applied") != c.applied {
			t.Errorf("Prefer: %s with If-None-Match %s = %d, applied %q, want %d, %q", c.prefer, c.tag, status, h.Get("Preference-Applied"), c.status, c.applied)
		}
		if c.waits && took < time.Second {
			t.Errorf("Prefer: %s was answered after %v, want the second waited", c.prefer, took)
		}
	}
}

func TestALongPollIsAnsweredByTheNextChange(t *testing.T) {
	up := newUpstream(t, "1")
	script := newScript(t)
	s := start(t, "upstreams: {up: {http: '"+up.URL+"'}}\nsources: {a: {http: {upstream: up, path: /}, every: 10ms, stale_after: 1h}, b: {exec: [echo, '1'], every: 1h}}\n"+script.scan())
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	work := script.Begun()
	run := "/api/v1/runs/" + id

	// What stands still is not answered for what moves.
	s.source("b", "ok")
	ctx, leave := context.WithCancel(t.Context())
	b := s.longPoll(ctx, "/api/v1/sources/b", s.tag("/api/v1/sources/b"))
	for _, value := range []float64{2, 3} {
		up.say(fmt.Sprint(value))
		s.await("the new value", func(v object) bool { return v["key"] == "source/a" && v["value"] == value })
	}
	leave()
	if got := s.get(b); got.err == nil {
		t.Errorf("a poll of b was answered %d though only a changed", got.status)
	}

	// A run is newer than its job for a moment, so the job comes first.
	for _, path := range []string{"/api/v1/jobs", run, run + "/events"} {
		poll := s.longPoll(t.Context(), path, s.tag(path, "Accept", asJSON), "Accept", asJSON)
		work.Print("42% at " + path)
		got := s.get(poll)
		if got.status != 200 || !contains(got.body, "at "+path) || got.header.Get("Preference-Applied") != "wait=60" {
			t.Errorf("GET %s = %d, applied %q, want 200 with the progress:\n%s", path, got.status, got.header.Get("Preference-Applied"), got.body)
		}
		if got.header.Get("ETag") != s.tag(path, "Accept", asJSON) {
			t.Errorf("GET %s: ETag %s, want that of the newest version", path, got.header.Get("ETag"))
		}
	}

	poll := s.longPoll(t.Context(), run, s.tag(run))
	work.Exit(0)
	got := s.get(poll)
	if tag := got.header.Get("ETag"); !contains(got.body, `"succeeded"`) || tag != `"`+id+`-end"` || got.header.Get("Retry-After") != "" {
		t.Errorf("the end of the run is %s, Retry-After %q, want its terminal's id and none:\n%s", tag, got.header.Get("Retry-After"), got.body)
	}

	// The job's topic has had its end: what comes next is another run of it.
	s.await("the end of the job", func(v object) bool { return v["key"] == "job/scan" && v["finished_at"] != nil })
	poll = s.longPoll(t.Context(), "/api/v1/jobs", s.tag("/api/v1/jobs"))
	next := s.json(202, "POST", runs, `{}`)["id"].(string)
	if got := s.get(poll); !contains(got.body, next) {
		t.Errorf("after the trigger GET /api/v1/jobs = %s, want run %s in it", got.body, next)
	}
}

// A run whose record is all that is left of it changes no more.
func TestALongPollOfAnEndedRunLastsUntilItsClientLeaves(t *testing.T) {
	script := newScript(t)
	s := start(t, script.scan())
	id := s.json(202, "POST", runs, `{}`)["id"].(string)
	script.Begun().Exit(0)
	s.await("the end", func(v object) bool { return v["status"] == "succeeded" })
	ctx, leave := context.WithCancel(t.Context())
	poll := s.longPoll(ctx, "/api/v1/runs/"+id, `"`+id+`-end"`)
	leave()
	if got := s.get(poll); got.err == nil {
		t.Errorf("the poll ended with %d, want it to end with its request", got.status)
	}
	longPolls(t, 0)
}

func TestALongPollEndsWithTheDrain(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\n")
	s.source("a", "ok")
	tag := s.tag("/api/v1/sources")
	poll := s.longPoll(t.Context(), "/api/v1/sources", tag)
	s.stop()
	if got := s.get(poll); got.status != 304 || got.header.Get("ETag") != tag {
		t.Errorf("at the stop the poll is answered %d, ETag %s (%v), want 304, %s", got.status, got.header.Get("ETag"), got.err, tag)
	}
	if contains(s.log.String(), "cut off") {
		t.Error("the stop cut requests off, want them answered")
	}
}

func TestJSONIsAnsweredInPlaceOfAStreamOnRequest(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, '1'], every: 1h}}\njobs: {scan: {exec: ['true']}}\n")
	s.source("a", "ok")
	for accept, want := range map[string]string{
		"application/json": asJSON, "text/html, Application/JSON;q=0.9": asJSON,
	} {
		status, h, body := s.do("GET", "/api/v1/stream", "", "Accept", accept)
		if status != 200 || h.Get("Content-Type") != want || !contains(h.Get("Vary"), "Accept") {
			t.Fatalf("GET stream with Accept %s = %d %s, Vary %q, want 200 %s", accept, status, h.Get("Content-Type"), h.Get("Vary"), want)
		}
		// A job that never ran has no snapshot.
		all, _ := decode(t, []byte(body))["snapshots"].([]any)
		if len(all) != 3 || all[0].(object)["key"] != "config" || all[1].(object)["key"] != "alerts" || all[2].(object)["key"] != "source/a" {
			t.Errorf("snapshots = %v, want those of the configuration, the alerts and source/a", all)
		}
	}
	for _, accept := range []string{"", "*/*", "text/event-stream", "application/json, text/event-stream"} {
		ctx, cancel := context.WithCancel(t.Context())
		req, _ := http.NewRequestWithContext(ctx, "GET", s.url+"/api/v1/stream", nil)
		req.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if got := resp.Header.Get("Content-Type"); got != "text/event-stream" || !contains(resp.Header.Get("Vary"), "Accept") {
			t.Errorf("GET stream with Accept %q: %s, Vary %q, want a stream", accept, got, resp.Header.Get("Vary"))
		}
		cancel()
		resp.Body.Close()
	}
}
