package config_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

const whole = `
version: 1
upstreams:
  plant: {http: "https://plant.example/api", bearer: secret, headers: {X-Site: a}, limit: 10/m, burst: 3}
sources:
  tank:
    title: Tank
    http: {upstream: plant, path: /tank}
    every: 5s
    pick: {level: .level, temp: ".temp | round"}
    show: {value: level, unit: "%", min: 0, max: 100}
  other: {exec: [echo, "1"]}
  both: {from: [tank, other], combine: ".tank"}
jobs:
  scan:
    exec: [scan, "{subnet}", "{depth}"]
    args:
      subnet: {type: cidr, default: 10.0.0.0/24}
      depth: {type: int, default: 3, min: 1, max: 9}
    progress: '^(?<percent>\d+)%'
    timeout: 10m
  reboot:
    exec: [reboot, "{host}"]
    args: {host: {type: enum, values: {from: other, jq: ".hosts[]"}}}
`

// What is read twice is the same; whatever is changed in it, what says or uses that is not, and nothing else.
func TestSame(t *testing.T) {
	base := load(t, whole)
	for _, tt := range []struct{ old, new, changed string }{
		{"version: 1", "# a comment\nversion: 1", ""},
		{"X-Site: a", "X-Site: b", "tank"},
		{"bearer: secret", "bearer: another", "tank"},
		{"plant.example/api", "plant.example/apis", "tank"},
		{"limit: 10/m", "limit: 20/m", "tank"},
		{"path: /tank", "path: /tank2", "tank"},
		{"title: Tank", "title: Tonk", "tank"},
		{"every: 5s", "every: 6s", "tank"},
		{".temp | round", ".temp | floor", "tank"},
		{"level: .level, temp", "temp: .temp, level: .level, temps", "tank"},
		{"min: 0", "min: 1", "tank"},
		{`max: 100`, ``, "tank"},
		{`"1"`, `"2"`, "other"},
		{`".tank"`, `".other"`, "both"},
		{"[tank, other]", "[tank]", "both"},
		{"default: 10.0.0.0/24", "default: 10.1.0.0/24", "scan"},
		{"default: 3", `default: 4`, "scan"},
		{`\d+`, `\d{1,3}`, "scan"},
		{"timeout: 10m", "timeout: 11m", "scan"},
		{".hosts[]", ".hosts[].name", "reboot"},
		{"from: other, jq", "from: tank, jq", "reboot"},
	} {
		c := load(t, replace(t, whole, tt.old, tt.new))
		var changed string
		for i, s := range c.Sources {
			if !config.Same(s, base.Sources[i]) {
				changed += s.Name
			}
		}
		for i, j := range c.Jobs {
			if !config.Same(j, base.Jobs[i]) {
				changed += j.Name
			}
		}
		if changed != tt.changed {
			t.Errorf("%q instead of %q changes %q, want %q", tt.new, tt.old, changed, tt.changed)
		}
	}
}

// The parts of a configuration that are no plain data.
func TestSameOfWhatIsMadeFromText(t *testing.T) {
	next := func(d time.Duration) func(time.Time) time.Time {
		return func(at time.Time) time.Time { return at.Add(d) }
	}
	berlin, paris := time.FixedZone("Berlin", 3600), time.FixedZone("Paris", 3600)
	at := func(cron string, zone *time.Location) *config.At {
		return &config.At{Cron: cron, Zone: zone, Next: next(time.Duration(len(cron)))}
	}
	for i, tt := range []struct {
		a, b any
		want bool
	}{
		{at("@daily", berlin), at("@daily", berlin), true},
		{at("@daily", berlin), at("@daily", paris), false},
		{at("@daily", berlin), at("@hourly", berlin), false},
		{at("@daily", berlin), (*config.At)(nil), false},
		{(*config.At)(nil), (*config.At)(nil), true},
		{regexp.MustCompile("a+"), regexp.MustCompile("a+"), true},
		{regexp.MustCompile("a+"), regexp.MustCompile("a*"), false},
		{http.Header{"A": {"1"}}, http.Header{"A": {"1"}}, true},
		{http.Header{"A": {"1"}}, http.Header{"B": {"1"}}, false},
		{http.Header{"A": {"1"}}, http.Header{"A": {"1", "2"}}, false},
		{[]string(nil), []string{}, false}, // no list and an empty one may differ
		{1, 1.0, false},
		{nil, 1, false},
	} {
		if got := config.Same(tt.a, tt.b); got != tt.want {
			t.Errorf("%d: Same(%v, %v) = %v, want %v", i, tt.a, tt.b, got, tt.want)
		}
	}
}

// replace returns text with the one place where before stands changed.
func replace(t *testing.T, text, before, after string) string {
	t.Helper()
	if strings.Count(text, before) != 1 {
		t.Fatalf("%q is there %d times, want once", before, strings.Count(text, before))
	}
	return strings.Replace(text, before, after, 1)
}
