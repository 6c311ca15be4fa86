package config_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
)

func TestExplain(t *testing.T) {
	t.Setenv("TOKEN", "canary")
	t.Setenv("EVERY", "7s")
	t.Chdir(inDir(t, map[string]string{
		"t.yaml": `version: 1
include: more.yaml
defaults:
  timeout: 4s
  backoff: {min: 2s, max: 10m}
upstreams:
  u:
    http: https://${env:HOST:-h}/base
    bearer: abc-${env:TOKEN:-secret}
    limit: 5/s
sources:
  s:
    http: {upstream: u, path: /x, query: {q: 1}, headers: {A: secret}}
    every: "${env:EVERY}"
    backoff: {max: 5m}
    pick: {a: .a, b: " .b\n"}
    show: {value: a, min: -1}
  f: {from: [s, x], stale_after: 1h}
  w: {exec: [a], every: {unwatched: never, when: [{if: .a, every: 1s}]}, deadband: 1, alert: {notify: ops}}
notify: {ops: {http: {url: https://h/secret}}}
jobs:
  j:
    exec: [j, "{x}"]
    args: {x: {type: int, default: 5}}
    env: {A: secret}
    keep: {runs: 5}
    at: "@daily"
  s: {http: {upstream: u, path: /s, body: secret}}
`, "more.yaml": "sources:\n  x: {exec: [x, '${env:TOKEN}', a b], title: X}\n"}))
	data, err := os.ReadFile("t.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string][]string{
		"s": {
			"http.upstream = u (t.yaml:13)", "http.path = /x (t.yaml:13)", "http.query.q = *** (t.yaml:13)", "http.headers.A = *** (t.yaml:13)",
			"title = s (built in)", "parse = json (built in)", "pick.a = .a (t.yaml:16)", `pick.b = " .b\n" (t.yaml:16)`, "show.value = a (t.yaml:17)", "show.min = -1 (t.yaml:17)",
			"every.normal = *** (t.yaml:14 \"${env:EVERY}\")", "timeout = 4s (t.yaml:4)", "jitter = 10% (built in)", "backoff.min = 2s (t.yaml:5)", "backoff.max = 5m (t.yaml:15)", "stale_after = 3 polls (built in)",
			"upstreams.u.http = *** (t.yaml:8 \"${env:HOST}\")", "upstreams.u.bearer = *** (t.yaml:9 \"${env:TOKEN}\")", "upstreams.u.keep_alive = true (built in)", "upstreams.u.limit = 5/s (t.yaml:10)", "upstreams.u.burst = 1 (built in)",
		},
		"x": {
			"exec = [x, ***, a b] (more.yaml:2 \"${env:TOKEN}\")", "title = X (more.yaml:2)", "parse = text (built in)", "every.normal = 30s (built in)", "timeout = 4s (t.yaml:4)", "jitter = 10% (built in)",
			"backoff.min = 2s (t.yaml:5)", "backoff.max = 10m (t.yaml:5)", "stale_after = 3 polls (built in)",
		},
		"j": {
			"title = j (built in)", "exec = [j, {x}] (t.yaml:23)", "args.x.type = int (t.yaml:24)", "args.x.default = 5 (t.yaml:24)", "env.A = *** (t.yaml:25)", "timeout = 15m (built in)",
			"on_busy = join (built in)", "at.cron = @daily (t.yaml:27)", "at.catch_up = 1m (built in)", "keep.runs = 5 (t.yaml:26)", "keep.for = 24h (built in)", "keep.output = 10MB (built in)",
		},
		"job/s": {
			"title = s (built in)", "http.upstream = u (t.yaml:28)", "http.method = POST (built in)", "http.path = /s (t.yaml:28)", "http.body = *** (t.yaml:28)", "timeout = 15m (built in)",
			"on_busy = join (built in)", "keep.runs = 50 (built in)", "keep.for = 24h (built in)", "keep.output = 10MB (built in)",
			"upstreams.u.http = *** (t.yaml:8 \"${env:HOST}\")", "upstreams.u.bearer = *** (t.yaml:9 \"${env:TOKEN}\")", "upstreams.u.keep_alive = true (built in)", "upstreams.u.limit = 5/s (t.yaml:10)", "upstreams.u.burst = 1 (built in)",
		},
		"source/w": {
			"exec = [a] (t.yaml:19)", "title = w (built in)", "parse = text (built in)", "deadband = 1 (t.yaml:19)",
			"alert.after = 1 (built in)", "alert.grace = 1m (built in)", "alert.severity = warning (built in)", "alert.notify = ops (t.yaml:19)",
			"every.normal = 30s (built in)", "every.unwatched = never (t.yaml:19)", "every.when = [{if: .a, every: 1s}] (t.yaml:19)", "timeout = 4s (t.yaml:4)", "jitter = 10% (built in)",
			"backoff.min = 2s (t.yaml:5)", "backoff.max = 10m (t.yaml:5)", "stale_after = 3 polls (built in)",
		},
		"f": {"from = [s, x] (t.yaml:18)", "title = f (built in)", "stale_after = 1h (t.yaml:18)"},
	} {
		settings, err := config.Explain("t.yaml", data, source)
		got := lines(settings)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Explain(%s) = %v\n%s\nwant\n%s", source, err, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	split := []byte("version: 1\nsources: {d: {file: d.json, split: {each: '.[]', name: .id}, pick: .v}}\n")
	of, _ := config.Explain("t.yaml", split, "d")
	if row, err := config.Explain("t.yaml", split, "d/1"); err != nil || len(row) == 0 || !slices.Equal(lines(row), lines(of)) {
		t.Errorf("Explain of a row: %v\n%s\nwant\n%s", err, strings.Join(lines(row), "\n"), strings.Join(lines(of), "\n"))
	}
	if _, err := config.Explain("t.yaml", split, "d/A b"); err == nil {
		t.Error("Explain of what no row is called does not fail")
	}
	if _, err := config.Explain("t.yaml", data, "y"); err == nil || err.Error() != `t.yaml has no source or job "y", the sources and jobs are f, j, s, w and x` {
		t.Errorf("Explain of no source: %v", err)
	}
	if _, err := config.Explain("f", []byte("version: 2\n"), "s"); err == nil || !strings.HasPrefix(err.Error(), "f:1:10: version") {
		t.Errorf("Explain of a bad file: %v, want its problem", err)
	}
}

// Where the keys of alerts come from: the source or job, the defaults, or what is built in.
func TestExplainAlerts(t *testing.T) {
	const file = `version: 1
notify: {ops: {http: http://h}, leads: {http: http://l}}
defaults:
  alert: {notify: ops, after: 3, repeat: 4h, severity: info, slow_after: 10m}
sources:
  own: {exec: [a], alert: {if: . > 1, severity: critical, repeat: {limit: 2}, notify: leads}}
  bare: {exec: [a]}
  made: {from: [bare]}
  none: {exec: [a], alert: none}
  idle: {exec: [a], every: {unwatched: never}}
jobs:
  slow: {exec: [a], alert: {slow_after: 1m}}
  some: {exec: [a], alert: {on: failed}}
  none: {exec: [a], alert: none}
`
	for name, want := range map[string][]string{
		"source/own": {
			"alert.if = . > 1 (t.yaml:6)", "alert.after = 3 (t.yaml:4)", "alert.grace = 1m (built in)", "alert.severity = critical (t.yaml:6)",
			"alert.repeat.every = 4h (t.yaml:4)", "alert.repeat.limit = 2 (t.yaml:6)", "alert.notify = leads (t.yaml:6)",
		},
		"source/bare": {"alert.after = 3 (t.yaml:4)", "alert.grace = 1m (built in)", "alert.severity = info (t.yaml:4)", "alert.repeat.every = 4h (t.yaml:4)", "alert.notify = ops (t.yaml:4)"},
		"source/made": {"alert.grace = 1m (built in)", "alert.severity = info (t.yaml:4)", "alert.repeat.every = 4h (t.yaml:4)", "alert.notify = ops (t.yaml:4)"},
		"source/none": {"alert = none (t.yaml:9)"},
		"source/idle": nil,
		"job/slow":    {"alert.on = [failed, timed_out, lost, missed, slow] (built in)", "alert.slow_after = 1m (t.yaml:12)", "alert.severity = info (t.yaml:4)", "alert.repeat.every = 4h (t.yaml:4)", "alert.notify = ops (t.yaml:4)"},
		"job/some":    {"alert.on = failed (t.yaml:13)", "alert.severity = info (t.yaml:4)", "alert.repeat.every = 4h (t.yaml:4)", "alert.notify = ops (t.yaml:4)"},
		"job/none":    {"alert = none (t.yaml:14)"},
	} {
		settings, err := config.Explain("t.yaml", []byte(file), name)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.DeleteFunc(lines(settings), func(line string) bool { return !strings.HasPrefix(line, "alert") })
		if !slices.Equal(got, want) {
			t.Errorf("Explain(%s) =\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// A gauge is a source of a kind made for a test: it is told values, which are not parsed, by an upstream.
type gauge struct{ kind.Source }

// A plant is an upstream of that kind.
type plant struct{ kind.Upstream }

// Of a source that is told its values, no setting for polling applies, and one whose values are not parsed has no parse.
func TestExplainOtherKinds(t *testing.T) {
	of := func(name string, subscribes bool) kind.Kind {
		return kind.Kind{
			Name: name, Subscribes: subscribes,
			Section: func(r kind.Reading) kind.Section {
				upstream := func(n *grammar.Node) { r.Upstream(n) }
				return kind.Section{
					Keys: grammar.Keys{
						grammar.Func(name, "an upstream", grammar.ALine, upstream).OneOf(),
					},
					Source: func(*grammar.Node) kind.Source { return gauge{} },
				}
			},
		}
	}
	told := of("told", true)
	told.Upstream = func(kind.UpstreamReading) kind.UpstreamSection {
		return kind.UpstreamSection{
			Keys: grammar.Keys{
				grammar.Line("told", "an address", new(string)).OneOf(),
				grammar.Line("told_within", "a time", new(string)).Default("10s"),
			},
			Upstream: func(*grammar.Node) kind.Upstream { return plant{} },
		}
	}
	defer all.Extend(told, of("asked", false))()
	const text = `version: 1
defaults: {timeout: 4s}
upstreams:
  u: {http: http://h, limit: 5/s}
  p: {told: h}
sources:
  t: {told: p, at_most: 2s}
  a: {asked: u, every: 1s}
`
	for source, want := range map[string][]string{
		"t": {
			"told = p (t.yaml:7)", "title = t (built in)", "at_most = 2s (t.yaml:7)",
			"upstreams.p.told = h (t.yaml:5)", "upstreams.p.told_within = 10s (built in)", "upstreams.p.burst = 1 (built in)",
		},
		"a": {
			"asked = u (t.yaml:8)", "title = a (built in)", "every.normal = 1s (t.yaml:8)", "timeout = 4s (t.yaml:2)",
			"jitter = 10% (built in)", "backoff.min = 1s (built in)", "backoff.max = 5m (built in)",
			"stale_after = 3 polls (built in)",
			"upstreams.u.http = http://h (t.yaml:4)", "upstreams.u.keep_alive = true (built in)",
			"upstreams.u.limit = 5/s (t.yaml:4)", "upstreams.u.burst = 1 (built in)",
		},
	} {
		settings, err := config.Explain("t.yaml", []byte(text), source)
		if got := lines(settings); err != nil || !slices.Equal(got, want) {
			t.Errorf("Explain(%s) = %v\n%s\nwant\n%s", source, err, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}

	// A key of one kind says nothing in an upstream of another.
	for upstream, want := range map[string]string{
		"{told: h, bearer: secret}":        "bearer without http, remove it; it is for upstreams with http",
		"{http: http://h, told_within: x}": "told_within without told, remove it; it is for upstreams with told",
	} {
		_, problems := config.Load("t.yaml", []byte("version: 1\nupstreams:\n  u: "+upstream+"\n"))
		if len(problems) != 1 || !strings.HasSuffix(problems.Error(), ": "+want) {
			t.Errorf("%s: %v, want %s", upstream, problems, want)
		}
	}
}

// lines returns the settings as they are shown.
func lines(settings []grammar.Setting) (all []string) {
	for _, s := range settings {
		all = append(all, fmt.Sprintf("%s = %s (%s)", s.Key, s.Value, s.From))
	}
	return all
}
