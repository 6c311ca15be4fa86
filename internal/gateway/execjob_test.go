package gateway_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/sse"
)

// output asks for what a run printed from an offset on.
func (s *server) output(id string, from int, header ...string) (text string, next int, h http.Header) {
	s.t.Helper()
	status, h, text := s.do("GET", fmt.Sprintf("/api/v1/runs/%s/output?from=%d", id, from), "", header...)
	next, err := strconv.Atoi(h.Get("Tidewire-Next"))
	if status != 200 || err != nil || h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" {
		s.t.Fatalf("the output of run %s = %d %v %s", id, status, h, text)
	}
	return text, next, h
}

// shell returns the path of a file with that script.
func shell(t *testing.T, script string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(name, []byte(script+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestOutputIsFollowedWhileItComes(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: join"))
	id := of(s.trigger(202, 1), "id")
	p := script.Begun()
	p.Print("first")
	text, next, h := s.output(id, 0, "Prefer", "wait=20")
	if text != "first\n" || next != 6 || h.Get("Tidewire-Truncated") != "" || h.Get("Tidewire-End") != "" || h.Get("Preference-Applied") != "wait=20" {
		t.Errorf("output = %q, next %d, %v, want the first line", text, next, h)
	}
	if text, next, _ := s.output(id, 6); text != "" || next != 6 {
		t.Errorf("output from its end without waiting = %q, next %d, want nothing", text, next)
	}
	p.Print("second")
	if text, next, _ := s.output(id, 6, "Prefer", "wait=20"); text != "second\n" || next != 13 {
		t.Errorf("output from 6 = %q, next %d, want the second line", text, next)
	}
	waiting := make(chan string)
	go func() {
		text, _, h := s.output(id, 13, "Prefer", "wait=20")
		waiting <- text + h.Get("Tidewire-End")
	}()
	p.Exit(0)
	if got := <-waiting; got != "true" {
		t.Errorf("who waits for more at the end gets %q, want nothing and the end", got)
	}
	s.ended(id)
	if text, next, h := s.output(id, 2); text != "rst\nsecond\n" || next != 13 || h.Get("Tidewire-End") != "true" {
		t.Errorf("output after the end = %q, next %d, %v", text, next, h)
	}
	other := of(s.trigger(202, 1), "id")
	script.Begun().Exit(0)
	s.ended(other)
	if text, next, _ := s.output(id, 8); text != "cond\n" || next != 13 {
		t.Errorf("output of an earlier run = %q, next %d, want it from its record", text, next)
	}
	for _, from := range []string{"-1", "x", "99999999999999999999"} {
		if status, _, _ := s.do("GET", "/api/v1/runs/"+id+"/output?from="+from, ""); status != 400 {
			t.Errorf("from=%s = %d, want 400", from, status)
		}
	}
}

func TestMuchOutputCostsABoundedAmount(t *testing.T) {
	s := start(t, `
jobs:
  scan: {exec: [sh, -c, 'yes "a line of some length, over and over again" | head -c 4000000; head -c 1200000 /dev/zero | tr "\\000" x; printf "\\n\\000\\377\\033[31mred\\n"'], keep: {output: 600kB}}
`)
	id := of(s.json(202, "POST", runs, "{}"), "id")
	snapshots := 0
	begun := time.Now()
	s.events("/api/v1/runs/"+id+"/events", "", func(sse.Event) bool { snapshots++; return true })
	run := s.json(200, "GET", "/api/v1/runs/"+id, "")
	// One each 50 ms, after a burst of 20, and those of the run's states.
	if most := int(time.Since(begun)/(40*time.Millisecond)) + 20 + 5; snapshots > most {
		t.Errorf("%d snapshots in %v, want at most %d", snapshots, time.Since(begun), most)
	}
	if run["status"] != "succeeded" || len(of(run, "output")) > 16<<10 || run["output_bytes"].(float64) < 4e6 {
		t.Errorf("the run ended as %v with %d bytes of output of %v, want at most 16 KiB of more than 4 MB", run["status"], len(of(run, "output")), run["output_bytes"])
	}
	text, next, h := s.output(id, 0)
	if !strings.HasSuffix(text, "\uFFFDred\n") {
		t.Errorf("output ends in %q, want the last line without control characters", text[max(0, len(text)-20):])
	}
	if len(text) > 6e5+64<<10 || len(text) < 6e5 || next != int(run["output_bytes"].(float64)) || h.Get("Tidewire-Truncated") != "true" {
		t.Errorf("output = %d bytes up to %d, %v, want the last 600 kB, said to be cut", len(text), next, h)
	}
}

func TestProgressIsTakenFromWhatTerminalsShow(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: join"))
	id := of(s.trigger(202, 1), "id")
	p := script.Begun()
	for _, c := range []struct {
		text    string // as a Go string
		percent any
		message string
	}{
		{`\x1b]9;4;1;12\a`, 12.0, ""},
		{`copying\r`, 12.0, "copying"},
		{`\x1b[2K\x1b[32mcopying b\x1b[0m\r\x1b]9;4;1;50\x1b\\`, 50.0, "copying b"},
		{`\x1b]9;4;3\a`, nil, "copying b"},
		{`::progress 70 nearly\n`, 70.0, "nearly"},
	} {
		p.Write(c.text)
		s.await(c.text, func(v object) bool {
			return v["key"] == "job/scan" && v["percent"] == c.percent && v["message"] == c.message
		})
	}
	p.Exit(0)
	s.ended(id)
}

// What a command prints does not displace what it has told about its progress, and that is no output.
func TestATellingLineHoldsAndIsNoOutput(t *testing.T) {
	script := newScript(t)
	s := start(t, script.policy("on_busy: join"))
	id := of(s.trigger(202, 1), "id")
	p := script.Begun()
	for _, c := range []struct {
		text    string
		percent any
		message string
	}{
		{`warming up`, nil, "warming up"},
		{`::progress 40 copying`, 40.0, "copying"},
		{`file-1.txt\n::progress 50`, 50.0, "copying"},
		{`\x1b[31m::result {\"found\": 3}\x1b[0m\n::progress 60 checking`, 60.0, "checking"},
		{`done file-1.txt\n::progress 61`, 61.0, "checking"},
	} {
		p.Write(c.text + `\n`)
		s.await(c.text, func(v object) bool {
			return v["key"] == "job/scan" && v["percent"] == c.percent && v["message"] == c.message
		})
	}
	p.Write(`::result no JSON\n`)
	p.Exit(0)
	run := s.ended(id)
	const want = "warming up\nfile-1.txt\ndone file-1.txt\n::result no JSON\n"
	if text, _, _ := s.output(id, 0); text != want || run["output"] != want || fmt.Sprint(run["result"]) != "map[found:3]" {
		t.Errorf("the output is %q and %q, the result %v, want %q and the result found", text, run["output"], run["result"], want)
	}
}

// A command says by lines of its own which stage it has come to. The last stage ends with the run.
func TestStagesOfACommand(t *testing.T) {
	s := start(t, "jobs: {scan: {exec: [sh, -c, 'echo ::stage Prepare; echo one; echo ::stage Scan; echo ::stage Store; exit 3']}}\n")
	run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
	var names []string
	for _, one := range run["stages"].([]any) {
		stage := one.(object)
		names = append(names, of(stage, "name"))
		if took, ok := stage["took"].(float64); !ok || took < 0 {
			t.Errorf("stage %v took %v, want some time", stage["name"], stage["took"])
		}
	}
	if got, want := strings.Join(names, " "), "Prepare Scan Store"; got != want || run["stage"] != "Store" {
		t.Errorf("the stages are %q, the last one %v, want %q", got, run["stage"], want)
	}
	if text, _, _ := s.output(of(run, "id"), 0); text != "one\n" {
		t.Errorf("the output is %q, want the lines that are no stages", text)
	}
}

// Python holds its lines back where its output is no terminal, unless it is told not to.
func TestPythonIsToldNotToHoldItsOutputBack(t *testing.T) {
	for env, want := range map[string]string{"": "1", ", env: {PYTHONUNBUFFERED: ''}": ""} {
		s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, -c, 'echo [$PYTHONUNBUFFERED]']%s}}\n", env))
		run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
		if got := of(run, "output"); got != "["+want+"]\n" {
			t.Errorf("with %q PYTHONUNBUFFERED is %s, want %q", env, got, want)
		}
	}
}

// A program that has a terminal knows one that has colours, and prints in them.
func TestAProgramWithATerminalPrintsInColours(t *testing.T) {
	for keys, want := range map[string]string{"": "[]", ", tty: true": "[xterm-256color]", ", tty: true, env: {TERM: dumb}": "[dumb]"} {
		s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, -c, 'echo [$TERM]; ls -d --color=auto /']%s}}\n", keys))
		run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
		if got := of(run, "output"); got != want+"\n/\n" {
			t.Errorf("with %q the output is %q, want %s and a plain /", keys, got, want)
		}
		_, _, page := s.do("GET", "/runs/"+of(run, "id"), "", "Accept", "text/html")
		if got := strings.Contains(page, `<span class="sgr `); got != (want == "[xterm-256color]") {
			t.Errorf("with %q the page has colours: %t", keys, got)
		}
	}
}

// A run that ends with a warning has succeeded, and says that it warns.
func TestARunEndsWithAWarning(t *testing.T) {
	for code, want := range map[int]string{0: "succeeded false 0", 1: "succeeded true 1", 2: "succeeded false 2", 3: "failed false 3"} {
		s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, -c, 'echo CHECK; exit %d'], ok_codes: [0, 2], warn_codes: 1}}\n", code))
		run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
		if got := fmt.Sprint(run["status"], " ", run["warned"], " ", run["exit_code"]); got != want || run["output"] != "CHECK\n" {
			t.Errorf("exit code %d: the run ended as %s with the output %q, want %s and CHECK", code, got, run["output"], want)
		}
	}
}

// Secrets reach a program by its environment and its input, and are no less secret there.
func TestSecretsBesideArgv(t *testing.T) {
	s := start(t, `
jobs:
  scan:
    exec: [sh, -c, 'echo $# "$PIN"; cat', sh]
    env: {PIN: "{pin}"}
    stdin: "{text} {pin}"
    args: {pin: {secret: true}, text: {default: ""}}
`)
	run := s.ended(of(s.json(202, "POST", runs, `{"args": {"pin": "canary 42", "text": "to"}}`), "id"))
	if got, want := of(run, "output"), "0 ***\nto ***\n"; got != want || run["status"] != "succeeded" {
		t.Errorf("the run ended as %v with the output %q, want %q", run["status"], got, want)
	}
}

func TestSecretArgumentsAreShownNowhere(t *testing.T) {
	const canary = "canary/se cret\"42"
	audit := filepath.Join(t.TempDir(), "audit.log")
	u := newUpstream(t, "")
	var got string
	u.does(func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Path
		w.WriteHeader(500)
		fmt.Fprintf(w, `{"you sent": %q}`, r.URL.Path)
	})
	s := start(t, fmt.Sprintf(`
audit: %q
upstreams: {u: {http: %q}}
jobs:
  scan:
    exec: [sh, %q, "{password}", "{note}"]
    args: {password: {secret: true}, note: {default: free text}}
  ask: {http: {upstream: u, path: "/a/{password}"}, args: {password: {secret: true}}}
`, audit, u.URL, shell(t, `echo "got $1"; echo "::progress 10 with $1"; echo "::result \"$1\""; echo "$1" >&2; exit 3`)))
	var seen strings.Builder
	for _, job := range []string{"scan", "ask"} {
		body := fmt.Sprintf(`{"args":{"password":%q}}`, canary)
		run := s.json(202, "POST", "/api/v1/jobs/"+job+"/runs", body)
		fmt.Fprintln(&seen, run, s.ended(of(run, "id")))
		text, _, _ := s.output(of(run, "id"), 0)
		seen.WriteString(text)
		if of(run["args"].(object), "password") != "***" {
			t.Errorf("the arguments are shown as %v, want ***", run["args"])
		}
	}
	if !contains(got, canary) || !contains(seen.String(), "got ***") {
		t.Errorf("the upstream got %q, the command printed\n%s\nwant the secret to reach both", got, seen.String())
	}
	status, _, body := s.do("POST", runs, fmt.Sprintf(`{"args":{"password":"-%s"}}`, "canary"))
	if status != 422 {
		t.Errorf("a secret that is not valid = %d", status)
	}
	log, err := os.ReadFile(audit)
	if err != nil {
		t.Fatal(err)
	}
	_, _, list := s.do("GET", "/api/v1/jobs", "")
	for where, text := range map[string]string{"API": seen.String(), "problem": body, "list": list, "log": s.log.String(), "audit log": string(log)} {
		if contains(text, "canary") {
			t.Errorf("the %s shows the secret:\n%s", where, text)
		}
	}
	if contains(s.log.String(), "free text") {
		t.Errorf("the log shows an argument:\n%s", s.log)
	}
}

func TestCommandsGetACleanEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_THE_GATEWAY", "canary")
	dir := t.TempDir()
	s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, -c, 'pwd; env'], dir: %q, env: {MODE: fast}}}\n", dir))
	run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
	out := of(run, "output")
	for _, want := range []string{dir + "\n", "MODE=fast\n", "TIDEWIRE_JOB=scan\n", "TIDEWIRE_RUN=" + of(run, "id") + "\n", "PATH="} {
		if !contains(out, want) {
			t.Errorf("the command printed\n%swant %q in it", out, want)
		}
	}
	if contains(out, "canary") {
		t.Errorf("the command got the environment of the gateway:\n%s", out)
	}
}

// What goes wrong with a command ends its run, and says so.
func TestCommandsThatEndBadly(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, error, output string }{
		"a full disk":                      {"echo lost > /dev/full || exit 4", "exit status 4", ""},
		"a limit of the size of files":     {"ulimit -f 1; trap '' XFSZ; head -c 100000 /dev/zero > big || exit 5", "exit status 5", ""},
		"kill -9 of the command":           {"kill -9 $$", "ended by a signal (killed)", ""},
		"kill -9 of a child":               {"sleep 1h & kill -9 $!; wait $! 2>/dev/null; echo child $?", "", "child 137\n"},
		"a child that outlives it":         {"sleep 1h & echo parent", "", "parent\n"},
		"a child that left the group":      {"command -v setsid >/dev/null && setsid sleep 3 & echo parent", "", "parent\n"},
		"nothing but an unfinished line":   {"printf unfinished", "", "unfinished\n"},
		"the secrets of somebody's prompt": {"read line || echo no input", "", "no input\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, fmt.Sprintf("jobs: {scan: {exec: [sh, -c, %q], dir: %q}}\n", c.script, t.TempDir()))
			run := s.ended(of(s.json(202, "POST", runs, "{}"), "id"))
			status := "succeeded"
			if c.error != "" {
				status = "failed"
			}
			if run["status"] != status || !contains(of(run, "error"), c.error) || !contains(of(run, "output"), c.output) {
				t.Errorf("the run ended as %v, %v with the output %q, want %s, %q with %q", run["status"], run["error"], run["output"], status, c.error, c.output)
			}
		})
	}
}

func TestSourcesAreRefreshedAfterASuccess(t *testing.T) {
	u := newUpstream(t, "1")
	s := start(t, fmt.Sprintf(`
upstreams: {u: {http: %q}}
sources: {a: {http: {upstream: u, path: /}, every: 1h}}
jobs:
  scan: {exec: [sh, %q, "{code}"], args: {code: {type: int}}, then: {refresh: [a]}}
`, u.URL, shell(t, `exit "$1"`)))
	s.source("a", "ok")
	u.say("2")
	s.ended(of(s.json(202, "POST", runs, `{"args":{"code":1}}`), "id"))
	s.ended(of(s.json(202, "POST", runs, `{"args":{"code":0}}`), "id"))
	s.await("the new value", func(v object) bool { return v["key"] == "source/a" && v["value"] == 2.0 })
	if n := u.count(); n != 2 {
		t.Errorf("the source was polled %d times, want once at first and once after the success", n)
	}
}

func TestRunsAreKeptAsLongAsTheirJobSays(t *testing.T) {
	t.Parallel()
	script := newScript(t)
	s := start(t, script.policy("keep: {runs: 2, for: 1s}"))
	id := of(s.json(202, "POST", runs, "{}"), "id")
	p := script.Begun()
	var run object // as its stream ends: who asks for it later may come too late
	s.events("/api/v1/runs/"+id+"/events", "", func(ev sse.Event) bool {
		if run == nil {
			p.Exit(0)
		}
		run = decode(t, ev.Data)
		return true
	})
	ends, _ := time.Parse(time.RFC3339, of(run, "finished_at"))
	expires, _ := time.Parse(time.RFC3339, of(run, "expires_at"))
	if got := expires.Sub(ends); got != time.Second {
		t.Errorf("the run expires %v after its end, want 1s", got)
	}
	// The stream of everything is told of nothing then; so ask.
	for deadline := time.Now().Add(patience); ; {
		status, _, _ := s.do("GET", "/api/v1/runs/"+id, "")
		last := s.json(200, "GET", "/api/v1/jobs/scan", "")["last_run"]
		if status == 410 && last == nil {
			break
		}
		if status != 200 && status != 410 || time.Now().After(deadline) {
			t.Fatalf("the run = %d, the job's last %v, want 200 and then 410, and none", status, last)
		}
	}
}
