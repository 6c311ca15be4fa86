package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

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
