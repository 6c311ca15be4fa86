package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind/file"
)

func TestSection(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("1"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("NAME", "state")
	c, problems := config.Load(filepath.Join(dir, "tidewire.yaml"), []byte(`version: 1
sources:
  short: {file: state.json}
  long: {file: {path: "${env:NAME}.json", max_age: 26h}, parse: text}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	path := filepath.Join(dir, "state.json")
	short, long := c.Sources[0], c.Sources[1]
	if got := short.Spec.(*file.Source); got.Path != path || got.MaxAge != 0 || got.Given != nil || short.Parse.Name != "json" || short.Kind != "file" {
		t.Errorf("short = %+v of kind %s parsed as %s", got, short.Kind, short.Parse)
	}
	if got := long.Spec.(*file.Source); got.Path != path || got.MaxAge != 26*time.Hour || len(got.Given) != 1 || long.Parse.Name != "text" {
		t.Errorf("long = %+v parsed as %s", got, long.Parse)
	}
	if c.Warnings != nil {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

func TestWrongSections(t *testing.T) {
	t.Setenv("NAME", "s3cret")
	for source, want := range map[string]string{
		"file: ''":                            "3:13: file is empty",
		"file: [a, b]":                        "3:13: file is a list",
		"file: {max_age: 1h}":                 "3:13: file of source \"a\" has no path, add one such as path: /sys/class/thermal/thermal_zone0/temp",
		"file: {path: a, max_age: soon}":      "3:32: max_age",
		"file: {name: a}":                     `3:14: unknown key "name" in file of source "a", did you mean "path"?`,
		"file: x, exec: [a]":                  "3:3: source \"a\" has more than one kind",
		"path: x":                             `3:7: unknown key "path" in source "a", did you mean "file"?`,
		"file: x, combine: .":                 "3:25: combine without from",
		"file: missing.txt":                   "warning 3:13: there is no file",
		"file: .":                             "warning 3:13: \"DIR\" is a directory, name a file in it",
		`file: "${env:NAME}"`:                 "", // it is not shown, so it is not warned of
		"file: /dev/null":                     `warning 3:13: "/dev/null" is not a regular file`,
		"file: {path: missing.txt}":           "warning 3:20: there is no file",
		"file: x.json, parse: lines, env: {}": "3:40: env without exec",
	} {
		dir := t.TempDir()
		c, problems := config.Load(filepath.Join(dir, "t.yaml"), []byte("version: 1\nsources:\n  a: {"+source+"}\n"))
		var got string
		if c != nil && c.Warnings != nil {
			got = strings.ReplaceAll("warning "+c.Warnings.Error(), dir+"/t.yaml:", "")
		} else if problems != nil {
			got = strings.ReplaceAll(problems.Error(), dir+"/t.yaml:", "")
		}
		if got = strings.ReplaceAll(got, dir, "DIR"); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}
