package gateway_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/access/issuertest"
	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/gateway"
)

// auditLines reads the audit log.
func auditLines(t *testing.T, file string) (lines []object) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		lines = append(lines, decode(t, []byte(line)))
	}
	return lines
}

func TestAuditSaysWhoDidWhat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	script := newScript(t)
	cfg := load(t, script.scan())
	cfg.Audit = file
	s := startConfig(t, cfg)

	run := s.json(202, "POST", runs, `{"args":{"subnet":"10.1.2.0/24","fast":true}}`)
	script.Begun()
	s.json(202, "POST", runs, `{"args":{"subnet":"10.1.2.0/24","fast":true}}`)
	s.json(202, "POST", "/api/v1/runs/"+run["id"].(string)+"/cancel", "")
	s.stop()

	lines := auditLines(t, file)
	var actions []string
	for _, line := range lines {
		actions = append(actions, line["action"].(string))
		if line["run"] != run["id"] || line["job"] != "scan" {
			t.Errorf("%v, want the job and the run %v", line, run["id"])
		}
		if at, err := time.Parse(time.RFC3339, line["time"].(string)); err != nil || at.Location() != time.UTC {
			t.Errorf("time %v (%v), want RFC 3339 in UTC", line["time"], err)
		}
	}
	if got, want := strings.Join(actions, " "), "trigger trigger cancel run-ended"; got != want {
		t.Fatalf("actions %q, want %q", got, want)
	}
	for i, line := range lines[:3] {
		if line["user"] != "anonymous" || line["address"] != "127.0.0.1" {
			t.Errorf("line %d is by %v from %v, want anonymous from 127.0.0.1", i, line["user"], line["address"])
		}
	}
	args := lines[0]["args"].(object)
	if args["subnet"] != "10.1.2.0/24" || args["fast"] != true || lines[0]["coalesced"] != false || lines[1]["coalesced"] != true {
		t.Errorf("triggers %v, want the arguments, and the second one coalesced", lines[:2])
	}
	if last := lines[3]; last["user"] != "tidewire" || last["status"] != "cancelled" || last["seconds"] == nil {
		t.Errorf("end %v, want tidewire, cancelled, after some seconds", last)
	}
}

func TestAuditMasksSecretArguments(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	cfg := load(t, "jobs: {scan: {exec: ['true', '{pin}'], args: {pin: {secret: true}}}}\n")
	cfg.Audit = file
	s := startConfig(t, cfg)
	s.ended(of(s.json(202, "POST", runs, `{"args":{"pin":"1a+<"}}`), "id"))
	s.stop()
	if args := auditLines(t, file)[0]["args"].(object); args["pin"] != "***" {
		t.Errorf("the arguments are %v, want the secret one masked", args)
	}
}

// A file that is renamed away, as logrotate does, is left alone from then on.
func TestAuditFollowsRotation(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	cfg := load(t, "jobs: {scan: {exec: ['true']}}\n")
	cfg.Audit = file
	s := startConfig(t, cfg)
	trigger := func() {
		s.json(202, "POST", runs, `{}`)
		s.await("the end of the run", func(v object) bool { return v["status"] == "succeeded" })
	}
	trigger()
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	before := len(auditLines(t, file+".1"))
	trigger()
	s.stop()
	if got := len(auditLines(t, file+".1")); got != before || got == 0 {
		t.Errorf("the renamed file has %d lines, want the %d of before", got, before)
	}
	if lines := auditLines(t, file); len(lines) != 2 || lines[0]["run"] != lines[1]["run"] {
		t.Errorf("the new file has %v, want the second run", lines)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v), want it readable for its owner alone", info.Mode(), err)
	}
}

// What cannot be recorded happens all the same, and the log says so once.
func TestAuditThatCannotBeWritten(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, "jobs: {scan: {exec: ['true']}}\n")
	cfg.Audit = filepath.Join(dir, "audit.jsonl")
	s := startConfig(t, cfg)
	s.json(200, "GET", "/readyz", "")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		s.json(202, "POST", runs, `{}`)
	}
	if got := strings.Count(s.log.String(), "audit log cannot be written"); got != 1 {
		t.Errorf("said %d times that the audit log cannot be written, want once", got)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.json(202, "POST", runs, `{}`)
	if !contains(s.log.String(), "audit log is written again") || len(auditLines(t, cfg.Audit)) == 0 {
		t.Error("a directory that is there again gets no lines, or the log does not say so")
	}
}

func TestAuditMustBeWritableAtTheStart(t *testing.T) {
	cfg := load(t, "jobs: {scan: {exec: ['true']}}\n")
	cfg.Audit = t.TempDir() // a directory
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	err = gateway.Run(context.Background(), cfg, ln, nil)
	if err == nil || !contains(err.Error(), "audit") || !contains(err.Error(), cfg.Audit) {
		t.Errorf("Run = %v, want an error that names the audit log", err)
	}
}

// However long the arguments are, a line is not.
func TestAuditLinesAreBounded(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	cfg := load(t, "jobs: {scan: {exec: ['true', '{a}', '{b}'], args: {a: {}, b: {}}}}\n")
	cfg.Audit = file
	s := startConfig(t, cfg)
	s.json(202, "POST", runs, `{"args":{"a":"`+strings.Repeat("<", 1000)+`","b":"`+strings.Repeat("<", 1000)+`"}}`)
	s.stop()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(data), "\n")
	line := decode(t, []byte(first))
	if len(first) > 8<<10 || line["truncated"] != true || line["run"] == nil || line["args"] != nil {
		t.Errorf("a line of %d bytes: %.200s…, want it without the arguments, and to say so", len(first), first)
	}
}

// Whoever may do nothing can ask for it without end, and fills neither the audit log nor the log with it.
func TestWhatCostsNothingIsCounted(t *testing.T) {
	issuer := issuertest.New(t)
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	cfg.Access.OIDC = &config.OIDC{Issuer: issuer.URL, ClientID: "tidewire", GroupsClaim: "groups", Groups: map[string]config.Role{"ops": config.RoleOperator}}
	s := startConfig(t, cfg)
	const times = 50
	for range times {
		s.json(403, "POST", runs, "{}", bearer("viewer")...)
		s.json(200, "POST", "/auth/token", `{"token":"viewer-secret"}`)
		s.do("POST", "/auth/logout", "", bearer("viewer")...)
	}
	s.json(403, "POST", runs, "{}", bearer("stranger")...)
	issuer.Behave(issuertest.Behaviour{Claims: map[string]any{"aud": "other"}})
	s.jar()
	for range times {
		if status, _, _ := s.do("GET", "/auth/oidc", ""); status != 400 {
			t.Fatalf("signing in with somebody else's token = %d, want 400", status)
		}
	}
	s.stop()
	written, more := map[string]int{}, map[string]float64{}
	for _, line := range auditLines(t, cfg.Audit) {
		what := str(line["action"]) + " " + cmp.Or(str(line["subject"]), str(line["as_subject"]), str(line["address"]))
		if n, ok := line["more"].(float64); ok {
			more[what] += n
		} else {
			written[what]++
		}
	}
	want := map[string]int{"denied viewer": 10, "sign-in viewer": 10, "sign-out viewer": 10, "denied stranger": 1, "sign-in 127.0.0.1": 10}
	if !maps.Equal(written, want) {
		t.Errorf("written: %v, want %v", written, want)
	}
	if want := map[string]float64{"denied viewer": 40, "sign-in viewer": 40, "sign-out viewer": 40, "sign-in 127.0.0.1": 40}; !maps.Equal(more, want) {
		t.Errorf("counted: %v, want %v", more, want)
	}
	log := s.log.String()
	if got := strings.Count(log, `msg="sign-in failed"`); got != 10 || !contains(log, `of="sign-in failed" more=40`) {
		t.Errorf("the log has %d lines of failed sign-ins, want 10, and that there were 40 more:\n%s", got, log)
	}
}

// However many refresh at once while the file is renamed again and again, each is in one of the files, on a line
// of its own.
func TestAuditOfManyAtOnce(t *testing.T) {
	cfg := guardedConfig(t, config.RoleNone)
	cfg.Audit = filepath.Join(t.TempDir(), "audit.jsonl")
	s := startConfig(t, cfg)
	const callers, each = 8, 20
	var all, rotation sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if status, _, _ := s.do("POST", "/api/v1/sources/a/refresh", "", bearer("admin")...); status != 202 {
					t.Errorf("a refresh = %d, want 202", status)
				}
			}
		})
	}
	over := make(chan struct{})
	rotated := 0
	rotation.Go(func() {
		for {
			select {
			case <-over:
				return
			default:
				if os.Rename(cfg.Audit, fmt.Sprintf("%s.%d", cfg.Audit, rotated)) == nil { // otherwise there is none yet
					rotated++
				}
				runtime.Gosched()
			}
		}
	})
	all.Wait()
	close(over)
	rotation.Wait()
	s.stop()
	lines := 0
	files, _ := filepath.Glob(cfg.Audit + "*")
	for _, file := range files {
		lines += len(auditLines(t, file))
	}
	if lines != callers*each {
		t.Errorf("%d lines in %d files, want %d", lines, len(files), callers*each)
	}
}

// A configuration whose audit log cannot be written is not put to work.
func TestAReloadWithAnAuditLogThatCannotBeWritten(t *testing.T) {
	const source = "sources: {tank: {exec: ['true'], every: 1h}}\n"
	g := gateway.NewGateway(t, t.Context(), load(t, source), gateway.Options{})
	dir := t.TempDir() + "/logs"
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := load(t, fmt.Sprintf("audit: %q\n%s", dir+"/audit", source))
	if err := os.Remove(dir); err != nil { // who reads the file is not who can write the log
		t.Fatal(err)
	}
	if err := g.TryChange(t, cfg); err == nil || !strings.HasPrefix(err.Error(), "audit: ") {
		t.Errorf("the change gives %v, want an error of audit", err)
	}
}
