package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/config"
)

// TestSchemaExplainsItself: what an editor shows is a sentence, never a regular expression or a bare word. Each key has a
// title of its own, each pattern says what to write, each word what it means.
func TestSchemaExplainsItself(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	titles := map[any]string{}
	patterns, words := 0, 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(at, e)
			}
		case map[string]any:
			if pattern, ok := v["pattern"].(string); ok {
				patterns++
				if message, _ := v["patternErrorMessage"].(string); !strings.Contains(message, "write ") && !strings.Contains(message, "use ") {
					t.Errorf("%s: the pattern %s has the message %q, want one that says what to write", at, pattern, message)
				}
			}
			if all, ok := v["enum"].([]any); ok && v["enumDescriptions"] != nil {
				words++
				docs, _ := v["markdownEnumDescriptions"].([]any)
				if plain, _ := v["enumDescriptions"].([]any); len(docs) != len(all) || len(plain) != len(all) {
					t.Errorf("%s: %d words have %d and %d explanations", at, len(all), len(plain), len(docs))
				}
			}
			for name, e := range v {
				walk(at+"/"+name, e)
			}
		}
	}
	walk("", schema)
	var keys func(place string, v any)
	keys = func(place string, v any) {
		s, ok := v.(map[string]any)
		if !ok {
			return
		}
		properties, _ := s["properties"].(map[string]any)
		for name, of := range properties {
			at := strings.TrimPrefix(place+"."+name, ".")
			property := of.(map[string]any)
			if property["title"] != at || titles[at] != "" {
				t.Errorf("%s has the title %v, want its place", at, property["title"])
			}
			titles[at] = at
			plain, _ := property["description"].(string)
			markdown, _ := property["markdownDescription"].(string)
			if plain == "" || markdown == "" || strings.ContainsAny(plain, "`") || strings.Contains(markdown, "](#") {
				t.Errorf("%s has the descriptions %q and %q, want a plain one, and one in Markdown whose links lead somewhere", at, plain, markdown)
			}
			keys(at, of)
		}
		keys(place+".NAME", s["additionalProperties"])
		keys(place, s["items"])
		alternatives, _ := s["anyOf"].([]any)
		for _, of := range alternatives {
			keys(place, of)
		}
	}
	keys("", schema)
	if patterns < 50 || words < 15 || len(titles) < 120 {
		t.Errorf("%d patterns, %d lists of words, %d titles: want more", patterns, words, len(titles))
	}
}
