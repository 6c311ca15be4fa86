package config_test

import (
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestExcerpt: a file with one problem, and its excerpt.
func TestExcerpt(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"version: 1\nsources: {a: {evry: 1s, exec: [a]}}", "    sources: {a: {evry: 1s, exec: [a]}}\n                  ^"},
		{"version:\t\t2", "    version:\t\t2\n            \t\t^"},
		{"{version: 1, sources: {a: {exec: [größe, 温度, \U0001f30a, e\u0301], every: 5}}}",
			"    {version: 1, sources: {a: {exec: [größe, 温度, \U0001f30a, e\u0301], every: 5}}}\n" + strings.Repeat(" ", 4+60+3-1) + "^"},
		{"version: 2\r\n", "    version: 2\n             ^"},
		{"\ufeffversion: 2", "    version: 2\n             ^"},
		{"", "    \n    ^"},
		{"{version: 1, listen: 'x", "    {version: 1, listen: 'x\n                         ^"},
		{"{version: 1, sources: {a: {exec: [a], pick: '.a | (' }}}", "    {version: 1, sources: {a: {exec: [a], pick: '.a | (' }}}\n" + strings.Repeat(" ", 4+51) + "^"},
		// Only what is near of a long line.
		{"{version: 1, sources: {" + strings.Repeat("x", 64) + ": {exec: [a], evry: " + strings.Repeat("2", 100) + "s}}}",
			"    …" + strings.Repeat("x", 45) + ": {exec: [a], evry: " + strings.Repeat("2", 53) + "…\n" + strings.Repeat(" ", 4+60) + "^"},
	} {
		_, problems := config.Load("f", []byte(test.file))
		if len(problems) != 1 {
			t.Errorf("%q: problems %v, want one", test.file, problems)
			continue
		}
		if got := problems[0].Excerpt(); got != test.want {
			t.Errorf("%q: the excerpt is\n%s\nwant\n%s", test.file, got, test.want)
		}
	}
}

// TestExcerptMasks: what may be a credential is not in an excerpt, and what
// cannot be one is.
func TestExcerptMasks(t *testing.T) {
	for _, test := range []struct{ file, want string }{
		{"{http: https://h, bearer: hunter2, limit: 5}", "{http: https://h, bearer: *******, limit: 5}"},
		{"{http: https://h, bearer: 'hunter2 }, ', limit: 5}", "{http: https://h, bearer: ******** ** *, limit: 5}"},
		{"{http: https://h, baerer: hunter2}", "{http: https://h, baerer: *******}"},
		{"{http: https://h, password: hunter2}", "{http: https://h, password: *******}"},
		{"{http: https://h, limt: 5/s}", "{http: https://h, limt: 5/s}"},
		{"{http: https://h, headers: {X-Key: hunter2, Host: hunter2}}", "{http: https://h, headers: {X-Key: *******, Host: *******}}"},
		{"{http: https://h, headers: [hunter2]}", "{http: https://h, headers: [*******]}"},
		{"{http: https://h, bearer: [hunter2]}", "{http: https://h, bearer: [*******]}"},
		{"{http: 'https://u:hunter2@h'}", "{http: *********************}"},
		{"{http: 'https://u:hunter2@h h'}", "{http: ******************** **}"},
		{"{http: 'https://h/?key=hunter2'}", "{http: ************************}"},
		{"{http: https://h, bearer: a, bearer: hunter2}", "{http: https://h, bearer: *, bearer: *******}"},
		{"[{bearer: hunter2}]", "[{bearer: *******}]"},
		{"!!map {http: https://h, bearer: hunter2}", "!!map {http: *********, bearer: *******}"},
		{"{mqtt: hunter2, password: hunter2}", "{mqtt: *******, password: *******}"},
		{"{http: https://h, limit: 5, bearer: 'a${env:UNSET:-b} c'}", "{http: https://h, limit: 5, bearer: **${env:UNSET**** **}"},
		{"hunter2", "*******"},
	} {
		_, problems := config.Load("f", []byte("version: 1\nupstreams:\n  u: "+test.file+"\n  v: {http: https://h}\n"))
		if len(problems) == 0 {
			t.Errorf("%s has no problem", test.file)
		}
		for _, p := range problems {
			if got := p.Text; got != "  u: "+test.want {
				t.Errorf("%v: the text is\n%s\nwant\n%s", p, got, "  u: "+test.want)
			}
		}
	}
	for _, test := range []struct{ file, want string }{ // each with a problem in its last line
		{"upstreams:\n  u:\n    http: https://h\n    bearer: >\n      hunter2\n\n      hunter2\n    limit: 5", "    limit: 5"},
		{"upstreams:\n  u: {http: https://h, bearer: \"hunter2\n    hunter2\", limit: 5}", "    ********, limit: 5}"},
		{"upstreams:\n  u:\n    http: https://h\n    headers:\n      A: |\n        hunter2\n\n", "      A: *"},
		// Files that are not YAML.
		{"upstreams: {u: {bearer: \"hunter2}}", "upstreams: {*: {******: \"*******}}"},
		{"upstreams:\n  u:\n    headers:\n\n      X: \"hunter2 ü", "      X: \"******* *"},
		{"sources:\n  u:\n    evry: \"10m", "    evry: \"10m"},
	} {
		_, problems := config.Load("f", []byte("version: 1\n"+test.file))
		if len(problems) == 0 || problems[len(problems)-1].Text != test.want {
			t.Errorf("%s: %v, the last with the text %q", test.file, problems, test.want)
		}
	}
}

// TestSecretsOfEachKind: whatever a file has under a key whose value may be a
// credential is in no problem, also if the problem is that value, or beside it.
func TestSecretsOfEachKind(t *testing.T) {
	for _, file := range []string{
		"notify: {n: {http: https://h/hunter2, smtp: x}}",
		"notify: {n: {http: {url: https://h/hunter2, metod: PUT}}}",
		"notify: {n: {http: {url: 'https://u:hunter2@h/'}}}",
		"notify: {n: {http: ftp://hunter2}}",
		"notify: {n: {http: {url: 'https://h/%zzhunter2'}}}",
		"notify: {n: {http: {url: https://h, body: 'hunter2 {x}'}}}",
		"notify: {n: {http: {url: https://h, headers: {A: hunter2, Host: h}}}}",
		"notify:\n  n:\n    http: \"https://h/hunter2",
		"notify: {n: {http: {url: \"https://h/hunter2}}}",
		"notify: {n: 'ntfy://hunter2'}",
		"notify: {n: 'slack://hook:hunter2@webhook'}",
		"notify: {n: {url: 'gotify://h/hunter2', urll: x}}",
		"notify: {n: {url: 'gotyfi://h/hunter2'}}",
		"notify: {n: 'hunter2://x/y'}",
		"notify: {n: 'https://u:hunter2@h/'}",
		"notify: {n: hunter2}",
		"notify: {n: {url: [hunter2]}}",
		"notify: {n: {http: {url: https://h, json: '{token: \"hunter2\" nonsense}'}}}",
		"notify: {n: {http: {url: https://h, json: '{token: \"hunter2\"} | error'}}}",
		"notify: {n: {http: {url: https://h, json: .summary, headers: {A: hunter2}}}}",
		"notify: {n: {mail: {host: h, user: u, password: hunter2, from: a, to: b@c}}}",
		"notify: {n: {mail: {host: h, tls: none, user: u, password: hunter2, from: a@b, to: b@c}}}",
		"notify: {n: {exec: [page, --token, hunter2, '{x}']}}",
		"jobs: {j: {exec: [a], env: {A: hunter2, 1B: hunter2}}}",
		"jobs: {j: {exec: [a], env: {A: \"hunter2\\0\"}}}",
		"jobs: {j: {exec: [a], env: [hunter2]}}",
		"jobs:\n  j:\n    env:\n      A: \"hunter2",
		"jobs: {j: {exec: [a], args: {x: {secret: true, default: hunter2}}}}",
		"jobs: {j: {http: {upstream: u, body: hunter2, query: {a: hunter2}, headers: {A: hunter2}}}}",
		"jobs: {j: {http: {upstream: u, method: GET, body: hunter2}}}",
		"access: {tokens: {t: {sha256: hunter2, role: admin}}}",
		"access: {tokens: {t: {token: hunter2, role: admin}}}",
		"access: {tokens: {t: hunter2}}",
		"access: {oidc: {issuer: 'https://u:hunter2@h', client_id: t, client_secret: hunter2}}",
		"access:\n  oidc: {client_secret: \"hunter2",
		"jobs: {j: {exec: [a], env: {PWD: \"hunter2",
		"jobs: {j: {exec: [a], env: {\n  PIN: hunter2,\n  x: \"y",
		"sources: {s: {http: {sig: \"hunter2",
		"public_url: https://u:hunter2@h",
	} {
		_, problems := config.Load("f", []byte("version: 1\n"+file+"\n"))
		if len(problems) == 0 {
			t.Errorf("%s has no problem", file)
		}
		for _, p := range problems {
			if strings.Contains(p.String()+p.Text, "hunter2") {
				t.Errorf("%s: %v\n%s", file, p, p.Excerpt())
			}
		}
	}
}

// What stands in the arguments of a program is shown where it is no credential.
func TestCredentialsInArgumentsAreMasked(t *testing.T) {
	_, problems := config.Load("f", []byte("version: 1\nsources: {a: {exec: [psql, --password, hunter2, --token=hunter2, -l], every: x}}\n"))
	if len(problems) != 1 {
		t.Fatalf("problems %v, want one", problems)
	}
	if got, want := problems[0].Text, "sources: {a: {exec: [psql, --password, *******, ***************, -l], every: x}}"; got != want {
		t.Errorf("the excerpt is %s, want %s", got, want)
	}
	settings, err := config.Explain("f", []byte("version: 1\nsources: {a: {exec: [psql, --password, hunter2, --token=hunter2, -l]}}\n"), "a")
	if err != nil || settings[0].Value != "[psql, --password, ***, --token=***, -l]" {
		t.Errorf("explain says %v, %v", settings, err)
	}
	settings, err = config.Explain("f", []byte("version: 1\njobs: {b: {exec: [psql, '--pin={pin}'], args: {pin: {secret: true}}}}\n"), "b")
	if err != nil || settings[1].Value != "[psql, --pin={pin}]" {
		t.Errorf("explain says %v, %v", settings, err)
	}
}
