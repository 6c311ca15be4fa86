package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/wire"
)

// The tests in this file hold what scripts rely on: exit codes, names of the configuration and of the gateway, JSON.

func TestWhatCannotBeWrittenIsAFailure(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("/dev/full is Linux's")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/sources": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"sources":[{"name":"a","state":"ok","value":1}]}`)
	}, "GET /api/v1/runs": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"runs":[{"id":"R","job":"a","status":"failed"}],"next":null}`)
	}, "GET /api/v1/runs/R/output": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Tidewire-Next", "4")
		fmt.Fprint(w, "text")
	}})
	config := file(t, "version: 1\nsources: {a: {exec: [echo, 1]}}\n")
	for _, args := range [][]string{
		{"check", config}, {"check", "--notify", config}, {"check", "--format", "json", config}, {"explain", config, "a"}, {"poll", config, "a"}, {"schema"}, {"version"},
		{"--version"}, {"watch", "--once", gw}, {"watch", "--once", "--json", gw}, {"watch", gw}, {"hash-token", "ci"},
		{"runs", "--url", gw}, {"runs", "--json", "--url", gw}, {"output", "R", "--url", gw}, {"--help"},
	} {
		var stderr strings.Builder
		code := run(t.Context(), args, strings.NewReader(""), full, &stderr)
		if code != exitFailure || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%q >/dev/full = %d, %q, want %d and why", args, code, stderr.String(), exitFailure)
		}
	}
}

func TestVersionIsAFlagToo(t *testing.T) {
	_, command, _ := tidewire(t, "version")
	code, flag, _ := tidewire(t, "--version")
	if code != 0 || flag != command || !strings.HasPrefix(flag, "tidewire ") {
		t.Errorf("--version = %d, %q, want what version prints, %q", code, flag, command)
	}
}

func TestHelpShowsWhatTheDocumentsUse(t *testing.T) {
	_, help, _ := tidewire(t, "--help")
	for _, command := range []string{"healthcheck", "man", "watch", "check", "completion"} {
		if !strings.Contains(help, "\n  "+command+" ") {
			t.Errorf("--help does not show %s", command)
		}
	}
}

func TestTheUsualConfiguration(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, args := range [][]string{{"check"}, {"serve"}, {"explain", "a"}, {"poll", "a"}} {
		code, _, stderr := tidewire(t, args...)
		if want := "no configuration is given, and there is no ./tidewire.yaml"; code != exitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%q without a file = %d, %q, want %d and %q", args, code, stderr, exitUsage, want)
		}
	}
	if err := os.WriteFile("tidewire.yaml", []byte("version: 1\nsources: {a: {exec: [echo, 7]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"check"}, "tidewire.yaml is valid: 1 source, 0 jobs\n"},
		{[]string{"explain", "a"}, "tidewire.yaml:2"},
		{[]string{"poll", "a"}, "7"},
	} {
		code, stdout, stderr := tidewire(t, c.args...)
		if code != 0 || !strings.Contains(stdout, c.want) || stderr != "tidewire: no configuration is given, using ./tidewire.yaml\n" {
			t.Errorf("%q = %d, %q, %q, want %q and that the file is named", c.args, code, stdout, stderr, c.want)
		}
	}
}

func TestAConfigurationOnStdin(t *testing.T) {
	for _, c := range []struct {
		text string
		args []string
		code int
		want string
	}{
		{"version: 1\nsources: {a: {exec: [echo, 7]}}\n", []string{"check", "-"}, 0, "- is valid: 1 source, 0 jobs"},
		{"version: 1\nsources: {a: {exec: [echo, 7]}}\n", []string{"poll", "-", "a"}, 0, "7"},
		{"version: 1\nsources: {a: {exec: [echo, 7]}}\n", []string{"explain", "-", "a"}, 0, "stdin:2"},
		{"version: 1\nsources: {a: {exek: [echo, 7]}}\n", []string{"check", "-"}, exitFailure, "stdin:2:15: "},
		{"", []string{"check", "-"}, exitFailure, "stdin:1:1: the file is empty"},
	} {
		var out strings.Builder
		code := run(t.Context(), c.args, strings.NewReader(c.text), &out, &out)
		if code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q of %q = %d, %q, want %d and %q", c.args, c.text, code, out.String(), c.code, c.want)
		}
	}
}

func TestHealthcheckTakesEitherURL(t *testing.T) {
	ready := true
	gw := fake(t, map[string]http.HandlerFunc{"GET /below/readyz": func(w http.ResponseWriter, r *http.Request) {
		if !ready {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}})
	t.Setenv("TIDEWIRE_URL", gw+"/below")
	for _, args := range [][]string{{"healthcheck"}, {"healthcheck", gw + "/below"}, {"healthcheck", gw + "/below/"}, {"healthcheck", gw + "/below/readyz"}} {
		if code, _, stderr := tidewire(t, args...); code != 0 {
			t.Errorf("%q = %d, %s", args, code, stderr)
		}
	}
	ready = false
	for _, address := range []string{gw + "/below", gw + "/below/readyz"} {
		code, _, stderr := tidewire(t, "healthcheck", address)
		if want := "tidewire: not ready: GET " + gw + "/below/readyz: 503 Service Unavailable\n"; code != exitFailure || stderr != want {
			t.Errorf("healthcheck %s = %d, %q, want %q", address, code, stderr, want)
		}
	}
}

// What the first argument is, a URL or a source, does not depend on the environment.
func TestWatchTellsURLsFromSources(t *testing.T) {
	gw := fake(t, map[string]http.HandlerFunc{"GET /api/v1/sources": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"sources":[{"name":"a","state":"ok","value":1},{"name":"b","state":"stale","value":2,"error":"gone"},{"name":"c","state":"pending"}]}`)
	}})
	for _, env := range []string{"", gw} {
		t.Setenv("TIDEWIRE_URL", env)
		for _, c := range []struct {
			args  []string
			code  int
			shown string
		}{
			{[]string{gw}, exitFailure, "a b c"},
			{[]string{gw, "a"}, 0, "a"},
			{[]string{"--url", gw, "a"}, 0, "a"},
			{[]string{"--url", gw, "b", "a"}, exitFailure, "a b"},
			{[]string{"--url", gw, "c"}, 0, "c"},
			{[]string{"--url", gw, gw}, exitUsage, ""},
		} {
			code, stdout, stderr := tidewire(t, append([]string{"watch", "--once", "--json"}, c.args...)...)
			var names []string
			for line := range strings.Lines(stdout) {
				var s struct{ Name string }
				if err := json.Unmarshal([]byte(line), &s); err != nil {
					t.Errorf("%q printed %q: %v", c.args, line, err)
				}
				names = append(names, s.Name)
			}
			if got := strings.Join(names, " "); code != c.code || got != c.shown {
				t.Errorf("watch --once --json %q = %d, %q (%s), want %d, %q", c.args, code, got, stderr, c.code, c.shown)
			}
		}
	}
	t.Setenv("TIDEWIRE_URL", gw)
	if code, stdout, stderr := tidewire(t, "watch", "--once", "a"); code != 0 || !strings.Contains(stdout, "a ") || strings.Contains(stdout, "stale") {
		t.Errorf("watch --once a = %d, %q, %q", code, stdout, stderr)
	}
}

// A row has no room for the error on a narrow screen, whose end says why.
func TestAnErrorIsShownToItsEnd(t *testing.T) {
	failure := "GET http://plant.example:8080/api/v2/tanks/1/level: connection refused"
	table := sourceTable{rows: []sourceRow{
		{Source: wire.Source{Name: "tank", State: wire.SourceFailing, Error: &failure}},
		{Source: wire.Source{Name: "b", State: wire.SourceOK}},
	}}
	for _, columns := range []int{40, 60, 80} {
		text := strings.Join(table.lines(nil, columns, time.Now()), "\n")
		if joined := strings.Join(strings.Fields(text), " "); !strings.Contains(joined, "connection refused b ● ok") {
			t.Errorf("in %d columns:\n%s", columns, text)
		}
	}
}

// A path that has died says nothing at all. Who watches is told in less than two of the heartbeats that should have come.
func TestASilentConnectionIsTold(t *testing.T) {
	before := silence
	t.Cleanup(func() { silence = before })
	if silence >= 30*time.Second {
		t.Errorf("a connection may be silent for %v, want less than two heartbeats of 15 s", silence)
	}
	silence = 50 * time.Millisecond
	dead := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "retry: 60000\nid: x-1\ndata: {\"key\":\"source/a\",\"name\":\"a\",\"state\":\"ok\",\"status\":\"running\",\"value\":1}\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
	gw := fake(t, map[string]http.HandlerFunc{
		"GET /api/v1/sources": func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"sources":[{"name":"a","state":"ok","value":1}]}`)
		},
		"GET /api/v1/stream": dead,
		"POST /api/v1/jobs/j/runs": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", "/api/v1/runs/x")
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, `{"id":"x","job":"j","status":"running","events":"/api/v1/runs/x/events"}`)
		},
		"GET /api/v1/runs/x/events": dead,
	})
	for _, args := range [][]string{{"watch", gw}, {"run", "--url", gw, "j"}} {
		w := in(t, args...)
		w.await(t, "the connection has been silent for too long")
		w.cancel()
	}
}

func TestManIsWritten(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := tidewire(t, "man", dir); code != 0 {
		t.Fatal(stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "tidewire-healthcheck.1")); err != nil {
		t.Error(err)
	}
}

func TestServeSaysWhereAndWhen(t *testing.T) {
	config := file(t, "version: 1\npublic_url: https://plant.example/tide\nsources: {a: {exec: [echo, 7]}}\n")
	r := begin(t, "serve", "--listen", "127.0.0.1:0", config)
	if line, err := r.stdout.ReadString('\n'); line != "tidewire: open https://plant.example/tide\n" {
		t.Errorf("the second line is %q, %v, want the address that people use", line, err)
	}
	code, stderr := r.stop()
	var got []string
	for line := range strings.Lines(stderr) {
		_, message, _ := strings.Cut(line, "msg=")
		got = append(got, strings.Fields(message)[0])
	}
	if want := "started stopping stopped"; code != 0 || strings.Join(got, " ") != want {
		t.Errorf("serve = %d and logs %q, want %q", code, stderr, want)
	}
	if !strings.Contains(stderr, r.url) || !strings.Contains(stderr, "sources=1") {
		t.Errorf("serve logs %q, want address and number of sources", stderr)
	}
}

// An image is built without the repository, so whoever builds it says which version it is.
func TestTheVersionOfABuild(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "tidewire")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags=-X main.release=v1.2.3-test", "-o", exe, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command(exe, "--version").Output()
	if want := "tidewire v1.2.3-test " + runtime.Version() + "\n"; err != nil || string(out) != want {
		t.Errorf("--version = %q, %v, want %q", out, err, want)
	}
}
