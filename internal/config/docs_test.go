package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind"
	"github.com/tidewire/tidewire/internal/kind/all"
	"github.com/tidewire/tidewire/internal/notify"
)

// Whole configurations on the other pages load, too. The files that they name are there.
func TestPages(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ca, err := os.ReadFile("testdata/ca.pem")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"tidewire.creds": nil, "ca.pem": ca} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("REPLICA", "plant-1")
	good := map[string]int{}
	for _, page := range pages {
		if filepath.Base(page) == "reach.md" {
			continue // the test of the module runs them, with what they name
		}
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)\n```yaml\n(version: .*?)```\n").FindAllStringSubmatch(string(data), -1) {
			good[filepath.Base(page)]++
			if _, problems := config.Load(filepath.Join(dir, "tidewire.yaml"), []byte(block[1])); problems != nil {
				t.Errorf("%s: %v\nin\n%s", page, problems, block[1])
			}
		}
	}
	if good["cluster.md"] != 2 {
		t.Errorf("the pages have %v configurations, want 2 of cluster.md", good)
	}
}

// TestDocumentation: the examples of docs/configuration.md load, its example
// of a bad file has the problems that it shows, and it names every key.
func TestDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	good, bad := 0, ""
	for _, block := range regexp.MustCompile("(?s)\n```([a-z ]+)\n(.*?)```\n").FindAllStringSubmatch(doc, -1) {
		switch kind, text := block[1], block[2]; kind {
		case "yaml":
			load(t, text)
			good++
		case "yaml bad":
			bad = text
		case "text":
			_, problems := config.Load("tidewire.yaml", []byte(bad))
			want := ""
			for _, p := range problems {
				want += p.String() + "\n" + p.Excerpt() + "\n"
			}
			if text != want {
				t.Errorf("the documented problems are\n%sLoad says\n%s", text, want)
			}
			bad = ""
		}
	}
	if good < 5 || bad != "" {
		t.Errorf("%d good examples and an unexplained bad one %q, want at least 5 and none", good, bad)
	}

	// So has each service.
	plain := strings.ReplaceAll(doc, "`", "")
	for _, s := range notify.Services() {
		if row := "| " + s[0] + " | " + s[1] + " |"; !strings.Contains(plain, row) {
			t.Errorf("docs/configuration.md has no row %s", row)
		}
	}

	// Each key of the schema has a row that begins with its name and ends with
	// what the schema says it means.
	rows := regexp.MustCompile(`(?m)^\| (.*?) \|.* \| (.*) \|$`).FindAllStringSubmatch(doc, -1)
	keys := 0
	var walk func(s map[string]any)
	walk = func(s map[string]any) {
		if properties, ok := s["properties"].(map[string]any); ok {
			for name, property := range properties {
				keys++
				means := strings.ReplaceAll(property.(map[string]any)["markdownDescription"].(string), "https://github.com/tidewire/tidewire/blob/main/docs/configuration.md", "")
				if !slices.ContainsFunc(rows, func(row []string) bool {
					return regexp.MustCompile("`([a-zA-Z0-9_.]+\\.)?"+name+"`").MatchString(row[1]) && row[2] == means
				}) {
					t.Errorf("docs/configuration.md has no row of the key %s that says %q", name, means)
				}
			}
		}
		for name, v := range s {
			switch v := v.(type) {
			case map[string]any:
				if name != "dependentSchemas" { // which has conditions alone, like allOf
					walk(v)
				}
			case []any:
				for _, v := range v {
					if name == "allOf" {
						break
					}
					if v, ok := v.(map[string]any); ok {
						walk(v)
					}
				}
			}
		}
	}
	var schema map[string]any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	walk(schema)
	if keys < 120 {
		t.Errorf("the schema has %d keys, want at least 120", keys)
	}
}

// TestBuiltIn: a file that says what is built in is one that does not say it.
func TestBuiltIn(t *testing.T) {
	var schema struct{ Properties map[string]any }
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	ofOthers := map[string]bool{} // keys of kinds that the file below does not have
	for _, k := range all.Kinds() {
		if k.Upstream == nil || k.Name == "http" {
			continue
		}
		for _, key := range k.Upstream(kind.UpstreamReading{}).Keys {
			ofOthers[key.Name()] = true
		}
	}
	said := 0
	// builtIn returns the defaults in the schema of the value at path.
	builtIn := func(path ...string) string {
		at := any(map[string]any{"properties": schema.Properties})
		for _, name := range path {
			at = at.(map[string]any)[name]
		}
		var b strings.Builder
		properties := at.(map[string]any)["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			property := properties[name].(map[string]any)
			if value, ok := property["default"]; ok && !ofOthers[name] {
				said++
				fmt.Fprintf(&b, ", %s: %v", name, value)
			}
			if name == "backoff" {
				fmt.Fprintf(&b, ", backoff: {min: %v, max: %v}", property["properties"].(map[string]any)["min"].(map[string]any)["default"],
					property["properties"].(map[string]any)["max"].(map[string]any)["default"])
			}
		}
		return b.String()
	}
	const silent = `{version: 1, upstreams: {u: {http: http://h, limit: 1/s%s}}, sources: {s: {exec: [a]%s}}, jobs: {j: {exec: [a, "{x}"]%s, args: {x: {title: x%s}}}}%s}`
	got := load(t, fmt.Sprintf(silent, builtIn("properties", "upstreams", "additionalProperties"), builtIn("properties", "sources", "additionalProperties"),
		builtIn("properties", "jobs", "additionalProperties"), builtIn("properties", "jobs", "additionalProperties", "properties", "args", "additionalProperties"), builtIn()))
	want := load(t, fmt.Sprintf(silent, "", "", "", "", ""))
	got.Warnings, want.Warnings = nil, nil // which name other places
	if !reflect.DeepEqual(got, want) {
		t.Errorf("with what is built in Load gives\n%#v\nwithout\n%#v", got.Sources[0], want.Sources[0])
	}
	if said != 12 {
		t.Errorf("%d built-in values, want 12", said)
	}
}
