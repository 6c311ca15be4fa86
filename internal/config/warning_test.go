package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestProgramsAreLookedForBesideTheirFile: a path of a program is relative to the file that names it, and what is not
// there, or cannot be run, is worth a warning.
func TestProgramsAreLookedForBesideTheirFile(t *testing.T) {
	dir := inDir(t, map[string]string{"plain.sh": "", "bin/run.sh": "#!/bin/sh\n"})
	if err := os.Chmod(filepath.Join(dir, "bin/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{
		"./bin/run.sh": "", "bin/run.sh": "", "sh": "", "/bin/sh": "",
		"./plain.sh":      `"` + dir + `/plain.sh" is not executable, chmod +x`,
		"./bin":           `"` + dir + `/bin" is a directory, name a program in it`,
		"./none":          `there is no program "` + dir + `/none", create it or correct its path, which is relative to this file`,
		"no-such-program": `"no-such-program" is not found in PATH`,
	} {
		for _, part := range []string{"sources: {s: {exec: [%q]}}", "jobs: {j: {exec: [%q], dir: bin}}"} {
			c, problems := config.Load(filepath.Join(dir, "t.yaml"), fmt.Appendf(nil, "{version: 1, "+part+"}", program))
			if problems != nil {
				t.Fatal(problems)
			}
			if got := c.Warnings.Error(); (got == "") != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s: the warnings are %q, want %q", program, got, want)
			}
			argv := append(append([]string{}, firstExec(c)...), "")
			whole := program
			if strings.Contains(program, "/") && !filepath.IsAbs(program) {
				whole = filepath.Join(dir, program)
			}
			if argv[0] != whole {
				t.Errorf("%s is run as %s, want %s", program, argv[0], whole)
			}
		}
	}
}

func firstExec(c *config.Config) []string {
	if len(c.Jobs) > 0 {
		return c.Jobs[0].Exec
	}
	return programOf(c.Sources[0]).Argv
}

// TestArgumentsThatBecomeCodeAreWarnedOf: a program that interprets an argument does what whoever starts the job likes.
func TestArgumentsThatBecomeCodeAreWarnedOf(t *testing.T) {
	for argv, want := range map[string]string{
		`ssh, host, "run {a}"`:                     "ssh",
		`ssh, -p, "22", -o, X=y, host, run, "{a}"`: "ssh",
		`ssh, -p, "22", "{a}"`:                     "",
		`sudo, ssh, host, "{a}"`:                   "ssh",
		`perl, -e, "print {a}"`:                    "perl",
		`perl, "-eprint {a}"`:                      "perl",
		`perl, -w, script.pl, "{a}"`:               "",
		`env, -S, "sh {a}"`:                        "env",
		`env, "--split-string=sh {a}"`:             "env",
		`env, "X={a}", sh`:                         "",
		`awk, "{a} > 5", file`:                     "awk",
		`awk, -f, x.awk, "{a}"`:                    "",
		`pwsh, -Command, Get-Item, "{a}"`:          "pwsh",
		`/usr/bin/node, --eval, "f({a})"`:          "node",
		`watch, "ls {a}"`:                          "watch",
		`./own, -e, "{a}"`:                         "",
	} {
		c := load(t, "{version: 1, jobs: {j: {exec: ["+argv+"], args: {a: {}}}}}")
		got := ""
		for _, p := range c.Warnings {
			if _, name, ok := strings.Cut(p.What, "{a} would become part of what "); ok {
				got = strings.TrimSuffix(name, " interprets")
			}
		}
		if got != want {
			t.Errorf("[%s]: warned of %q, want %q", argv, got, want)
		}
	}
}

// TestInputAndEnvironmentThatBecomeCodeAreWarnedOf: a shell runs what it reads, and some variables name code to run.
func TestInputAndEnvironmentThatBecomeCodeAreWarnedOf(t *testing.T) {
	for job, want := range map[string]string{
		`exec: [sh], stdin: "echo {a}"`:                         "what sh interprets",
		`exec: [bash, -s], stdin: "{a}"`:                        "what bash interprets",
		`exec: [bash, -s, --, x], stdin: "{a}"`:                 "what bash interprets",
		`exec: [sudo, /bin/sh], stdin: "{a}"`:                   "what sh interprets",
		`exec: [python3, "-"], stdin: "print({a})"`:             "what python3 interprets",
		`exec: [psql, -q], stdin: "select {a}"`:                 "what psql interprets",
		`exec: [ssh, -p, "22", host], stdin: "ls {a}"`:          "what ssh interprets",
		`exec: [ssh, host, cat], stdin: "{a}"`:                  "",
		`exec: [sh, script.sh], stdin: "{a}"`:                   "",
		`exec: [sh, -c, "cat"], stdin: "{a}"`:                   "",
		`exec: [python3, script.py, "-"], stdin: "{a}"`:         "",
		`exec: [cat], stdin: "{a}"`:                             "",
		`exec: [sh, script.sh], env: {BASH_ENV: "{a}"}`:         "what BASH_ENV makes programs run",
		`exec: [git, fetch], env: {GIT_SSH_COMMAND: "ssh {a}"}`: "what GIT_SSH_COMMAND makes programs run",
		`exec: [cat], env: {LD_PRELOAD: "{a}"}`:                 "what LD_PRELOAD makes programs run",
		`exec: [cat], env: {PIN: "{a}"}`:                        "",
	} {
		c := load(t, "{version: 1, jobs: {j: {"+job+", args: {a: {}}}}}")
		got := ""
		for _, p := range c.Warnings {
			if _, what, ok := strings.Cut(p.What, "{a} would become part of "); ok {
				got = what
			}
		}
		if got != want {
			t.Errorf("%s: warned of %q, want %q", job, got, want)
		}
	}
}

// TestAConditionStandsAtABeginning: elsewhere {a?} would be text, which nobody means.
func TestAConditionStandsAtABeginning(t *testing.T) {
	for _, job := range []string{
		`exec: [echo, "{a}", "--x={a?}"]`,
		`exec: [echo, "{a?}{a?}{a}"]`,
		`exec: [echo], stdin: "{a}{a?}"`,
		`exec: [echo, "{a}"], env: {X: "x{a?}"}`,
		`http: {upstream: u, query: {q: "x{a?}{a}"}}`,
		`http: {upstream: u, path: "/{a?}{a}"}`,
		`http: {upstream: u, body: '{"x": "{a?}{a}"}'}`,
	} {
		yaml := "{version: 1, upstreams: {u: {http: 'http://127.0.0.1:9'}}, jobs: {j: {" + job + ", args: {a: {default: ''}}}}}"
		_, problems := config.Load("t.yaml", []byte(yaml))
		if want := "{a?} stands where it is no condition"; !strings.Contains(problems.Error(), want) {
			t.Errorf("%s: %v, want %s", job, problems, want)
		}
	}
	load(t, `{version: 1, jobs: {j: {exec: [echo, "x{b?}", "{a?}--a", "{a?}{a}"], args: {a: {default: ''}}}}}`)
}

func TestATrustedLoopbackAddressIsWarnedOf(t *testing.T) {
	const warning = "trust has a loopback address, so every process of this machine can say who it is"
	for trust, want := range map[string]bool{"127.0.0.1": true, "[10.0.0.5, '::1']": true, "127.0.0.0/8": true, "10.0.0.5": false, "unix": false} {
		c, problems := config.Load("f", []byte("version: 1\nlisten: unix:/run/x\naccess: {proxy: {trust: "+trust+"}}\n"))
		if problems != nil {
			t.Fatalf("%s: %v", trust, problems)
		}
		if got := strings.Contains(c.Warnings.Error(), warning); got != want {
			t.Errorf("trust: %s: the warnings are %q, want one of it: %t", trust, c.Warnings.Error(), want)
		}
	}
}

// A webhook of a service that does not take the JSON of a message is worth a warning, without its address.
func TestWebhooksOfServicesAreWarnedOf(t *testing.T) {
	for entry, want := range map[string]string{
		"https://hooks.slack.com/services/T/B/hunter2":                               `notify "n": slack does not understand the JSON of a message, write slack://`,
		"{http: https://contoso.webhook.office.com/webhookb2/hunter2}":               `notify "n": teams does not understand the JSON of a message, write the address of a workflow`,
		"{http: {url: https://hooks.slack.com/hunter2, json: '{text: .summary}'}}":   "",
		"{http: {url: https://discord.com/api/webhooks/1/hunter2, body: '{title}'}}": "",
		"https://hooks.slack.com.example/hunter2":                                    "",
		"slack://hook:T-B-hunter2@webhook":                                           "",
	} {
		c, problems := config.Load("f", []byte("version: 1\nnotify: {n: "+entry+"}\nsources: {s: {exec: [sh]}}\n"))
		if problems != nil {
			t.Fatalf("%s: %v", entry, problems)
		}
		if got := c.Warnings.Error(); (got == "") != (want == "") || !strings.Contains(got, want) || strings.Contains(got, "hunter2") {
			t.Errorf("%s: the warnings are %q, want %q", entry, got, want)
		}
	}
}
