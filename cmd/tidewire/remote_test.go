package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/terminal"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithCancel(t.Context())
}

// A command that runs, and whose output a test reads meanwhile.
type background struct {
	cancel context.CancelFunc
	code   chan int

	mu          sync.Mutex // guards the fields below
	out, errors strings.Builder
	grown       chan struct{}
}

// in begins a command in this process. The result's cancel is its Ctrl-C.
func in(t *testing.T, args ...string) *background {
	ctx, cancel := contextWithCancel(t)
	b := &background{cancel: cancel, code: make(chan int, 1), grown: make(chan struct{}, 1)}
	go func() { b.code <- run(ctx, args, strings.NewReader(""), part{b, &b.out}, part{b, &b.errors}) }()
	return b
}

// A part is one of the outputs.
type part struct {
	b    *background
	text *strings.Builder
}

func (p part) Write(data []byte) (int, error) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	select {
	case p.b.grown <- struct{}{}:
	default:
	}
	return p.text.Write(data)
}

func (b *background) stdout() string { b.mu.Lock(); defer b.mu.Unlock(); return b.out.String() }
func (b *background) stderr() string { b.mu.Lock(); defer b.mu.Unlock(); return b.errors.String() }

// await waits until both outputs, together, have text in them.
func (b *background) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(patience)
	for !strings.Contains(b.stdout()+b.stderr(), text) {
		select {
		case <-late:
			t.Fatalf("the command did not say %q, but\n%s%s", text, b.stdout(), b.stderr())
		case <-b.grown:
		case code := <-b.code:
			t.Fatalf("the command ended with %d before it said %q:\n%s%s", code, text, b.stdout(), b.stderr())
		}
	}
}

func TestRun(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
jobs:
  good: {exec: [printf, '::progress 40 %s\n::result {"n": [1, 2]}\n', '{what}'], args: {what: {type: string, default: dust}}}
  plain: {exec: ['true']}
  bad: {exec: [sh, -c, 'for i in $(seq 1 30); do echo "line $i"; done; exit 3']}
  slow: {exec: [sleep, '60'], timeout: 10ms}
`))
	for _, c := range []struct {
		args           []string
		code           int
		stdout, stderr []string
	}{
		{[]string{"good", "what=salt"}, 0, []string{"{\"n\":[1,2]}\n"}, []string{"good: run ", " started\n", "✔ good succeeded after 0:00\n"}},
		{[]string{"plain"}, 0, nil, []string{"✔ plain succeeded"}},
		{[]string{"bad"}, 3, nil, []string{"✖ bad failed after 0:00: exit status 3\n  line 11\n", "  line 30\n"}},
		{[]string{"slow"}, 1, nil, []string{"✖ slow timed out after 0:00: timed out after 10 ms\n"}},
		{[]string{"none"}, 1, nil, []string{`there is no job "none"; there are: good, plain, bad, slow`}},
		{[]string{"good", "wha=salt", "what=-x"}, 2, nil, []string{"the arguments are not valid\n", "\n  wha: "}},
		{[]string{"good", "salt"}, 2, nil, []string{`"salt" is not an argument of a job: write NAME=VALUE`}},
		{[]string{"good", "what=a", "what=b"}, 2, nil, []string{"the argument what is given twice"}},
	} {
		code, stdout, stderr := tidewire(t, append([]string{"run", "--url", r.url}, c.args...)...)
		if code != c.code || stdout != strings.Join(c.stdout, "") {
			t.Errorf("run %q = %d with %q on stdout, want %d with %q; stderr:\n%s", c.args, code, stdout, c.code, c.stdout, stderr)
		}
		for _, want := range c.stderr {
			if !strings.Contains(stderr, want) {
				t.Errorf("run %q prints %q on stderr, which has no %q", c.args, stderr, want)
			}
		}
		if strings.Contains(stderr, "line 10\n") {
			t.Errorf("run %q prints more than the end of the output:\n%s", c.args, stderr)
		}
	}
	t.Setenv("TIDEWIRE_URL", r.url+"/")
	if code, _, stderr := tidewire(t, "run", "plain"); code != 0 {
		t.Errorf("run with $TIDEWIRE_URL = %d, %s", code, stderr)
	}
}

// With --output, all that a run prints is shown while it goes on, in order, and once.
func TestRunShowsOutput(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
jobs:
  talk: {exec: [sh, -c, 'printf "\033[1mone\033[0m\n::progress 10 x\ntw"; until [ -e "$0" ]; do sleep 0.02; done; printf "o\nthree\n"; exit 4', `+gate+`]}
`))
	b := in(t, "run", "--url", r.url, "--output", "talk")
	b.await(t, "\none\n")
	if strings.Contains(b.stderr(), "tw") {
		t.Errorf("half of a line is shown: %q", b.stderr())
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := <-b.code; code != 4 {
		t.Errorf("run --output = %d, want 4", code)
	}
	lines := strings.Split(b.stderr(), "\n")
	lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "talk") })
	if got := strings.Join(lines, "|"); got != "one|two|three|" {
		t.Errorf("run --output shows %q, want one|two|three|\n%s", got, b.stderr())
	}
}

// Ctrl-C cancels a run that nobody else asked for, and leaves alone one that others wait for.
func TestRunInterrupted(t *testing.T) {
	t.Parallel()
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, "version: 1\njobs: {nap: {exec: [sh, -c, 'echo asleep; sleep 60']}}\n"))
	args := []string{"run", "--url", r.url, "nap"}
	first := in(t, args...)
	first.await(t, "asleep")
	second := in(t, args...)
	second.await(t, "was already in progress and has been joined")
	r.await("both", func(v map[string]any) bool { return v["requests"] == 2.0 })
	second.await(t, "nap  asleep")
	second.cancel()
	if code := <-second.code; code != exitInterrupted || !strings.Contains(second.stderr(), "nap continues, because others triggered it too") {
		t.Errorf("Ctrl-C of a shared run = %d, %q", code, second.stderr())
	}

	other := in(t, args...) // the run is still there
	other.await(t, "was already in progress and has been joined")
	r.await("a third", func(v map[string]any) bool { return v["requests"] == 3.0 })
	resp, err := http.Post(r.url+"/api/v1/runs/"+r.await("nap", func(v map[string]any) bool { return v["job"] == "nap" })["id"].(string)+"/cancel", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	for _, b := range []*background{first, other} {
		if code := <-b.code; code != exitInterrupted || !strings.Contains(b.stderr(), "✖ nap cancelled after") {
			t.Errorf("a cancelled run ends with %d, %q", code, b.stderr())
		}
	}

	alone := in(t, args...)
	alone.await(t, "nap  asleep")
	alone.cancel()
	if code := <-alone.code; code != exitInterrupted || !strings.Contains(alone.stderr(), "nap has been asked to end") || !strings.Contains(alone.stderr(), "✖ nap cancelled after") {
		t.Errorf("Ctrl-C = %d, %q, want %d and the run's end", code, alone.stderr(), exitInterrupted)
	}
}

// fake is a gateway that answers as a test wants.
func fake(t *testing.T, handlers map[string]http.HandlerFunc) string {
	mux := http.NewServeMux()
	for pattern, h := range handlers {
		mux.HandleFunc(pattern, h)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// sends answers the n-th request with the n-th stream, and later ones with 404.
func sends(streams ...string) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if n == len(streams) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(404)
			io.WriteString(w, `{"detail":"there is no run \u001b[2J"}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, streams[n])
		n++
	}
}

// A gateway that was restarted does not know the run any more: it is lost.
func TestRunLost(t *testing.T) {
	url := fake(t, map[string]http.HandlerFunc{
		"POST /base/api/v1/jobs/scan/runs": func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Authorization"); got != "Bearer s3cret" {
				t.Errorf("Authorization = %q, want the token", got)
			}
			w.Header().Set("Location", "/base/api/v1/runs/r1")
			w.WriteHeader(202)
			io.WriteString(w, `{"id":"r1","coalesced":false,"events":"/base/api/v1/runs/r1/events"}`)
		},
		"GET /base/api/v1/runs/r1/events": sends("retry: 1\nid: r1-1\ndata: {\"status\":\"running\",\"percent\":10}\n\n"),
	})
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := tidewire(t, "run", "--url", url+"/base", "--token-file", token, "scan")
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "the connection broke") || !strings.Contains(stderr, "the run is lost: "+url+"/base no longer knows it: there is no run \n") {
		t.Errorf("run = %d, %q, %q, want %d and that it is lost", code, stdout, stderr, exitFailure)
	}
	if strings.Contains(stdout+stderr, "s3cret") || strings.Contains(stderr, "\x1b") {
		t.Errorf("the output has the token or an escape sequence in it: %q", stderr)
	}
}

// The token goes to the gateway and to nobody that it redirects to.
func TestTheTokenStaysWithTheGateway(t *testing.T) {
	t.Setenv("TIDEWIRE_TOKEN", "secret-token")
	var asked, leaked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer other.Close()
	gw := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer gw.Close()
	for _, args := range [][]string{{"run", "--url", gw.URL, "job"}, {"watch", "--once", gw.URL}, {"watch", gw.URL}} {
		asked.Store(0)
		code, _, stderr := tidewire(t, args...)
		if code == 0 || asked.Load() == 0 || leaked.Load() != 0 {
			t.Errorf("%q = %d after %d requests to the other origin, %d with the token, want a failure and none; stderr:\n%s",
				args, code, asked.Load(), leaked.Load(), stderr)
		}
	}
}

func TestRemoteMistakes(t *testing.T) {
	refuses := fake(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(map[bool]int{true: 403, false: 401}[r.Header.Get("Authorization") == "Bearer t0ken"])
		io.WriteString(w, `{"detail":"a viewer may not start jobs"}`)
	}})
	other := fake(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }})
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		token string
		args  []string
		code  int
		want  string
	}{
		{"", []string{"watch", refuses}, 1, refuses + " requires a token: give one with --token-file or in $TIDEWIRE_TOKEN"},
		{"", []string{"run", "--url", refuses, "x"}, 1, "requires a token"},
		{"t0ken", []string{"run", "--url", refuses, "x"}, 1, "tidewire: a viewer may not start jobs\n"},
		{"0ld", []string{"run", "--url", refuses, "x"}, 1, refuses + " does not accept the token from --token-file or $TIDEWIRE_TOKEN: has it been replaced there?\n"},
		{"t0ken\nX: y", []string{"watch", refuses}, 1, "the token in $TIDEWIRE_TOKEN is not valid"},
		{"", []string{"watch", "--token-file", empty, refuses}, 1, "empty contains no token"},
		{"", []string{"watch", "--token-file", empty + "er", refuses}, 1, "read the token: open "},
		{"", []string{"watch", other}, 1, "does not answer like a gateway"},
		{"", []string{"watch", "localhost:8480"}, 2, `"localhost:8480" is not the URL of a gateway`},
		{"", []string{"run", "--url", "http://127.0.0.1:1", "x"}, 1, "http://127.0.0.1:1 cannot be reached: "},
		{"", []string{"watch", "http://127.0.0.1:1"}, 1, "http://127.0.0.1:1 cannot be reached: "},
		{"", []string{"runs", "--url", "http://127.0.0.1:1"}, 1, "http://127.0.0.1:1 cannot be reached: "},
		{"", []string{"output", "--follow", "--url", "http://127.0.0.1:1", "R"}, 1, "http://127.0.0.1:1 cannot be reached: "},
		{"", []string{"events", "--follow", "--url", "http://127.0.0.1:1"}, 1, "http://127.0.0.1:1 cannot be reached: "},
		{"", []string{"events", "--follow", "--url", refuses}, 1, "requires a token"},
		{"0ld", []string{"output", "--url", refuses, "R"}, 1, "has it been replaced there?"},
	} {
		t.Setenv("TIDEWIRE_TOKEN", c.token)
		code, stdout, stderr := tidewire(t, c.args...)
		if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
			t.Errorf("%q = %d, %q, %q, want %d and %q", c.args, code, stdout, stderr, c.code, c.want)
		}
		if strings.Contains(stderr, "t0ken") {
			t.Errorf("%q prints the token: %s", c.args, stderr)
		}
	}
}

// A firing alert, why a poll waits, and values of every kind are shown in a row.
func TestSourceRows(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var rows []sourceRow
	if err := json.Unmarshal([]byte(`[
		{"name":"hot","state":"ok","value":{"t":93.456,"u":1},"show":{"value":"t","unit":"°C","decimals":1},"updated_at":"2026-11-21T11:59:58Z","next_at":"2026-11-21T12:00:03Z","alert":{"state":"firing"}},
		{"name":"away","state":"stale","value":{"b":true,"a":[]},"updated_at":"2026-11-21T09:00:00Z","next_at":"2026-11-21T12:00:40Z","waiting":"backoff","error":"no\nroute","alert":{"state":"pending"}},
		{"name":"wide-水位","state":"pending","value":null,"next_at":null},
		{"name":"small","state":"ok","value":0.00123456,"updated_at":"2026-11-18T12:00:00Z","next_at":"2026-11-21T11:59:59Z"},
		{"name":"exact","state":"ok","value":{"serial":9007199254740993,"flow":0.9824,"n":-12345.678},"show":{}}
	]`), &rows); err != nil {
		t.Fatal(err)
	}
	table := sourceTable{rows: rows, skew: time.Hour}
	want := []string{
		"SOURCE     STATE        VALUE                                              AGE  NEXT           ERROR",
		"hot        ● ok, alert  93.5 °C                                            2 s  3 s",
		"away       ▲ stale      a none, b yes                                      3 h  40 s, backoff  no route",
		"wide-水位  ○ pending    –                                                  –    –",
		"small      ● ok         0.0012346                                          3 d  now",
		"exact      ● ok         flow 0.9824, n -12345.68, serial 9007199254740993  –    –",
	}
	got := table.lines(nil, 0, now.Add(time.Hour))
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d is\n%q, want\n%q", i, got[i], want[i])
		}
	}
	for columns := range 70 {
		for _, line := range table.lines(nil, columns+1, now) {
			if w := terminal.Width(line); w > columns+1 {
				t.Errorf("%q is %d columns wide, want at most %d", line, w, columns+1)
			}
		}
	}
	if got, want := table.counts(), "3 ok, 1 stale, 1 pending"; got != want {
		t.Errorf("counts() = %q, want %q", got, want)
	}
}

func TestWatchOnce(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
sources:
  tank: {exec: [echo, '{"level": 41.456, "pump": true}'], parse: json, show: {value: level, unit: "%", decimals: 1}}
  list: {exec: [echo, '[1, "two", {"three": null}]'], parse: json}
  gone: {exec: [sh, -c, 'exit 1']}
`))
	for _, name := range []string{"tank", "list", "gone"} {
		r.await(name, func(v map[string]any) bool { return v["name"] == name && v["state"] != "pending" })
	}
	t.Setenv("TIDEWIRE_URL", r.url)
	code, stdout, stderr := tidewire(t, "watch", "--once")
	want := []string{
		"SOURCE  STATE      VALUE             AGE  NEXT  ERROR",
		"tank    ● ok       41.5 %            0 s  ",
		"list    ● ok       1, two, three –   ",
		"gone    ✖ failing  –                 –    ",
	}
	lines := strings.Split(stdout, "\n")
	if code != exitFailure || stderr != "" || len(lines) != len(want)+1 || !strings.HasSuffix(lines[3], "exit status 1") {
		t.Fatalf("watch --once = %d,\n%s%s", code, stdout, stderr)
	}
	for i := range want {
		got, want := strings.Join(strings.Fields(lines[i]), " "), strings.Join(strings.Fields(want[i]), " ")
		if i > 0 { // the ages depend on the machine
			want, _, _ = strings.Cut(want, " 0 s")
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("line %d is %q, want %q", i, got, want)
		}
	}
	code, stdout, stderr = tidewire(t, "watch", "--once", r.url, "list")
	if code != 0 || strings.Contains(stdout, "tank") || !strings.Contains(stdout, "list") {
		t.Errorf("watch --once list = %d,\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = tidewire(t, "watch", "--once", "--url", r.url, "pump/north")
	if code != exitFailure || !strings.Contains(stderr, "there is no source pump/north; there are: tank, list, gone") {
		t.Errorf("watch --once pump/north = %d,\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = tidewire(t, "watch", r.url, "lisst")
	if code != exitFailure || !strings.Contains(stderr, "there is no source lisst; there are: tank, list, gone") {
		t.Errorf("watch lisst = %d, %q", code, stderr)
	}
}

// watch goes on where a connection broke off, and shows what another process has to show.
func TestWatchReconnects(t *testing.T) {
	source := func(name, value string) string {
		return fmt.Sprintf(`{"key":"source/%s","name":%[1]q,"state":"ok","value":%s,"show":{"unit":"m"}}`, name, value)
	}
	lists := []string{source("a", "1"), source("a", "2") + "," + source("b", "3")}
	gate := make(chan struct{})
	n := 0
	url := fake(t, map[string]http.HandlerFunc{
		"GET /api/v1/sources": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"sources":[%s]}`, lists[min(n, 1)])
			n++
		},
		"GET /api/v1/stream": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			if r.Header.Get("Last-Event-ID") == "" {
				fmt.Fprintf(w, "retry: 1\nid: x-1\ndata: %s\n\n", source("a", "1"))
				return
			}
			fmt.Fprintf(w, "event: reset\ndata:\n\nid: y-1\ndata: %s\n\ndata: {\"key\":\"job/x\"}\n\n", source("b", "4"))
			w.(http.Flusher).Flush()
			select {
			case <-gate:
			case <-r.Context().Done():
			}
		},
	})
	w := in(t, "watch", url)
	w.await(t, "  b  ok       4 m\n")
	w.cancel()
	close(gate)
	want := "tidewire: the connection to " + url + " broke (sse: the stream ended: EOF); trying again\ntidewire: connected to " + url + " again\n"
	if code := <-w.code; code != 0 || w.stderr() != want {
		t.Errorf("watch = %d, %q, want 0 and %q", code, w.stderr(), want)
	}
	var got []string
	for line := range strings.Lines(w.stdout()) {
		got = append(got, strings.Join(strings.Fields(line)[1:], " "))
	}
	if got, want := strings.Join(got, "; "), "a ok 1 m; a ok 2 m; b ok 3 m; b ok 4 m"; got != want {
		t.Errorf("watch printed %q, want %q", got, want)
	}
}
