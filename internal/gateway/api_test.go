package gateway_test

import (
	"net/http"
	"testing"
)

func TestWhatIsNotThereIsAProblem(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, a], every: 1h}}\n")
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/api/v1/sources/b", 404, ""},
		{"POST", "/api/v1/jobs/b/runs", 404, ""},
		{"GET", "/api/v1/runs/b", 404, ""},
		{"GET", "/api/v1/runs/b/events", 404, ""},
		{"POST", "/api/v1/runs/b/cancel", 404, ""},
		{"GET", "/api/v1/nothing", 404, ""},
		{"GET", "/api/v1/runs/b/cancel", 405, "POST"},
		{"DELETE", "/api/v1/sources", 405, "GET, HEAD"},
	} {
		status, header, body := s.do(c.method, c.path, "")
		if status != c.status || header.Get("Content-Type") != "application/problem+json" || header.Get("Allow") != c.allow {
			t.Errorf("%s %s = %d %s, Allow %q, want %d application/problem+json, Allow %q", c.method, c.path, status, header.Get("Content-Type"), header.Get("Allow"), c.status, c.allow)
			continue
		}
		if p := decode(t, []byte(body)); p["detail"] == "" || p["title"] != http.StatusText(c.status) || p["instance"] != c.path {
			t.Errorf("%s %s: %s, want a title, a detail and the instance", c.method, c.path, body)
		}
	}
}

func TestAReaderOfAFinishedAndForgottenRunStops(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true']}}\n")
	status, _, _ := s.do("GET", "/api/v1/runs/gone/events", "", "Last-Event-ID", "gone-end")
	if status != 204 {
		t.Errorf("returning to a forgotten run with its terminal's id = %d, want 204", status)
	}
}

func TestHealth(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, a], every: 1h}}\n")
	for _, path := range []string{"/livez", "/readyz"} {
		if got := s.json(200, "GET", path, "")["status"]; got != "ok" {
			t.Errorf("%s = %v, want ok", path, got)
		}
	}
}

func TestOtherSitesCannotUseTheGateway(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true']}}\n")
	if status, _, body := s.do("POST", runs, `{}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); status != 403 {
		t.Errorf("a trigger from another site = %d %s, want 403", status, body)
	}
	if status, _, _ := s.do("GET", "/api/v1/jobs", "", "Host", "evil.example", "Authorization", "Bearer x"); status != 421 {
		t.Errorf("Host evil.example with some token, where none is asked for = %d, want 421", status)
	}
	for host, want := range map[string]int{"evil.example": 421, "localhost:80": 200, "127.0.0.1": 200, "[::1]:9": 200, "127.0.0.1.evil.example": 421} {
		if status, _, _ := s.do("GET", "/api/v1/jobs", "", "Host", host); status != want {
			t.Errorf("Host %s = %d, want %d", host, status, want)
		}
	}
}

func TestThePageIsServed(t *testing.T) {
	s := start(t, "sources: {a: {exec: [echo, a], every: 1h}}\n")
	status, header, body := s.do("GET", "/", "")
	if status != 200 || !contains(body, "<title>Tidewire") || header.Get("Content-Security-Policy") == "" {
		t.Errorf("GET / = %d, CSP %q, want the page under a policy:\n%.200s", status, header.Get("Content-Security-Policy"), body)
	}
}

func TestArgumentsKeepTheOrderOfTheFile(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: ['true', '{z}', '{a}', '{m}'], args: {z: {type: int, min: 1}, a: {default: x}, m: {}}}}\n")
	_, _, body := s.do("GET", "/api/v1/jobs", "")
	want := `"args":{"z":{"type":"int","min":1,"required":true},"a":{"type":"string","default":"x","required":false},"m":{"type":"string","required":true}}`
	if !contains(body, want) {
		t.Errorf("GET jobs = %s, want %s in it", body, want)
	}
}
