package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestInit: what init writes works at once: it has no problems, every source
// gets a value and a job runs. A file that is there is left alone.
func TestInit(t *testing.T) {
	t.Chdir(t.TempDir())
	if code, stdout, stderr := tidewire(t, "init"); code != 0 || stdout != "" || !strings.Contains(stderr, "tidewire serve tidewire.yaml") {
		t.Fatalf("init = %d, %q, %q, want 0 and what is next on stderr", code, stdout, stderr)
	}
	if code, _, stderr := tidewire(t, "check", "tidewire.yaml"); code != 0 {
		t.Fatalf("check = %d, %s", code, stderr)
	}
	r := begin(t, "serve", "--listen", "127.0.0.1:0", "tidewire.yaml")
	for _, name := range []string{"clock", "disk", "state"} {
		r.await(name, func(v map[string]any) bool { return v["name"] == name && v["state"] == "ok" })
	}
	r.await("a verdict", func(v map[string]any) bool { _, ok := v["value"].(bool); return v["name"] == "state" && ok })
	if code, stderr := r.stop(); code != 0 {
		t.Errorf("serve ended with %d, want 0\n%s", code, stderr)
	}
	if _, err := os.Stat(filepath.Join("data", "tidewire.db")); err != nil {
		t.Errorf("no state was stored: %v", err)
	}
	r = begin(t, "serve", "--listen", "127.0.0.1:0", "tidewire.yaml") // which finds the state of the one before
	r.await("disk", func(v map[string]any) bool { return v["name"] == "disk" && v["state"] == "ok" })
	if code, stderr := r.stop(); code != 0 {
		t.Errorf("serve again ended with %d, want 0\n%s", code, stderr)
	}

	if err := os.WriteFile("mine.yaml", []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := tidewire(t, "init", "mine.yaml"); code != exitFailure || !strings.Contains(stderr, "mine.yaml already exists") {
		t.Errorf("init over a file = %d, %q, want %d and why", code, stderr, exitFailure)
	}
	if data, err := os.ReadFile("mine.yaml"); err != nil || string(data) != "mine" {
		t.Errorf("init changed the file to %q, %v", data, err)
	}
	if code, _, stderr := tidewire(t, "init", filepath.Join("none", "t.yaml")); code != exitFailure || stderr == "" {
		t.Errorf("init in no directory = %d, %q, want %d and why", code, stderr, exitFailure)
	}
}

// TestInitIntoWhatAShellMade: "tidewire init > tidewire.yaml" finds an empty file, which is its own output, too.
func TestInitIntoWhatAShellMade(t *testing.T) {
	t.Chdir(t.TempDir())
	f, err := os.Create("tidewire.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var stderr strings.Builder
	if code := run(t.Context(), []string{"init"}, strings.NewReader(""), f, &stderr); code != 0 {
		t.Errorf("init = %d, %q, want 0", code, stderr.String())
	}
	if data, err := os.ReadFile("tidewire.yaml"); err != nil || string(data) != string(starter) {
		t.Errorf("the file is\n%s\n%v, want the starter", data, err)
	}
	if code, _, stderr := tidewire(t, "init"); code != exitFailure || !strings.Contains(stderr, "already exists") {
		t.Errorf("init again = %d, %q, want %d and why", code, stderr, exitFailure)
	}
}

// TestStarterExamples: the examples that the starter has as comments are right.
func TestStarterExamples(t *testing.T) {
	t.Setenv("WEATHER_TOKEN", "canary")
	t.Setenv("CI_TOKEN_SHA256", strings.Repeat("a1", 32))
	t.Chdir(t.TempDir())
	if err := os.Mkdir("conf.d", 0o700); err != nil {
		t.Fatal(err)
	}
	// An example begins at once or is indented; prose stands behind one space.
	text := regexp.MustCompile(`(?m)^#([a-z]|  )`).ReplaceAllString(string(starter), "$1")
	c, problems := config.Load("t.yaml", []byte(text))
	if problems != nil || len(c.Upstreams) != 1 || len(c.Sources) != 4 || len(c.Jobs) != 4 || len(c.Notify) != 1 || c.Sources[1].Alert == nil || c.Access == nil {
		t.Errorf("problems\n%v\nwant none\n%s", problems, text)
	}
}

func TestExplain(t *testing.T) {
	t.Setenv("TOKEN", "canary")
	name := file(t, "version: 1\nupstreams: {u: {http: 'http://h', bearer: '${env:TOKEN}'}}\nsources:\n  s:\n    http: {upstream: u, query: {q: '${env:TOKEN}'}}\n    every: '${env:NO:-5s}'\n")
	code, stdout, stderr := tidewire(t, "explain", name, "s")
	want := strings.ReplaceAll(`http.upstream       u        FILE:5
http.query.q        ***      FILE:5 "${env:TOKEN}"
title               s        built in
parse               json     built in
every.normal        ***      FILE:6 "${env:NO}"
timeout             5s       built in
jitter              10%      built in
backoff.min         1s       built in
backoff.max         5m       built in
stale_after         3 polls  built in
upstreams.u.http    http://h FILE:2
upstreams.u.bearer  ***      FILE:2 "${env:TOKEN}"
upstreams.u.keep_alive true built in
upstreams.u.burst   1        built in
`, "FILE", name)
	spaces := regexp.MustCompile(` +`)
	if code != 0 || spaces.ReplaceAllString(stdout, " ") != spaces.ReplaceAllString(want, " ") || stderr != "" {
		t.Errorf("explain = %d,\n%s%s\nwant 0,\n%s", code, stdout, stderr, want)
	}
	code, stdout, stderr = tidewire(t, "explain", name, "t")
	if code != exitFailure || stdout != "" || !strings.Contains(stderr, `has no source or job "t"`) {
		t.Errorf("explain of no source = %d, %q, %q", code, stdout, stderr)
	}
}

// TestNothingPrintsAReference: a value of the wrong kind from the environment is
// in no output of any command that reads a file.
func TestNothingPrintsAReference(t *testing.T) {
	t.Setenv("WRONG", "canary 77773")
	name := file(t, "version: 1\nlisten: '${env:WRONG}'\nupstreams: {u: {http: '${env:WRONG}', bearer: '${env:WRONG}', limit: '${env:WRONG}'}}\nsources: {s: {exec: [a], every: '${env:WRONG}', pick: '${env:WRONG}'}}\n")
	for _, args := range [][]string{{"check", name}, {"check", "--format", "json", name}, {"check", "--format", "github", name}, {"explain", name, "s"}, {"serve", name}} {
		code, stdout, stderr := tidewire(t, args...)
		all := stdout + stderr
		if code != exitFailure || strings.Count(all, "is not right here") != 6 || strings.Contains(all, "canary") || strings.Contains(all, "7777") {
			t.Errorf("%s = %d, want %d and six problems without the value:\n%s", args, code, exitFailure, all)
		}
	}
}
