package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

func TestSectionsOf(t *testing.T) {
	for _, tt := range []struct{ paths, want []string }{
		{nil, nil},
		{[]string{""}, nil},
		{[]string{"a/b/c"}, []string{"a", "a/b", "a/b/c"}},
		{[]string{"a/b", "c", "", "a/b/c", "a b"}, []string{"a", "a b", "a/b", "a/b/c", "c"}},
	} {
		if got := config.AllSections(tt.paths); !slices.Equal(got, tt.want) {
			t.Errorf("AllSections(%q) = %q, want %q", tt.paths, got, tt.want)
		}
	}
}

func TestSection(t *testing.T) {
	sixty := strings.Repeat("ü", 60)
	for _, path := range []string{"Plant", "Plant/Line 1", "a/b/c/d", "7", sixty + "/" + sixty} {
		c, problems := config.Load("t.yaml", fmt.Appendf(nil,
			"version: 1\nsources: {a: {file: x, section: %s}}\njobs: {b: {exec: [date], section: %s}}", path, path))
		if problems != nil {
			t.Errorf("section: %s: %v", path, problems)
		} else if c.Sources[0].Section != path || c.Jobs[0].Section != path {
			t.Errorf("section: %s is read as %q and %q", path, c.Sources[0].Section, c.Jobs[0].Section)
		}
	}
	c, problems := config.Load("t.yaml", []byte(`version: 1
sources: {a: {file: x, section: Plant/Line 1}}
jobs: {b: {exec: [date], section: Office}}
quiet: [{at: "0 2 * * 0", for: 2h, of: [section/Plant, section/Office]}]
`))
	if problems != nil || !slices.Equal(c.Quiet[0].Of, []string{"section/Plant", "section/Office"}) {
		t.Errorf("quiet = %+v, %v", c, problems)
	}
	for of, want := range map[string]string{
		"section/Plants":       `of: unknown "section/Plants", did you mean "section/Plant"?`,
		"Plant":                `of: unknown "Plant", did you mean "section/Plant"?`,
		"section/Plant/Line 2": `of: unknown "section/Plant/Line 2", did you mean "section/Plant/Line 1"?`,
	} {
		_, problems := config.Load("t.yaml", fmt.Appendf(nil,
			"version: 1\nsources: {a: {file: x, section: Plant/Line 1}}\nquiet: [{at: '@daily', for: 2h, of: %s}]", of))
		if problems == nil || !strings.Contains(problems.Error(), want) {
			t.Errorf("of: %s: %v, want %s", of, problems, want)
		}
	}
	for yaml, want := range map[string]string{
		`""`:             "section is empty",
		`/`:              `section: "/" has an empty part, write the path from the outermost section, such as Plant/Line 1`,
		`/Plant`:         "has an empty part",
		`Plant/`:         "has an empty part",
		`a/ /b`:          "has an empty part",
		`a / b`:          "has a part that begins or ends with a space",
		`a/b/c/d/e`:      "has 5 parts, and at most 4 are shown",
		`"a\nb"`:         "section contains a line break",
		`[a, b]`:         "section is a list",
		sixty + "x/line": "has a part of 61 characters, and at most 60 are shown",
	} {
		for _, place := range []string{"sources: {a: {file: x, section: %s}}", "jobs: {a: {exec: [date], section: %s}}"} {
			_, problems := config.Load("t.yaml", []byte("version: 1\n"+fmt.Sprintf(place, yaml)))
			column := strings.Index(place, "%s") + 1
			if problems == nil || !strings.Contains(problems.Error(), fmt.Sprintf("t.yaml:2:%d: ", column)) || !strings.Contains(problems.Error(), want) {
				t.Errorf("section: %s: %v, want column %d and %s", yaml, problems, column, want)
			}
		}
	}
}
