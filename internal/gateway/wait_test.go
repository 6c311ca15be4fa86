package gateway_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// Whoever waits for an answer gets it only if they still may.
func TestAuthorityIsLookedAtAgainAfterAWait(t *testing.T) {
	script := newScript(t)
	with := func(names ...string) string {
		text := script.policy("on_busy: join") + "access:\n  tokens:\n"
		for _, name := range names {
			text += fmt.Sprintf("    %s: {sha256: \"%x\", role: admin}\n", name, sha256.Sum256([]byte(name+"-secret")))
		}
		return text
	}
	s := startFile(t, with("stays", "goes"), 0)
	first := s.json(202, "POST", runs, "{}", bearer("stays")...)
	p := script.Begun()
	run := "/api/v1/runs/" + of(first, "id")
	type answer struct {
		request string
		status  int
		body    string
	}
	answers := make(chan answer)
	wait := func(method, path, body string, header ...string) {
		status, _, body := s.do(method, path, body, append(append(header, "Prefer", "wait=20"), bearer("goes")...)...)
		answers <- answer{method + " " + path, status, body}
	}
	go wait("POST", runs, "{}")
	s.events(run+"/events", "", func(ev sse.Event) bool { // until the start has joined
		return decode(t, ev.Data)["requests"] != 2.0
	}, bearer("stays")...)
	_, head, _ := s.do("GET", run, "", bearer("goes")...)
	go wait("GET", run, "", "If-None-Match", head.Get("ETag"))
	go wait("GET", run+"/output", "")
	s.write(with("stays"))
	s.json(200, "POST", "/api/v1/config/reload", "", bearer("stays")...)
	p.Print("what nobody else should see")
	p.Print(`::result {"found": 14}`)
	p.Exit(0)
	for range 3 {
		if got := <-answers; got.status != 401 || contains(got.body, "found") || contains(got.body, "nobody") {
			t.Errorf("%s = %d %s, want 401", got.request, got.status, got.body)
		}
	}
}

// A start whose body takes its time is no start by somebody who may not any more.
func TestAuthorityIsLookedAtAgainAfterTheBody(t *testing.T) {
	script := newScript(t)
	with := func(role string) string {
		return script.policy("on_busy: join") + fmt.Sprintf("access:\n  tokens:\n    stays: {sha256: \"%x\", role: admin}\n    other: {sha256: \"%x\", role: %s}\n",
			sha256.Sum256([]byte("stays-secret")), sha256.Sum256([]byte("other-secret")), role)
	}
	s := startFile(t, with("operator"), 0)
	body, send := io.Pipe()
	reading := make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(reading) }}) // sent when the body is read
	r, err := http.NewRequestWithContext(ctx, "POST", s.url+runs, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	r.Header.Set("Authorization", "Bearer other-secret")
	status := make(chan string)
	go func() {
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Hour, DisableKeepAlives: true}}
		response, err := client.Do(r)
		if err != nil {
			status <- err.Error()
			return
		}
		response.Body.Close()
		status <- response.Status
	}()
	<-reading
	s.write(with("viewer"))
	s.json(200, "POST", "/api/v1/config/reload", "", bearer("stays")...)
	_, _ = io.WriteString(send, "{}")
	send.Close()
	if got := <-status; got != "403 Forbidden" {
		t.Errorf("the start is answered %q, want 403", got)
	}
	if job := s.json(200, "GET", "/api/v1/jobs/scan", "", bearer("stays")...); job["run"] != nil {
		t.Errorf("the job is %v, want that nothing has begun", job)
	}
}

// Whoever waits for a job, or for all of them, is told what they may start by the time of the answer.
func TestWhatMayBeStartedIsLookedAtAgainAfterAWait(t *testing.T) {
	with := func(role string) string {
		return fmt.Sprintf("jobs: {scan: {exec: ['true']}}\naccess:\n  tokens:\n"+
			"    stays: {sha256: \"%x\", role: admin}\n    other: {sha256: \"%x\", role: %s}\n",
			sha256.Sum256([]byte("stays-secret")), sha256.Sum256([]byte("other-secret")), role)
	}
	s := startFile(t, with("operator"), 0)
	for _, path := range []string{"/api/v1/jobs", "/api/v1/jobs/scan"} {
		s.write(with("operator"))
		s.json(200, "POST", "/api/v1/config/reload", "", bearer("stays")...)
		_, head, body := s.do("GET", path, "", bearer("other")...)
		if !contains(body, `"allowed":true`) {
			t.Fatalf("an operator gets %s, want the job allowed", body)
		}
		answer := s.longPoll(t.Context(), path, head.Get("ETag"), bearer("other")...)
		s.write(with("viewer"))
		s.json(200, "POST", "/api/v1/config/reload", "", bearer("stays")...)
		if got := <-answer; got.status != 200 || !contains(got.body, `"allowed":false`) {
			t.Errorf("an operator who is a viewer by now gets %d %s of %s, want the job not allowed", got.status, got.body, path)
		}
	}
}

// Whoever waits for a job that is removed gets what everybody gets from then on.
func TestAWaitForAJobEndsWithTheJob(t *testing.T) {
	s := startFile(t, "jobs: {scan: {exec: ['true']}, other: {exec: ['true']}}\n", 0)
	_, head, _ := s.do("GET", "/api/v1/jobs/scan", "")
	answer := s.longPoll(t.Context(), "/api/v1/jobs/scan", head.Get("ETag"))
	s.write("jobs: {other: {exec: ['true']}}\n")
	s.json(200, "POST", "/api/v1/config/reload", "")
	if got := <-answer; got.status != 404 {
		t.Errorf("the wait ends with %d %s, want 404", got.status, got.body)
	}
}
