package config_test

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
)

const splitSources = `
version: 1
upstreams: {u: {http: "https://u.example"}}
sources:
  a: {exec: [a]}
  boiler:
    title: Boiler
    section: Cellar
    http: {upstream: u}
    every: 10s
    stale_after: 1m
    split: {each: '.devices[]', name: .id, title: .label}
    pick: {temp: .temp}
    show: {value: temp, unit: °C, history: 1h}
    deadband: 0.5
    alert: {if: .temp > 90}
  z: {exec: [z]}
`

// The keys about values are those of the rows, and the others of the source that is split.
func TestSplit(t *testing.T) {
	c := load(t, splitSources)
	boiler := c.Sources[1]
	if boiler.Split == nil || boiler.Pick != nil || boiler.Deadband != nil || boiler.Alert != nil || boiler.Split.Forget != time.Hour ||
		!reflect.DeepEqual(boiler.Show, config.Show{History: time.Hour}) {
		t.Fatalf("the source that is split is %#v", boiler)
	}
	rows := c.WithRows(func(split *config.Source) []*config.Source {
		return []*config.Source{split.Row(config.Row{Name: "1", Title: "North", Section: "Roof"}), split.Row(config.Row{Name: "2"})}
	})
	var names []string
	for _, s := range rows.Sources {
		names = append(names, s.Name+" "+s.Title+" "+s.Section)
	}
	if got, want := strings.Join(names, ", "), "a a , boiler Boiler Cellar, boiler/1 North Roof, boiler/2 Boiler 2 Cellar, z z "; got != want {
		t.Errorf("the sources are %s, want %s", got, want)
	}
	one := rows.Sources[2]
	if one.Kind != config.KindSplit || one.SplitFrom != "boiler" || one.RowOf() != "1" || len(one.Pick) != 1 || len(one.Deadband) != 1 || one.Alert == nil ||
		one.Show.Unit != "°C" || one.Upstream != boiler.Upstream || one.StaleAfter != time.Minute || one.Polled() || one.Split != nil {
		t.Errorf("the source of a row is %#v", one)
	}
	if plain := load(t, whole); plain.WithRows(nil) != plain {
		t.Error("without split there is another configuration")
	}
	state := load(t, strings.Replace(splitSources, "{if: .temp > 90}", "{for: 1m}", 1)).Sources[1]
	if state.Alert == nil || state.Split.Rows.Alert == nil {
		t.Errorf("an alert without if is that of %v and %v, want of both", state.Alert, state.Split.Rows.Alert)
	}
}

// Rows of another definition have the same values if what is asked, and what is a row, are the same.
func TestRowsOfTheSameValue(t *testing.T) {
	row := func(yaml string) *config.Source { return load(t, yaml).Sources[1].Row(config.Row{Name: "1"}) }
	base := row(splitSources)
	for _, tt := range []struct {
		old, new string
		want     bool
	}{
		{"every: 10s", "every: 20s", true},
		{"title: .label", "title: .name", true},
		{"name: .id", "name: .serial", false},
		{"'.devices[]'", "'.all[]'", false},
		{"http: {upstream: u}", "http: {upstream: u}\n    parse: lines", false},
		{"http: {upstream: u}", "exec: [boilers]", false},
	} {
		if got := base.Spec.SameValue(row(replace(t, splitSources, tt.old, tt.new)).Spec); got != tt.want {
			t.Errorf("with %s a row has the same value: %v, want %v", tt.new, got, tt.want)
		}
	}
}

func TestRowName(t *testing.T) {
	for in, want := range map[string]string{
		"1": "1", "Boiler 7": "boiler-7", "  x  ": "x", "a/b": "a-b", "--a--b--": "a-b", "Küche": "k-che", "é": "", "": "", "..a._": "a._", "Ab.C_d": "ab.c_d",
		strings.Repeat("x", 100): strings.Repeat("x", 64), strings.Repeat("x", 63) + "-" + "y": strings.Repeat("x", 63), "K": "k",
	} {
		if got := config.RowName(in); got != want {
			t.Errorf("RowName(%q) = %q, want %q", in, got, want)
		}
	}
}

// What an upstream chooses becomes a name, a title and a section within their bounds, or nothing, and stays the same from then on.
func FuzzSplitRows(f *testing.F) {
	for _, s := range []string{"", "1", "a/b//c / d/e", "\x00\xff", strings.Repeat("é", 300), "a\u2028b", "K\u0307/İ", "-.-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name := config.RowName(s); name != "" && !grammar.IsName(name) || config.RowName(name) != name {
			t.Errorf("RowName(%q) = %q", s, name)
		}
		if title := config.RowTitle(s); utf8.RuneCountInString(title) > 101 || strings.ContainsAny(title, "\r\n\x00") || config.RowTitle(title) != title {
			t.Errorf("RowTitle(%q) = %q", s, title)
		}
		section := config.RowSection(s)
		parts := strings.Split(section, "/")
		for _, part := range parts {
			if section != "" && (part == "" || utf8.RuneCountInString(part) > 60 || strings.TrimSpace(part) != part) {
				t.Errorf("RowSection(%q) = %q", s, section)
			}
		}
		if len(parts) > 4 || config.RowSection(section) != section {
			t.Errorf("RowSection(%q) = %q", s, section)
		}
	})
}
