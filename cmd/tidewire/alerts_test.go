package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

const someAlerts = `{"alerts":[` +
	`{"key":"source/calm","source":"calm","title":"Calm","state":"pending","since":"2026-11-21T18:40:00Z","severity":"info","silenced":null,"acknowledged":null,"told":[]},` +
	`{"key":"source/tank","source":"tank","title":"Tank","upstream":"plant","state":"firing","since":"2026-11-21T18:38:30.02Z","severity":"critical",` +
	`"silenced":{"id":"s1","until":"2026-11-21T20:00:00Z","by":"ann","reason":"pump\u001b[31m is serviced"},"acknowledged":null,"about":"93.5","told":[{"to":"ops","state":"told","at":"2026-11-21T18:38:35Z","error":null}]},` +
	`{"key":"job/sync","job":"sync","title":"Sync","state":"firing","since":"2026-11-21T18:39:00Z","severity":"warning","reason":"timed_out","run":"K3V","silenced":null,"acknowledged":null,` +
	`"about":"timed out after 1 h: copied 3 of 4","told":[{"to":"mail","state":"given_up","at":"2026-11-21T18:54:00Z","error":"550 no such user"},{"to":"ops","state":"waiting","at":null,"error":null}]},` +
	`{"key":"job/old","job":"old","title":"Old","state":"firing","since":"2026-11-21T18:39:00Z","severity":"warning","reason":"missed",` +
	`"silenced":{"id":"","until":"2026-11-21T20:00:00Z","by":"","reason":""},"acknowledged":{"at":"2026-11-21T18:54:00Z","by":"bob","reason":"on it"},"told":[]}` +
	`],"silences":[],"receivers":[{"name":"mail","kind":"mail","waiting":1,"failing_since":"2026-11-21T18:54:00Z","error":"550 no such user","told_at":null},` +
	`{"name":"ops","kind":"ntfy","waiting":0,"failing_since":null,"error":null,"told_at":null}]}`

// answers answers with JSON.
func answers(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) }
}

func TestAlertsCommand(t *testing.T) {
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/alerts": answers(someAlerts)})
	const table = `
ALERT        STATE      SEVERITY  SINCE                TOLD                          WHAT
job/sync     ● firing   warning   2026-11-21 18:39:00  mail (given up), ops (waits)  timed out: timed out after 1 h: copied 3 of 4; run K3V; mail: 550 no such user
source/tank  ● firing   critical  2026-11-21 18:38:30  ops                           93.5; silenced until 2026-11-21 20:00:00 by ann: pump is serviced
job/old      ● firing   warning   2026-11-21 18:39:00  –                             missed; silenced until 2026-11-21 20:00:00 by the configuration; acknowledged by bob: on it
source/calm  ○ pending  info      2026-11-21 18:40:00  –
`
	code, stdout, stderr := tidewire(t, "alerts", "--url", gw)
	if code != 0 || stdout != table[1:] {
		t.Errorf("alerts = %d\n%s\nwant\n%s", code, stdout, table)
	}
	if want := "tidewire: mail cannot be told since 2026-11-21 18:54:00: 550 no such user\n"; stderr != want {
		t.Errorf("alerts says %q, want %q", stderr, want)
	}
	code, stdout, _ = tidewire(t, "alerts", "--json", "--url", gw)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	var first struct{ Key string }
	if err := json.Unmarshal([]byte(lines[0]), &first); code != 0 || len(lines) != 4 || err != nil || first.Key != "job/sync" {
		t.Errorf("alerts --json = %d %q, want four lines, the most urgent first", code, stdout)
	}
	calm := fake(t, map[string]http.HandlerFunc{"GET /api/v1/alerts": answers(`{"alerts":[],"silences":[],"receivers":[]}`)})
	for _, tt := range []struct{ arg, want string }{{"--json=false", "nothing fires\n"}, {"--json", ""}} {
		if code, stdout, stderr := tidewire(t, "alerts", tt.arg, "--url", calm); code != 0 || stdout != tt.want || stderr != "" {
			t.Errorf("alerts %s where nothing fires = %d %q %q, want %q", tt.arg, code, stdout, stderr, tt.want)
		}
	}
	words, directive := completions(t, "acknowledge", "--url", gw, "")
	if want := []string{"job/old\tOld", "job/sync\tSync", "source/tank\tTank"}; !slices.Equal(words, want) || directive != noFiles {
		t.Errorf("completions are %q with %s, want what fires", words, directive)
	}
}

func TestSilenceCommands(t *testing.T) {
	var asked []string
	note := func(status int, answer string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			asked = append(asked, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.URL.Path, r.Header.Get("Content-Type"), body)))
			w.WriteHeader(status)
			io.WriteString(w, answer)
		}
	}
	const made = `{"id":"s1","of":"source/tank","since":"2026-11-21T18:00:00Z","until":"2026-11-21T20:00:00Z","by":"ann","reason":"noise"}`
	const everything = `{"id":"s2","of":"all","since":"2026-11-21T18:30:00Z","until":"2026-11-22T20:00:00Z","by":"bob","reason":""}`
	const quiet = `{"id":"","of":"source/tank","since":"2026-11-21T18:00:00Z","until":"2026-11-21T19:00:00Z","by":"","reason":"backup"}`
	gw := fake(t, map[string]http.HandlerFunc{
		"GET /api/v1/silences":            answers(`{"silences":[` + quiet + `,` + made + `,` + everything + `,` + strings.Replace(made, "s1", "s3", 1) + `]}`),
		"POST /api/v1/silences":           note(201, made),
		"DELETE /api/v1/silences/{id}":    note(204, ""),
		"DELETE /api/v1/silences/none":    note(404, `{"detail":"there is no silence \"none\""}`),
		"POST /api/v1/alerts/acknowledge": note(200, `{"key":"source/tank","state":"firing"}`),
		"GET /api/v1/sources":             answers(`{"sources":[{"key":"source/tank","name":"tank","title":"Tank"}]}`),
		"GET /api/v1/jobs":                answers(`{"jobs":[{"name":"sync","title":"Sync"}]}`),
	})
	calm := fake(t, map[string]http.HandlerFunc{
		"GET /api/v1/silences":  answers(`{"silences":[]}`),
		"POST /api/v1/silences": note(422, `{"detail":"the silence is not valid","errors":[{"pointer":"#/for","detail":"\"x\" is no duration"}]}`),
	})
	t.Setenv("TIDEWIRE_URL", gw)
	const post = "POST /api/v1/silences application/json "
	for _, tt := range []struct {
		args   []string
		asks   []string
		stdout string
		stderr string
		code   int
	}{
		{[]string{"silence", "source/tank", "--for", "2h", "--reason", "noise"}, []string{post + `{"of":"source/tank","for":"2h","reason":"noise"}`},
			"source/tank is silenced until 2026-11-21 20:00:00; to end that: tidewire unsilence s1\n", "", 0},
		{[]string{"silence", "all", "--until", "2026-11-21T20:00:00Z"}, []string{post + `{"of":"all","until":"2026-11-21T20:00:00Z"}`}, "source/tank is silenced", "", 0},
		{[]string{"silence", "all", "--until", "2126-11-21 20:00"}, []string{post + `{"of":"all","until":"2126-11-21T20:00:00Z"}`}, "source/tank is silenced", "", 0},
		{[]string{"silence", "all"}, nil, "", "for how long? write --for 1h, or --until 18:00", exitUsage},
		{[]string{"silence", "all", "--for", "1h", "--until", "18:00"}, nil, "", "for how long?", exitUsage},
		{[]string{"silence", "all", "--until", "tea"}, nil, "", "--until tea is not a time: write one such as 18:00", exitUsage},
		{[]string{"silence"}, nil, "", "an argument is missing", exitUsage},
		{[]string{"silence", "all", "--for", "x", "--url", calm}, []string{post + `{"of":"all","for":"x"}`}, "", "the silence is not valid\n  for: \"x\" is no duration", 1},
		{[]string{"unsilence", "s1"}, []string{"DELETE /api/v1/silences/s1"}, "silence s1 has ended\n", "", 0},
		{[]string{"unsilence", "source/tank"}, []string{"DELETE /api/v1/silences/s1", "DELETE /api/v1/silences/s3"}, "silence s1 has ended\nsilence s3 has ended\n", "", 0},
		{[]string{"unsilence", "all"}, []string{"DELETE /api/v1/silences/s2"}, "silence s2 has ended\n", "", 0},
		{[]string{"unsilence", "job/sync"}, nil, "", "there is no silence of job/sync: tidewire silences lists those that there are", 1},
		{[]string{"unsilence", "none"}, []string{"DELETE /api/v1/silences/none"}, "", `there is no silence "none"`, 1},
		{[]string{"acknowledge", "source/tank", "--reason", "on it"}, []string{`POST /api/v1/alerts/acknowledge application/json {"of":"source/tank","reason":"on it"}`}, "source/tank is acknowledged\n", "", 0},
		{[]string{"ack", "source/tank"}, []string{`POST /api/v1/alerts/acknowledge application/json {"of":"source/tank"}`}, "source/tank is acknowledged\n", "", 0},
		{[]string{"silences"}, nil, "SILENCE  OF           UNTIL                BY                 REASON\n" +
			"–        source/tank  2026-11-21 19:00:00  the configuration  backup\n" +
			"s1       source/tank  2026-11-21 20:00:00  ann                noise\n" +
			"s2       all          2026-11-22 20:00:00  bob\n" +
			"s3       source/tank  2026-11-21 20:00:00  ann                noise\n", "", 0},
		{[]string{"silences", "--json"}, nil, quiet + "\n" + made + "\n" + everything + "\n", "", 0},
		{[]string{"silences", "--url", calm}, nil, "nothing is silenced\n", "", 0},
		{[]string{"silences", "--url", "http://127.0.0.1:1"}, nil, "", "http://127.0.0.1:1 cannot be reached: ", 1},
	} {
		asked = nil
		code, stdout, stderr := tidewire(t, tt.args...)
		if code != tt.code || !strings.HasPrefix(stdout, tt.stdout) || tt.stdout == "" && stdout != "" || !strings.Contains(stderr, tt.stderr) || !slices.Equal(asked, tt.asks) {
			t.Errorf("%q = %d %q %q, asks %q; want %d %q %q, %q", tt.args, code, stdout, stderr, asked, tt.code, tt.stdout, tt.stderr, tt.asks)
		}
	}
	for _, tt := range []struct {
		command string
		want    []string
	}{
		{"silence", []string{"all", "job/sync\tSync", "source/tank\tTank"}},
		{"unsilence", []string{"s1\tsource/tank until 2026-11-21 20:00:00 noise", "s2\tall until 2026-11-22 20:00:00", "s3\tsource/tank until 2026-11-21 20:00:00 noise"}},
	} {
		if words, directive := completions(t, tt.command, ""); !slices.Equal(words, tt.want) || directive != noFiles {
			t.Errorf("completions of %s are %q with %s, want %q", tt.command, words, directive, tt.want)
		}
	}
}

// A time of the day is the next one.
func TestUntilOf(t *testing.T) {
	now := time.Date(2026, 11, 30, 18, 0, 0, 0, time.Local)
	for s, want := range map[string]time.Time{
		"18:01": time.Date(2026, 11, 30, 18, 1, 0, 0, time.Local), "18:00": time.Date(2026, 12, 1, 18, 0, 0, 0, time.Local),
		"00:00": time.Date(2026, 12, 1, 0, 0, 0, 0, time.Local), "2026-12-03 07:30": time.Date(2026, 12, 3, 7, 30, 0, 0, time.Local),
		"2026-12-03T07:30+02:00": {}, "2026-12-03T07:30:00+02:00": time.Date(2026, 12, 3, 5, 30, 0, 0, time.UTC),
	} {
		got, err := untilOf(s, now)
		at, _ := time.Parse(time.RFC3339, got)
		if !at.Equal(want) || (err != nil) != want.IsZero() {
			t.Errorf("until %s is %s, %v, want %v", s, got, err, want)
		}
	}
}

// The commands and the gateway understand each other.
func TestAlertsOfAGateway(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
sources:
  tank: {exec: [echo, "95"], parse: json, every: 100ms, alert: {if: . > 90, severity: critical}}
jobs: {sync: {exec: ['true']}}
`))
	t.Setenv("TIDEWIRE_URL", r.url)
	ok := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := tidewire(t, args...)
		if code != 0 || stderr != "" {
			t.Fatalf("%q = %d %q %q", args, code, stdout, stderr)
		}
		return stdout
	}
	for late := time.Now().Add(patience); !strings.Contains(ok("alerts"), "✖ firing"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("alerts prints %q, want one that fires", ok("alerts"))
		}
	}
	ok("silence", "source/tank", "--for", "2h", "--reason", "noise")
	ok("acknowledge", "source/tank", "--reason", "on it")
	if got, want := ok("alerts"), "by anonymous: noise; acknowledged by anonymous: on it\n"; !strings.HasSuffix(got, want) {
		t.Errorf("alerts prints %q, want %q at its end", got, want)
	}
	if got := ok("unsilence", "source/tank"); !strings.HasPrefix(got, "silence ") || ok("silences") != "nothing is silenced\n" {
		t.Errorf("unsilence prints %q, and the silences are %q", got, ok("silences"))
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"silence", "all", "--until", "2020-01-01 00:00"}, "the silence is not valid\n  until: 2020-01-01T00:00:00Z is in the past"},
		{[]string{"silence", "tank", "--for", "1h"}, `there is no "tank": did you mean "source/tank"?`},
		{[]string{"acknowledge", "job/sync"}, "the alert of job/sync does not fire: there is nothing to acknowledge"},
		{[]string{"unsilence", "x"}, `there is no silence "x": it has ended, or never was`},
	} {
		if code, stdout, stderr := tidewire(t, tt.args...); code != exitFailure || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q = %d %q %q, want %q", tt.args, code, stdout, stderr, tt.want)
		}
	}
}
