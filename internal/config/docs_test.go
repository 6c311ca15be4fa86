package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

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

	// An unknown key makes Load list the known ones.
	_, problems := config.Load("f", []byte(`
??????: 1
defaults: {??????: 1, backoff: {??????: 1}}
upstreams: {u: {??????: 1}}
sources: {s: {??????: 1, http: {??????: 1}, show: {??????: 1}}}
jobs: {j: {??????: 1, args: {a: {??????: 1}}}}
`))
	keys := 0
	for _, p := range problems {
		names, ok := strings.CutPrefix(p.Want, "the keys here are ")
		if !ok {
			continue
		}
		for _, key := range regexp.MustCompile(`, | and `).Split(names, -1) {
			keys++
			if !regexp.MustCompile("`([a-z_]+\\.)?" + key + "`").MatchString(doc) {
				t.Errorf("docs/configuration.md does not name the key %s (%v)", key, p)
			}
		}
	}
	if keys < 45 {
		t.Errorf("Load lists %d keys, want at least 45:\n%v", keys, problems)
	}
}
