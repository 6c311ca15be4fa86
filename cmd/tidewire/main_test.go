package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/sse"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// TestMain lets the test binary stand in for tidewire where it starts itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	time.Local = time.UTC // now, as timers read it
	os.Exit(m.Run())
}

// tidewire runs a command line to its end.
func tidewire(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	code = run(t.Context(), args, strings.NewReader(""), &out, &err)
	return code, out.String(), err.String()
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "tidewire.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestCheckNamesEveryProblem(t *testing.T) {
	name := file(t, `version: 1
upstreams: {plant: {http: "http://127.0.0.1:1"}}
sources:
  tank: {http: {upstream: plnt, path: /}, evry: 5s}
  load: {exec: [cat, /proc/loadavg], every: 5, pick: '.[0'}
`)
	for _, command := range [][]string{{"check", name}, {"serve", "--listen", "127.0.0.1:0", name}} {
		code, stdout, stderr := tidewire(t, command...)
		if code != exitFailure || stdout != "" {
			t.Errorf("%s = %d with %q on stdout, want %d and nothing", command[0], code, stdout, exitFailure)
		}
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		want := []string{name + ":4:27: ", name + ":4:43: ", name + ":5:45: ", name + ":5:58: "}
		if len(lines) != 3*len(want) { // each with an excerpt of two lines
			t.Fatalf("%s prints %d lines, want %d:\n%s", command[0], len(lines), 3*len(want), stderr)
		}
		for i := range want {
			if line := lines[3*i]; !strings.HasPrefix(line, want[i]) {
				t.Errorf("problem %d = %q, want one at %q", i+1, line, want[i])
			}
			if caret := lines[3*i+2]; strings.TrimLeft(caret, " ") != "^" {
				t.Errorf("below problem %d is %q, want a caret", i+1, caret)
			}
		}
	}
}

func TestCheckFormats(t *testing.T) {
	name := file(t, "version: 1\nlisten: 100%\nupstreams: {a: {http: 'http://h', bearer: hunter2, limit: 5}}\n")
	odd := strings.TrimSuffix(name, ".yaml") + ",x:y%.yaml"
	if err := os.Rename(name, odd); err != nil {
		t.Fatal(err)
	}
	for format, want := range map[string]string{
		"text": odd + `:2:9: listen: "100%" is not host:port, write an address such as 127.0.0.1:8480 or [::1]:8480
    listen: 100%
            ^
` + odd + `:3:59: limit: "5" is not a rate, write a number per second, minute, hour or day such as 5/s, 10/m, 60/h or 500/d
    upstreams: {a: {http: 'http://h', bearer: *******, limit: 5}}
                                                              ^
`,
		"json": `[
  {
    "file": "` + odd + `",
    "line": 2,
    "column": 9,
    "what": "listen: \"100%\" is not host:port",
    "want": "write an address such as 127.0.0.1:8480 or [::1]:8480"
  },
  {
    "file": "` + odd + `",
    "line": 3,
    "column": 59,
    "what": "limit: \"5\" is not a rate",
    "want": "write a number per second, minute, hour or day such as 5/s, 10/m, 60/h or 500/d"
  }
]
`,
		"github": `::error file=` + strings.NewReplacer("%", "%25", ",", "%2C", ":", "%3A").Replace(odd) + `,line=2,col=9::listen: "100%25" is not host:port, write an address such as 127.0.0.1:8480 or [::1]:8480
::error file=` + strings.NewReplacer("%", "%25", ",", "%2C", ":", "%3A").Replace(odd) + `,line=3,col=59::limit: "5" is not a rate, write a number per second, minute, hour or day such as 5/s, 10/m, 60/h or 500/d
`,
	} {
		code, stdout, stderr := tidewire(t, "check", "--format", format, odd)
		if format == "text" {
			stdout, stderr = stderr, stdout
		}
		if code != exitFailure || stdout != want || stderr != "" {
			t.Errorf("check --format %s = %d,\n%s\nwant %d,\n%s\nand nothing else, not %q", format, code, stdout, exitFailure, want, stderr)
		}
	}
	good := file(t, "version: 1\n")
	for format, want := range map[string]string{"json": "[]\n", "github": ""} {
		if code, stdout, stderr := tidewire(t, "check", "--format", format, good); code != 0 || stdout != want || stderr != "" {
			t.Errorf("check --format %s of a good file = %d, %q, %q, want 0, %q", format, code, stdout, stderr, want)
		}
	}
	if code, _, stderr := tidewire(t, "check", "--format", "xml", good); code != exitUsage || !strings.Contains(stderr, "xml") {
		t.Errorf("check --format xml = %d, %q, want %d and what is wrong", code, stderr, exitUsage)
	}
}

func TestCheckSaysThatAConfigurationIsValid(t *testing.T) {
	name := file(t, "version: 1\nsources: {load: {exec: [cat, /proc/loadavg]}}\njobs: {sync: {exec: ['true']}}\n")
	code, stdout, stderr := tidewire(t, "check", name)
	if want := name + " is valid: 1 source, 1 job\n"; code != 0 || stdout != want || stderr != "" {
		t.Errorf("check = %d, %q, %q, want 0 and %q", code, stdout, stderr, want)
	}
}

// A warning is no problem: it is told, and the configuration is valid.
func TestCheckWarns(t *testing.T) {
	name := file(t, "version: 1\njobs:\n  j: {exec: [./none.sh]}\n")
	code, stdout, stderr := tidewire(t, "check", name)
	missing := "there is no program \"" + filepath.Join(filepath.Dir(name), "none.sh") + "\", create it or correct its path, which is relative to this file"
	if want := name + ":3:14: warning: " + missing + "\n      j: {exec: [./none.sh]}\n"; code != 0 || !strings.HasPrefix(stderr, want) || !strings.Contains(stdout, "is valid") {
		t.Errorf("check exits with %d and says\n%s%s\nwant\n%s", code, stdout, stderr, want)
	}
	if code, stdout, _ := tidewire(t, "check", "--format", "github", name); code != 0 || !strings.HasPrefix(stdout, "::warning file="+name+",line=3,col=14::"+missing) {
		t.Errorf("check --format github exits with %d and says %s", code, stdout)
	}
	if code, stdout, _ := tidewire(t, "check", "--format", "json", name); code != 0 || stdout != "[]\n" {
		t.Errorf("check --format json exits with %d and says %s, want no problem", code, stdout)
	}
}

func TestSchemaIsPrinted(t *testing.T) {
	code, stdout, stderr := tidewire(t, "schema")
	if code != 0 || stdout != string(config.Schema()) || stderr != "" {
		t.Errorf("schema = %d, %.100q, %q, want 0 and the schema", code, stdout, stderr)
	}
}

func TestMistakesOnTheCommandLineExitWithTwo(t *testing.T) {
	for _, args := range [][]string{{"serv"}, {"serve"}, {"check", "a", "b"}, {"serve", "--lisen", "x"}, {"scan", "--subnet", "10.0.0.0/8"}} {
		if code, _, stderr := tidewire(t, args...); code != exitUsage || !strings.HasPrefix(stderr, "tidewire: ") {
			t.Errorf("%v = %d, %q, want %d and what is wrong", args, code, stderr, exitUsage)
		}
	}
	if code, _, stderr := tidewire(t, "check", "/does/not/exist"); code != exitFailure || !strings.Contains(stderr, "/does/not/exist") {
		t.Errorf("check of a missing file = %d, %q, want %d and its name", code, stderr, exitFailure)
	}
}

func TestJobsAreNotServedBeyondLoopback(t *testing.T) {
	name := file(t, "version: 1\njobs: {sync: {exec: ['true']}}\n")
	code, stdout, stderr := tidewire(t, "serve", "--listen", "0.0.0.0:0", name)
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, "loopback") {
		t.Errorf("serve --listen 0.0.0.0:0 = %d, %q, %q, want %d and a reason", code, stdout, stderr, exitFailure)
	}
}

// A running command, and the address that its first line named.
type running struct {
	t      *testing.T
	url    string
	stdout *bufio.Reader
	stop   func() (code int, stderr string)
}

// begin starts a command that serves, in this process, and reads its first line.
func begin(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, w := io.Pipe()
	var stderr strings.Builder
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, args, strings.NewReader(""), w, &stderr)
		w.Close()
	}()
	r := &running{t: t, stdout: bufio.NewReader(out)}
	r.stop = func() (int, string) {
		cancel()
		go io.Copy(io.Discard, out)
		c := <-code
		code <- c
		return c, stderr.String()
	}
	t.Cleanup(func() { r.stop() })
	first, err := r.stdout.ReadString('\n')
	if err != nil {
		_, text := r.stop()
		t.Fatalf("no first line: %v\n%s", err, text)
	}
	match := regexp.MustCompile(`^tidewire: listening on (http://127\.0\.0\.1:[1-9][0-9]*)\n$`).FindStringSubmatch(first)
	if match == nil {
		t.Fatalf("the first line is %q, want the address", first)
	}
	r.url = match[1]
	return r
}

// await reads the stream of everything until an object satisfies ok.
func (r *running) await(what string, ok func(map[string]any) bool) map[string]any {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/api/v1/stream", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	newest := ""
	for ev, err := range sse.Read(resp.Body, nil) {
		if err != nil {
			r.t.Fatalf("%s did not come: %v; last: %s", what, err, newest)
		}
		newest = string(ev.Data)
		var object map[string]any
		if err := json.Unmarshal(ev.Data, &object); err != nil {
			r.t.Fatalf("%v in %s", err, ev.Data)
		}
		if ok(object) {
			return object
		}
	}
	r.t.Fatalf("%s did not come before the stream ended; last: %s", what, newest)
	return nil
}

func TestServeAnswersAndStops(t *testing.T) {
	r := begin(t, "serve", "--listen", "127.0.0.1:0", file(t, "version: 1\nsources: {hello: {exec: [echo, hello]}}\n"))
	r.await("hello", func(v map[string]any) bool { return v["name"] == "hello" && v["value"] == "hello" })
	if code, stderr := r.stop(); code != 0 {
		t.Errorf("serve ended with %d, want 0\n%s", code, stderr)
	}
	if _, err := http.Get(r.url); err == nil {
		t.Error("the address still answers after the end")
	}
}

// The demo, as a user meets it: values come from other processes, a killed upstream turns
// its card stale and comes back, and a scan finds one more device once there is one.
func TestDemo(t *testing.T) {
	t.Parallel()
	r := begin(t, "demo", "--listen", "127.0.0.1:0", "--restart-after", "2s")
	var hints strings.Builder
	for !strings.Contains(hints.String(), "Ctrl-C") {
		line, err := r.stdout.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		hints.WriteString(line)
	}
	pid := func(name string) int {
		match := regexp.MustCompile(`kill (\d+) +# ` + name).FindStringSubmatch(hints.String())
		if match == nil {
			t.Fatalf("the demo does not name the process of %s:\n%s", name, &hints)
		}
		n, _ := strconv.Atoi(match[1])
		return n
	}
	is := func(name, state string) func(map[string]any) bool {
		return func(v map[string]any) bool { return v["name"] == name && v["state"] == state }
	}

	r.await("the tank", is("tank", "ok"))
	r.await("the forecast", is("forecast", "ok"))
	plant := pid("plant")
	if plant == os.Getpid() {
		t.Fatal("the tank is simulated in the gateway's process")
	}
	good := r.await("a level", is("tank", "ok"))
	if process, err := os.FindProcess(plant); err != nil {
		t.Fatal(err)
	} else if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	stale := r.await("a stale tank", is("tank", "stale"))
	if stale["value"] == nil || stale["error"] == nil {
		t.Errorf("the stale tank is %v, want the last good value and an error", stale)
	}
	back := r.await("the tank back", is("tank", "ok"))
	if back["updated_at"] == good["updated_at"] {
		t.Error("the tank is back with the value it had before")
	}

	before := r.scan()
	device := regexp.MustCompile(`(?m)^  (\S+) device (\S+)$`).FindStringSubmatch(hints.String())
	if device == nil {
		t.Fatalf("the demo does not say how to add a device:\n%s", &hints)
	}
	one := exec.CommandContext(t.Context(), device[1], "device", device[2])
	announced, err := one.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	defer one.Wait()
	defer one.Process.Kill()
	if _, err := bufio.NewReader(announced).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if after := r.scan(); after != before+1 {
		t.Errorf("the scan found %d devices and, with one more, %d, want %d", before, after, before+1)
	}

	if code, stderr := r.stop(); code != 0 {
		t.Errorf("demo ended with %d, want 0\n%s", code, stderr)
	}
	if runtime.GOOS == "linux" {
		for _, name := range []string{"north", "coast", "valley", "devices"} {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid(name))); err == nil {
				t.Errorf("the process of %s outlived the demo", name)
			}
		}
	}
}

// scan runs the demo's job and returns how many devices it found.
func (r *running) scan() int {
	r.t.Helper()
	resp, err := http.Post(r.url+"/api/v1/jobs/discover/runs", "application/json", strings.NewReader(`{}`))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	var run struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&run); err != nil || resp.StatusCode != http.StatusAccepted {
		r.t.Fatalf("trigger = %s, %v", resp.Status, err)
	}
	percents := 0
	end := r.await("the end of the scan", func(v map[string]any) bool {
		if p, _ := v["percent"].(float64); v["id"] == run.ID && 0 < p && p < 100 {
			percents++
		}
		return v["id"] == run.ID && v["finished_at"] != nil
	})
	if end["status"] != "succeeded" || percents < 5 {
		r.t.Fatalf("the scan ended as %v (%v) after %d steps of progress, want succeeded after many", end["status"], end["error"], percents)
	}
	return len(end["result"].(map[string]any)["found"].([]any))
}

// A command line with too little or too much says how it is written.
func TestTheNumberOfArgumentsIsExplained(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"run"}, "tidewire: an argument is missing: write tidewire run JOB [ARG=VALUE ...]\n"},
		{[]string{"output", ""}, "tidewire: the first argument is empty: write tidewire output RUN\n"},
		{[]string{"explain"}, "tidewire: an argument is missing: write tidewire explain [CONFIG] NAME\n"},
		{[]string{"serve", "a", "b"}, "tidewire: there are too many arguments: write tidewire serve [CONFIG]\n"},
	} {
		if code, _, stderr := tidewire(t, c.args...); code != exitUsage || !strings.HasPrefix(stderr, c.want) {
			t.Errorf("%q = %d, %q, want %d, %q", c.args, code, stderr, exitUsage, c.want)
		}
	}
}
