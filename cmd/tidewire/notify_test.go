package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// A receiver is tested by what it would be told when an alert begins, and when it ends.
func TestNotifyTest(t *testing.T) {
	var heard []string
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		heard = append(heard, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
		w.Header().Set("Retry-After", "30")
		http.Error(w, "no hunter2", status)
	}))
	defer server.Close()
	config := file(t, fmt.Sprintf(`version: 1
public_url: https://tidewire.example
notify:
  phone: "ntfy://hunter2@%s/topic-hunter2?tls=none"
  horn: {exec: [cat]}
  none: {exec: [/nonexistent/horn]}
sources: {a: {exec: [echo, 1]}}
`, strings.TrimPrefix(server.URL, "http://")))
	code, out, errs := tidewire(t, "notify", "test", config, "phone")
	want := regexp.MustCompile(`^phone was told by ntfy \(firing\) after \d+ m?s: 200 OK\nphone was told by ntfy \(resolved\) after \d+ m?s: 200 OK\n$`)
	if code != 0 || !want.MatchString(out) || errs != "" {
		t.Errorf("notify test = %d, %q, %q", code, out, errs)
	}
	first := `POST / Bearer hunter2 {"click":"https://tidewire.example","message":"This is a test of Tidewire. Nothing has happened.\nhttps://tidewire.example","priority":3,` +
		`"tags":["information_source"],"title":"Test of phone is firing","topic":"topic-hunter2"}`
	if len(heard) != 2 || heard[0] != first || !strings.Contains(heard[1], "Test of phone is resolved") {
		t.Errorf("it heard\n%s\nwant\n%s", strings.Join(heard, "\n"), first)
	}

	status = http.StatusTooManyRequests
	code, out, errs = tidewire(t, "notify", "test", config, "phone")
	if want := "tidewire: phone was not told (firing): POST " + server.URL + ": 429 Too Many Requests: no ***; it wants to be left alone for 30 s\n"; code != exitFailure || out != "" || errs != want {
		t.Errorf("notify test = %d, %q, %q, want %q", code, out, errs, want)
	}
	if code, out, errs := tidewire(t, "notify", "test", config, "horn"); code != 0 || strings.Count(out, ": exit status 0\n") != 2 {
		t.Errorf("notify test of a program = %d, %q, %q", code, out, errs)
	}
	if code, _, errs := tidewire(t, "notify", "test", config, "none"); code != exitFailure || !strings.Contains(errs, "none was not told (firing): ") {
		t.Errorf("notify test of no program = %d, %q", code, errs)
	}
	if code, _, errs := tidewire(t, "notify", "test", config, "phon"); code != exitFailure || !strings.Contains(errs, `notify has no "phon", did you mean "phone"?`) {
		t.Errorf("notify test of nobody = %d, %q", code, errs)
	}
	if code, _, _ := tidewire(t, "notify", "test", config, "phone", "x"); code != exitUsage {
		t.Errorf("notify test with too much = %d", code)
	}
}

// What would be sent is shown without being sent, and without secrets.
func TestCheckNotify(t *testing.T) {
	config := file(t, `version: 1
notify:
  phone: "ntfy://hunter2@ntfy.example/topic-hunter2"
  hook: {http: {url: "https://u.example/hunter2", headers: {X-Key: hunter2}, json: '{text: .summary, token: "hunter2"}'}}
  mail: {mail: {host: smtp.example.com, user: me, password: hunter2, from: t@example.com, to: ops@example.com}}
  horn: {exec: [horn, --token=hunter2, "{state}"]}
sources: {a: {exec: [echo, 1]}}
`)
	code, out, errs := tidewire(t, "check", "--notify", config)
	want := config + ` is valid: 1 source, 0 jobs

phone would be sent by ntfy, as an example:
  POST https://ntfy.example
  Authorization: ***
  Content-Type: application/json

  {"message":"since 2026-01-02T03:04:05Z","priority":4,"tags":["warning"],"title":"Tank is firing: 93.5","topic":"***"}

hook would be sent by http, as an example:
  POST https://u.example/***
  Content-Type: application/json
  X-Key: ***

  {"text":"Tank is firing: 93.5","token":"***"}

mail would be sent by mail, as an example:
  mail by smtp.example.com:587 (tls: starttls) as me
  From: <t@example.com>
  To: <ops@example.com>
  Subject: Tank is firing: 93.5

  Tank is firing: 93.5

  since 2026-01-02T03:04:05Z

horn would be sent by exec, as an example:
  exec ["horn","--token=***","firing"]

`
	if code != 0 || !strings.HasPrefix(out, want) || strings.Contains(out+errs, "hunter2") {
		t.Errorf("check --notify = %d, %q\n%s\nwant\n%s", code, errs, out, want)
	}
	if code, _, _ := tidewire(t, "check", "--notify", "--format", "json", config); code != exitUsage {
		t.Errorf("check --notify --format json = %d", code)
	}
}
