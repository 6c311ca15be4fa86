package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// pollFile writes a configuration whose upstream is a server of the test.
func pollFile(t *testing.T) (name, address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("ETag", `"7"`)
		switch r.URL.Path {
		case "/tank":
			fmt.Fprintf(w, `{"level":73.9,"pump":true,"token":%q}`, r.Header.Get("Authorization"))
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>\x1b[31msign in")
		default:
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	t.Cleanup(server.Close)
	return file(t, `version: 1
upstreams: {plant: {http: "`+server.URL+`", bearer: canary-1234}}
sources:
  tank:
    http: {upstream: plant, path: /tank, query: {key: canary-5678}}
    pick: {level: .level, pump: .pump}
    every: {normal: 10s, when: [{if: .pump, every: 1s}]}
  sign-in: {http: {upstream: plant, path: /html}}
  busy: {http: {upstream: plant, path: /busy}}
  lines: {exec: [printf, 'a\n 42 '], parse: lines, pick: {used: ".[1] | tonumber", bad: ".[0] | tonumber"}}
  fails: {exec: [sh, -c, 'echo oh no >&2; exit 3']}
  site: {from: [tank, fails], needs: none, combine: "{level: .tank.value.level, fails: .fails.state}"}
`), strings.TrimPrefix(server.URL, "http://")
}

func TestPoll(t *testing.T) {
	name, address := pollFile(t)
	tests := []struct {
		source         string
		code           int
		stdout, stderr string
	}{
		{"tank", 0, "{\n  \"level\": 73.9,\n  \"pump\": true\n}\n", ""},
		{"site", 0, "{\n  \"fails\": \"failing\",\n  \"level\": 73.9\n}\n", ""},
		{"fails", 1, "", "tidewire: sh: exit status 3: oh no\n"},
		{"busy", 1, "", "tidewire: GET http://" + address + "/busy: 429 Too Many Requests\n"},
		{"tnk", 1, "", "tidewire: " + name + `: there is no source "tnk", did you mean "tank"?` + "\n"},
	}
	for _, tt := range tests {
		code, stdout, stderr := tidewire(t, "poll", name, tt.source)
		if code != tt.code || stdout != tt.stdout || stderr != tt.stderr {
			t.Errorf("poll %s = %d\n%s%s, want %d\n%s%s", tt.source, code, stdout, stderr, tt.code, tt.stdout, tt.stderr)
		}
	}
}

// took is a time that a trace shows.
var took = regexp.MustCompile(`[0-9.]+(ns|µs|ms|s)\b`)

func TestPollTrace(t *testing.T) {
	name, address := pollFile(t)
	tests := []struct {
		source string
		code   int
		want   string
	}{
		{"tank", 0, `source tank asks upstream plant, every T, within T

request
  GET http://ADDRESS/tank?key=***
  Accept: application/json, */*;q=0.1
  Authorization: ***
  Cache-Control: no-cache
  User-Agent: tidewire

answer after T (connect T, first byte T)
  HTTP/1.1 200 OK
  Content-Type: application/json
  Content-Length: 55
  ETag: "7"

output of 55 bytes, read in T
  {"level":73.9,"pump":true,"token":"***"}

picked
  level = 73.9
    by .level
  pump = true
    by .pump

next poll in T, since a condition of every.when holds

value of tank
  {
    "level": 73.9,
    "pump": true
  }
`},
		{"sign-in", 1, `source sign-in asks upstream plant, every T, within T

request
  GET http://ADDRESS/html
  Accept: application/json, */*;q=0.1
  Authorization: ***
  Cache-Control: no-cache
  User-Agent: tidewire

answer after T (connect T, first byte T)
  HTTP/1.1 200 OK
  Content-Type: text/html
  Content-Length: 18
  ETag: "7"

output of 18 bytes, read in T
  <html>sign in

failed after T
  GET http://ADDRESS/html: got text/html, want JSON, starts with "<html>\x1b[31msign in"
`},
		{"busy", 1, `source busy asks upstream plant, every T, within T

request
  GET http://ADDRESS/busy
  Accept: application/json, */*;q=0.1
  Authorization: ***
  Cache-Control: no-cache
  User-Agent: tidewire

answer after T (connect T, first byte T)
  HTTP/1.1 429 Too Many Requests
  Content-Type: application/json
  Content-Length: 0
  ETag: "7"
  Retry-After: 60

failed after T
  GET http://ADDRESS/busy: 429 Too Many Requests
`},
		{"lines", 1, `source lines runs printf, every T, within T

exit status 0 after T

output of 6 bytes
  a
   42 

parsed as lines
  ["a","42"]

picked
  used = 42
    by .[1] | tonumber
  bad = jq: .[0] | tonumber: tonumber cannot be applied to "a": invalid number
    by .[0] | tonumber

failed after T
  pick bad: jq: .[0] | tonumber: tonumber cannot be applied to "a": invalid number
`},
		{"site", 0, `source fails runs sh, every T, within T

exit status 3 after T
  last line of standard error: oh no

no output

failed after T
  sh: exit status 3: oh no


source site computed from tank, fails

value of site
  {
    "fails": "failing",
    "level": 73.9
  }
`},
	}
	for _, tt := range tests {
		code, stdout, stderr := tidewire(t, "poll", name, tt.source, "--trace")
		got := strings.ReplaceAll(took.ReplaceAllString(stdout, "T"), address, "ADDRESS")
		if tt.source == "site" { // the tank has a test of its own
			_, got, _ = strings.Cut(got, "}\n\n\n")
		}
		if code != tt.code || got != tt.want {
			t.Errorf("poll %s --trace = %d\n%s\nwant %d\n%s", tt.source, code, got, tt.code, tt.want)
		}
		if strings.Contains(stdout+stderr, "canary") {
			t.Errorf("poll %s --trace shows a secret:\n%s%s", tt.source, stdout, stderr)
		}
	}
}

// A source is computed from what its inputs are as it is when the gateway polls: a stale one is not ok.
func TestPollOfAStaleInput(t *testing.T) {
	name := file(t, `version: 1
sources:
  backup: {file: {path: state.json, max_age: 1h}}
  site: {from: [backup], combine: '{state: .backup.state, error: .backup.error, value: .backup.value}'}
  above: {from: [site], combine: '[.site.state, .site.error]'}
`)
	state := filepath.Join(filepath.Dir(name), "state.json")
	if err := os.WriteFile(state, []byte("7"), 0o600); err != nil {
		t.Fatal(err)
	}
	modified := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(state, modified, modified); err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`2h0m\d+s`)
	why := state + " was last modified AGO ago, want at most 1h0m0s"
	for source, want := range map[string]string{
		"backup": "7\n",
		"site":   "{\n  \"error\": \"" + why + "\",\n  \"state\": \"stale\",\n  \"value\": 7\n}\n",
		"above":  "[\n  \"stale\",\n  \"input backup: " + why + "\"\n]\n",
	} {
		if code, stdout, stderr := tidewire(t, "poll", name, source); code != 0 || old.ReplaceAllString(stdout, "AGO") != want {
			t.Errorf("poll %s = %d\n%s%s\nwant\n%s", source, code, stdout, stderr, want)
		}
	}
	for source, want := range map[string]string{
		"backup": "\nstale\n  " + why + "\n\nvalue of backup\n  7\n",
		"site":   "\nstale\n  input backup: " + why + "\n\nvalue of site\n",
	} {
		if _, stdout, _ := tidewire(t, "poll", name, source, "--trace"); !strings.Contains(old.ReplaceAllString(stdout, "AGO"), want) {
			t.Errorf("poll %s --trace =\n%s\nwant in it\n%s", source, stdout, want)
		}
	}
}
