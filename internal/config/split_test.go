package config_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/kind"
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

// What is computed from rows has those as inputs that there are, and what is split in place of others.
func TestComputedFromRows(t *testing.T) {
	c := load(t, splitSources+`
  all: {from: [a, boiler/*], needs: all}
  some: {from: [boiler/1, boiler/2, boiler/3]}
  none: {from: [a, z]}
`)
	inputs := func(c *config.Config, name string) string {
		for _, s := range c.Sources {
			if s.Name == name {
				spec := s.Spec.(kind.Computed)
				return fmt.Sprint(spec.Inputs(), spec.Needed())
			}
		}
		return ""
	}
	rows := func(names ...string) *config.Config {
		return c.WithRows(func(split *config.Source) (all []*config.Source) {
			for _, name := range names {
				all = append(all, split.Row(config.Row{Name: name}))
			}
			return all
		})
	}
	two := rows("1", "2")
	for _, tt := range []struct {
		name string
		in   *config.Config
		want string
	}{
		{"all", c, "[a boiler] 2"}, {"all", rows(), "[a boiler] 2"}, {"all", two, "[a boiler/1 boiler/2] 3"},
		{"some", c, "[boiler] 1"}, {"some", rows("2"), "[boiler boiler/2] 2"}, {"some", two, "[boiler/1 boiler/2 boiler] 3"}, {"some", rows("1", "2", "3"), "[boiler/1 boiler/2 boiler/3] 3"},
		{"none", c, "[a z] 2"}, {"none", two, "[a z] 2"},
	} {
		if got := inputs(tt.in, tt.name); got != tt.want {
			t.Errorf("%s is computed from %s, want %s", tt.name, got, tt.want)
		}
	}
	for _, s := range two.Sources {
		again := rows("1", "2").Sources
		if i := slices.IndexFunc(again, func(other *config.Source) bool { return other.Name == s.Name }); !config.Same(s, again[i]) {
			t.Errorf("%s is another one for the same rows", s.Name)
		}
		if i := slices.Index(c.Sources, s); s.Name == "none" && i < 0 {
			t.Errorf("%s is another one, and it is computed from no row", s.Name)
		}
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
