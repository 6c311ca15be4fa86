package config_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

func TestAnAlertMaySayNoMoreThanHowLong(t *testing.T) {
	c, problems := config.Load("t.yaml", []byte("version: 1\nsources: {a: {exec: [a], alert: {for: 1s}}, b: {exec: [b], alert: {if: . > 9, clear: . < 5, clear_for: 1m}}}"))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if a := c.Sources[0].Alert; a == nil || a.For != time.Second || a.If != nil || a.Notify != nil {
		t.Errorf("alert = %+v, want one for 1s", a)
	}
	if b := c.Sources[1].Alert; b.Clear.String() != ". < 5" || b.ClearFor != time.Minute {
		t.Errorf("alert = %+v, want clear and clear_for", b)
	}
}

// Defaults give every source and job an alert, key by key, where a key means something.
func TestDefaultsOfAlerts(t *testing.T) {
	c := load(t, `version: 1
defaults:
  alert: {notify: ops, severity: info, repeat: {every: 4h, limit: 3}, for: 1m, after: 3, clear_for: 2m, grace: 5m, slow_after: 10m}
notify: {ops: {http: http://h}, leads: {http: http://l}}
sources:
  bare: {exec: [a]}
  own: {exec: [a], alert: {if: . > 1, for: 0, after: 1, clear_for: 0, grace: 0, severity: critical, repeat: 0, notify: leads}}
  less: {exec: [a], alert: {repeat: {limit: 1}}}
  made: {from: [bare]}
  idle: {exec: [a], every: {unwatched: never}}
  asked: {exec: [a], every: {unwatched: never}, alert: {for: 2s}}
  none: {exec: [a], alert: none}
jobs:
  bare: {exec: [a], at: "@daily"}
  own: {exec: [a], alert: {on: [failed, slow], slow_after: 1m, severity: warning, repeat: 1h, notify: [leads, ops]}}
  some: {exec: [a], alert: {on: failed}}
  none: {exec: [a], alert: none}
`)
	ops, leads := c.Notify[:1], c.Notify[1:]
	repeat := config.Repeat{Every: 4 * time.Hour, Limit: 3}
	usual := config.Alert{For: time.Minute, After: 3, ClearFor: 2 * time.Minute, Grace: 5 * time.Minute, Severity: config.SeverityInfo, Repeat: repeat, Notify: ops}
	less, made, asked := usual, usual, usual
	less.Repeat.Limit, made.After, asked.For = 1, 1, 2*time.Second
	for name, want := range map[string]*config.Alert{
		"bare": &usual, "less": &less, "made": &made, "asked": &asked, "idle": nil, "none": nil,
		"own": {After: 1, Severity: config.SeverityCritical, Repeat: config.Repeat{Limit: 3}, Notify: leads},
	} {
		s, err := c.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		got := s.Alert
		if name == "own" {
			if got.If.String() != ". > 1" {
				t.Errorf("if of %s = %v", name, got.If)
			}
			got.If = nil
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("alert of source %s = %+v, want %+v", name, got, want)
		}
	}
	reasons := []config.Reason{config.ReasonFailed, config.ReasonTimedOut, config.ReasonLost, config.ReasonMissed, config.ReasonSlow}
	for i, want := range []*config.JobAlert{
		{On: reasons, SlowAfter: 10 * time.Minute, Severity: config.SeverityInfo, Repeat: repeat, Notify: ops},
		{
			On: []config.Reason{config.ReasonFailed, config.ReasonSlow}, SlowAfter: time.Minute, Severity: config.SeverityWarning,
			Repeat: config.Repeat{Every: time.Hour, Limit: 3}, Notify: []*config.Notify{leads[0], ops[0]},
		},
		{On: reasons[:1], Severity: config.SeverityInfo, Repeat: repeat, Notify: ops},
		nil,
	} {
		if j := c.Jobs[i]; !reflect.DeepEqual(j.Alert, want) {
			t.Errorf("alert of job %s = %+v, want %+v", j.Name, j.Alert, want)
		}
	}
}

// Without defaults only those that say so have an alert, with what is built in.
func TestAlertsBuiltIn(t *testing.T) {
	c := load(t, `{version: 1, sources: {a: {exec: [a]}, b: {exec: [b], alert: {severity: info}}}, jobs: {a: {exec: [a]}, b: {exec: [b], alert: {severity: info}}, c: {exec: [c], alert: {slow_after: 1m}}}}`)
	if a, b := c.Sources[0].Alert, c.Sources[1].Alert; a != nil || !reflect.DeepEqual(b, &config.Alert{After: 1, Grace: time.Minute, Severity: config.SeverityInfo}) {
		t.Errorf("alerts of sources = %+v, %+v", a, b)
	}
	usual := []config.Reason{config.ReasonFailed, config.ReasonTimedOut, config.ReasonLost, config.ReasonMissed}
	want := []*config.JobAlert{nil, {On: usual, Severity: config.SeverityInfo}, {On: append(slices.Clone(usual), config.ReasonSlow), SlowAfter: time.Minute, Severity: config.SeverityWarning}}
	for i, want := range want {
		if got := c.Jobs[i].Alert; !reflect.DeepEqual(got, want) {
			t.Errorf("alert of job %s = %+v, want %+v", c.Jobs[i].Name, got, want)
		}
	}
}

// Words of defaults are checked with those of a source or job, as far as these are written there.
func TestDefaultsOfAlertsAreChecked(t *testing.T) {
	for file, want := range map[string]string{
		`defaults: {alert: {on: [failed, slow]}}, jobs: {j: {exec: [a]}}`:                                                "1:37: on has slow, and nothing says what that is, add slow_after: 10m, or remove slow",
		`defaults: {alert: {on: [failed], slow_after: 1m}}, jobs: {j: {exec: [a]}}`:                                      "1:59: slow_after without slow in on has no effect, add slow to on, or remove slow_after",
		`defaults: {alert: {on: [failed]}}, jobs: {j: {exec: [a], alert: {slow_after: 1m}}}`:                             "1:91: slow_after without slow in on has no effect, add slow to on, or remove slow_after",
		`defaults: {alert: {slow_after: 1m}}, jobs: {j: {exec: [a], alert: {on: [slow]}}}`:                               "",
		`defaults: {alert: {slow_after: 1h}}, jobs: {j: {exec: [a]}}`:                                                    "",
		`defaults: {alert: {on: missed}}, jobs: {j: {exec: [a]}}`:                                                        "",
		`defaults: {alert: {}}, jobs: {j: {exec: [a]}}`:                                                                  "1:32: alert of defaults says neither when nor to whom, add a key such as notify: ops",
		`defaults: {alert: none}, jobs: {j: {exec: [a]}}`:                                                                `1:32: alert of defaults is a text, write a mapping of "key: value" with for, after, clear_for, grace, severity, repeat, notify, on and slow_after`,
		`defaults: {alert: {repeat: {limit: 3}}}, jobs: {j: {exec: [a]}}`:                                                "1:49: limit of repeat without every has no effect, add every: 4h, or remove it",
		`defaults: {alert: {notify: op}}, jobs: {j: {exec: [a]}}`:                                                        "1:41: unknown receiver \"op\", there are no receivers",
		`defaults: {alert: {repeat: 4h}}, jobs: {j: {exec: [a], alert: {repeat: {every: 0, limit: 2}}}}`:                 "1:103: limit of repeat without every has no effect, add every: 4h, or remove it",
		`defaults: {alert: {repeat: 4h}}, sources: {s: {exec: [a], alert: {repeat: {limit: 2}}}}`:                        "",
		`sources: {s: {exec: [a], alert: none}}, jobs: {j: {exec: [a], alert: none}}`:                                    "",
		`sources: {s: {exec: [a]}}, quiet: [` + strings.Repeat(`{at: "@daily", for: 1h, of: all},`, 101) + `]`:           "1:48: quiet has 101 entries, write at most 100",
		`sources: {s: {exec: [a]}}, quiet: [` + strings.Repeat(`{at: "@daily", for: 24h, of: source/s},`, 100) + `]`:     "",
		`sources: {s: {exec: [a]}}, quiet: [{at: {cron: "0 0 * * 6,0", zone: Europe/Berlin}, for: 24h, of: [source/s]}]`: "",
	} {
		_, problems := config.Load("f", []byte("{version: 1, "+file+"}"))
		got := ""
		if len(problems) > 0 {
			got = strings.TrimPrefix(fmt.Sprint(problems[0]), "f:")
		}
		if got != want || len(problems) > 1 {
			t.Errorf("%s: problems are\n%v\nwant\n%s", file, problems, want)
		}
	}
}

func TestQuiet(t *testing.T) {
	c := load(t, `version: 1
upstreams: {u: {http: http://h}}
sources: {s: {http: {upstream: u}}}
jobs: {j: {exec: [a]}}
quiet:
  - {at: {cron: "0 2 * * 0", zone: Europe/Berlin}, for: 2h, of: [upstream/u, source/s, job/j], reason: backup}
  - {at: "@daily", for: 1h, of: all}
`)
	q := c.Quiet[0]
	if q.At.Cron != "0 2 * * 0" || q.At.Zone.String() != "Europe/Berlin" || q.For != 2*time.Hour || q.Reason != "backup" ||
		!slices.Equal(q.Of, []string{"upstream/u", "source/s", "job/j"}) {
		t.Errorf("quiet = %+v", q)
	}
	saturday := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	if got, want := q.At.Next(saturday), time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC); !got.Equal(want) {
		t.Errorf("it begins at %v, want %v", got, want)
	}
	if q := c.Quiet[1]; !slices.Equal(q.Of, []string{config.QuietAll}) || q.At.Zone != time.Local || q.Reason != "" {
		t.Errorf("quiet = %+v", q)
	}
}
