package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// twoJobs serves two jobs that have run: scan has succeeded twice and failed once, other has succeeded.
func twoJobs(t *testing.T) (url string, ids []string) {
	t.Helper()
	script := filepath.Join(t.TempDir(), "scan.sh")
	if err := os.WriteFile(script, []byte("echo \"code $1\"; exit \"$1\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, fmt.Sprintf(`version: 1
jobs:
  scan: {exec: [sh, %q, '{code}'], args: {code: {type: int, default: 0}}}
  other: {exec: ['true']}
`, script)))
	t.Setenv("TIDEWIRE_URL", r.url)
	for _, args := range [][]string{{"scan"}, {"other"}, {"scan", "code=3"}, {"scan"}} {
		tidewire(t, append([]string{"run"}, args...)...)
	}
	_, stdout, _ := tidewire(t, "runs", "--json")
	for line := range strings.Lines(stdout) {
		var run wire.Run
		if err := json.Unmarshal([]byte(line), &run); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, run.ID)
	}
	if len(ids) != 4 {
		t.Fatalf("runs --json = %q, want four runs", stdout)
	}
	return r.url, ids
}

// A run that warned ends the command with the exit code of its program, and is listed as what it is. Choices that a source gives
// are completed.
func TestRunsThatWarnAndChoices(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
sources: {devices: {exec: [echo, '[{"id": "plc-1"}, {"id": "plc-2"}]'], parse: json, every: 1h}}
jobs:
  check: {exec: [sh, -c, 'echo "::result 5"; exit 3'], warn_codes: 3}
  reboot: {exec: [echo, "{id}"], args: {id: {type: enum, values: {from: devices, jq: ".[].id"}}}}
`))
	t.Setenv("TIDEWIRE_URL", r.url)
	code, stdout, stderr := tidewire(t, "run", "check")
	if code != 3 || stdout != "5\n" || !strings.Contains(stderr, "with a warning (exit status 3)") {
		t.Errorf("run = %d, %q, %q, want the exit code of the program and the result", code, stdout, stderr)
	}
	if _, stdout, _ := tidewire(t, "runs", "--status", "warned"); !strings.Contains(stdout, "! warned") {
		t.Errorf("runs --status warned = %q", stdout)
	}
	var completed string
	for range 200 {
		if _, completed, _ = tidewire(t, "__complete", "run", "reboot", "id="); strings.Contains(completed, "plc-2") {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !strings.Contains(completed, "id=plc-1\n") || !strings.Contains(completed, "id=plc-2\n") {
		t.Errorf("the completion is %q, want the choices of the source", completed)
	}
}

func TestRunsCommand(t *testing.T) {
	_, ids := twoJobs(t)
	for _, c := range []struct {
		args string
		want []int // the runs, newest first
	}{
		{"", []int{0, 1, 2, 3}}, {"scan", []int{0, 1, 3}}, {"scan --status failed", []int{1}}, {"--limit 2", []int{0, 1}},
		{"--since 1h --status succeeded,failed --limit 100000", []int{0, 1, 2, 3}},
	} {
		code, stdout, stderr := tidewire(t, append([]string{"runs"}, strings.Fields(c.args)...)...)
		lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
		if code != 0 || len(lines) != len(c.want)+1 || !strings.HasPrefix(lines[0], "RUN  ") || strings.Contains(lines[0], "JOB") == strings.Contains(c.args, "scan") {
			t.Fatalf("runs %s = %d %q %q, want a table", c.args, code, stdout, stderr)
		}
		for i, n := range c.want {
			if !strings.HasPrefix(lines[i+1], ids[n]) {
				t.Errorf("row %d of runs %s is %q, want run %s", i+1, c.args, lines[i+1], ids[n])
			}
		}
	}
	_, stdout, _ := tidewire(t, "runs", "scan", "--status", "failed")
	if !strings.Contains(stdout, "✖ failed") || !strings.Contains(stdout, "exit status 3") || !strings.Contains(stdout, time.Now().Format(time.DateOnly)) {
		t.Errorf("the row of the run that failed is %q, want what, when and why", stdout)
	}
	if code, stdout, _ := tidewire(t, "runs", "--status", "lost"); code != 0 || stdout != "there are no such runs\n" {
		t.Errorf("runs --status lost = %d, %q, want that there are none", code, stdout)
	}
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"none", exitFailure, "there are: scan, other"}, {"--status done", exitFailure, "write queued, running"}, {"--since tea", exitFailure, "since=tea"},
		{"--limit 0", exitUsage, "from 1 to"}, {"a b", exitUsage, "too many arguments"},
		{"../runs", exitFailure, `no job "../runs"`}, {"..", exitFailure, `no job ".."`}, {"50%?#", exitFailure, `no job "50%?#"`},
	} {
		if code, _, stderr := tidewire(t, append([]string{"runs"}, strings.Fields(c.args)...)...); code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("runs %s = %d %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
	words, directive := completions(t, "output", "")
	if len(words) != 4 || !strings.Contains(strings.Join(words, " "), ids[2]+"\tother succeeded") || directive != ":36" {
		t.Errorf("completions of output are %q with %s, want the runs", words, directive)
	}
	if words, _ := completions(t, "run", "scan", "--like", ""); len(words) != 3 {
		t.Errorf("completions of run scan --like are %q, want its runs", words)
	}
	if words, _ := completions(t, "runs", ""); strings.Join(words, " ") != "other scan" {
		t.Errorf("completions of runs are %q, want the jobs", words)
	}
}

// More runs than a gateway lists at once come page by page.
func TestRunsCommandReadsPages(t *testing.T) {
	const all = 450
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/jobs/scan/runs": func(w http.ResponseWriter, r *http.Request) {
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		from, _ := strconv.Atoi(r.FormValue("cursor"))
		var rows []string
		for n := from; n < min(from+limit, all); n++ {
			rows = append(rows, fmt.Sprintf(`{"id":"R%d","job":"scan","status":"succeeded"}`, n))
		}
		next := "null"
		if from+limit < all {
			next = fmt.Sprintf("%q", strconv.Itoa(from+limit))
		}
		fmt.Fprintf(w, `{"runs":[%s],"next":%s}`, strings.Join(rows, ","), next)
	}})
	for limit, want := range map[string]int{"450": 450, "1000": 450, "200": 200, "201": 201} {
		code, stdout, stderr := tidewire(t, "runs", "scan", "--url", gw, "--json", "--limit", limit)
		if got := strings.Count(stdout, "\n"); code != 0 || got != want || !strings.Contains(stdout, fmt.Sprintf(`"R%d"`, want-1)) {
			t.Errorf("runs --limit %s has %d lines, %d, %s, want %d", limit, got, code, stderr, want)
		}
	}
}

func TestOutputCommand(t *testing.T) {
	_, ids := twoJobs(t)
	for args, want := range map[string]string{
		ids[1]: "code 3\n", ids[2]: "", ids[1] + " --from 5": "3\n", ids[1] + " --follow": "code 3\n", ids[1] + " --from 99": "",
	} {
		code, stdout, stderr := tidewire(t, append([]string{"output"}, strings.Fields(args)...)...)
		if code != 0 || stdout != want || stderr != "" {
			t.Errorf("output %s = %d, %q, %q, want %q", args, code, stdout, stderr, want)
		}
	}
	if code, _, stderr := tidewire(t, "output", "NONE"); code != exitFailure || !strings.Contains(stderr, "there is no run") {
		t.Errorf("output of no run = %d, %q, want that there is none", code, stderr)
	}
	if code, _, _ := tidewire(t, "output", ids[1], "--from", "-1"); code != exitUsage {
		t.Errorf("output --from -1 = %d, want %d", code, exitUsage)
	}
}

// An answer that breaks is continued where it was; what is not kept is reported.
func TestOutputCommandContinues(t *testing.T) {
	var requests atomic.Int32
	const text = "0123456789"
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/runs/R/output": func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.FormValue("from"))
		switch requests.Add(1) {
		case 1: // the front was cut, and the connection breaks
			w.Header().Set("Tidewire-Next", "10")
			w.Header().Set("Content-Length", "7")
			fmt.Fprint(w, text[3:6])
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			w.Header().Set("Tidewire-Next", "10")
			w.Header().Set("Content-Length", strconv.Itoa(10-from))
			if from == 10 {
				w.Header().Set("Tidewire-End", "true")
			}
			fmt.Fprint(w, text[from:])
		}
	}})
	code, stdout, stderr := tidewire(t, "output", "R", "--follow", "--url", gw)
	if code != 0 || stdout != text[3:] {
		t.Errorf("output = %d, %q, want all that is kept, once", code, stdout)
	}
	want := []string{"3 bytes of output are not kept any more", "broke (", "connected to " + gw + " again"}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for n, part := range want {
		if len(lines) != len(want) || !strings.Contains(lines[n], part) {
			t.Errorf("output says %q, want a line with %q", stderr, part)
		}
	}
}

// A gateway that is not there is reported at once: there is nothing to come back to.
func TestOutputCommandNeedsAGateway(t *testing.T) {
	gw := httptest.NewServer(nil)
	gw.Close()
	for _, args := range [][]string{{"R"}, {"R", "--follow"}} {
		start := time.Now()
		code, _, stderr := tidewire(t, append(append([]string{"output"}, args...), "--url", gw.URL)...)
		if code != exitFailure || !strings.Contains(stderr, "cannot be reached") || time.Since(start) > 10*time.Second {
			t.Errorf("output %q without a gateway = %d, %q after %v, want at once that it cannot be reached", args, code, stderr, time.Since(start))
		}
	}
}

// What comes between, as a proxy that compresses, or one that does not pass on the wish to wait, costs nothing but time.
func TestOutputCommandThroughProxies(t *testing.T) {
	var requests atomic.Int32
	begun := time.Now()
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/runs/R/output": func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("Accept-Encoding = %q, want that nothing is encoded", got)
		}
		w.Header().Set("Tidewire-Next", "0")
		w.Header().Set("Content-Length", "0")
		if requests.Add(1) == 2 {
			w.Header().Set("Tidewire-End", "true")
		}
	}})
	code, stdout, stderr := tidewire(t, "output", "R", "--follow", "--url", gw)
	if code != 0 || stdout+stderr != "" || requests.Load() != 2 || time.Since(begun) < outputAgain {
		t.Errorf("output = %d, %q, %q, after %d requests within %v, want a pause between two", code, stdout, stderr, requests.Load(), time.Since(begun))
	}
}

// A gateway that restarts behind a proxy ends neither the output nor the run.
func TestRunShowsOutputBehindAProxy(t *testing.T) {
	var requests atomic.Int32
	gw := fake(t, map[string]http.HandlerFunc{
		"POST /api/v1/jobs/scan/runs": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/api/v1/runs/R")
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"id":"R","events":"/api/v1/runs/R/events"}`)
		},
		"GET /api/v1/runs/R/events": sends("id: R-end\ndata: {\"status\":\"succeeded\",\"output\":\"\"}\n\n"),
		"GET /api/v1/runs/R/output": func(w http.ResponseWriter, _ *http.Request) {
			if requests.Add(1) == 1 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Tidewire-Next", "6")
			w.Header().Set("Tidewire-End", "true")
			fmt.Fprint(w, "hello\n")
		},
	})
	code, _, stderr := tidewire(t, "run", "scan", "--output", "--url", gw)
	if code != 0 || !strings.Contains(stderr, "hello") {
		t.Errorf("run --output = %d, %q, want the output", code, stderr)
	}
}

func TestRunAgain(t *testing.T) {
	_, ids := twoJobs(t)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"scan --like " + ids[1], 3, "code 3"}, {"scan --again", 3, "code 3"}, {"scan --again code=4", 4, "code 4"}, {"scan --again", 4, "code 4"},
		{"scan --like " + ids[2], exitUsage, "is one of job"}, {"scan --like NONE", exitFailure, "nothing is kept of it any more\n"},
		{"none --again", exitFailure, "there are: scan, other"}, {"scan --again --like x", exitUsage, "exclude each other"},
	} {
		code, _, stderr := tidewire(t, append([]string{"run", "--output"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("run %s = %d %q, want %d and %q", c.args, code, stderr, c.code, c.want)
		}
	}
}

func TestRunAgainNeedsItsSecrets(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, `version: 1
jobs:
  scan: {exec: [sh, -c, 'wc -c'], stdin: '{token}', args: {token: {type: string, secret: true}}}
  new: {exec: ['true']}
`))
	t.Setenv("TIDEWIRE_URL", r.url)
	if code, _, stderr := tidewire(t, "run", "new", "--again"); code != exitFailure || !strings.Contains(stderr, "new has no earlier run") {
		t.Errorf("run --again of a job that never ran = %d, %q", code, stderr)
	}
	tidewire(t, "run", "scan", "token=open-sesame")
	if code, _, stderr := tidewire(t, "run", "new", "--like", ""); code != exitUsage || !strings.Contains(stderr, "--like is empty") {
		t.Errorf("run --like of nothing = %d, %q", code, stderr)
	}
	code, _, stderr := tidewire(t, "run", "scan", "--again")
	if want := "the argument token is secret, so that of the earlier run was not kept: add token=VALUE"; code != exitUsage || !strings.Contains(stderr, want) {
		t.Errorf("run --again without the secret = %d, %q, want %q", code, stderr, want)
	}
	if code, _, stderr := tidewire(t, "run", "scan", "--again", "token=another-one"); code != 0 {
		t.Errorf("run --again with the secret = %d, %q", code, stderr)
	}
}
