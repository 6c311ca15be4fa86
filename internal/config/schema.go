package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
)

// documentation is the page of which the explanations in the schema are a part.
const documentation = "https://github.com/tidewire/tidewire/blob/main/docs/configuration.md"

// Schema returns a JSON Schema (draft 2020-12) of the configuration, for editors, which then complete keys and explain
// them. It accepts every file that [Load] accepts; Load finds more. markdownDescription, enumDescriptions and
// patternErrorMessage are words of editors, which show them instead of what the draft has.
func Schema() []byte { return bytes.Clone(theSchema()) }

var theSchema = sync.OnceValue(func() []byte {
	s := maps.Clone(object(fileKeys))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$defs"] = schema{"reference": like("write a value that is allowed here, or a reference such as ${env:NAME}")}
	var tree map[string]any // without parts that two places share
	if err := json.Unmarshal(encode(s), &tree); err != nil {
		panic(fmt.Sprintf("config: the schema is not JSON: %v", err))
	}
	entitle(tree, "")
	tree["title"] = "Tidewire configuration"
	return encode(tree)
})

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("config: the schema is not JSON: %v", err)) // it has nothing but texts, numbers and lists
	}
	return b.Bytes()
}

// entitle gives each value of a schema its place as its title, such as sources.NAME.show.unit.
func entitle(s map[string]any, place string) {
	if place != "" && s["type"] != nil || s["anyOf"] != nil {
		s["title"] = place
	}
	for _, key := range []string{"properties", "additionalProperties", "items", "anyOf"} {
		switch v := s[key].(type) {
		case map[string]any:
			switch key {
			case "properties":
				for name, of := range v {
					entitle(of.(map[string]any), strings.TrimPrefix(place+"."+name, "."))
				}
			case "additionalProperties":
				entitle(v, place+".NAME")
			default:
				entitle(v, place)
			}
		case []any:
			for _, of := range v {
				entitle(of.(map[string]any), place)
			}
		}
	}
}

var markdownLink = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)

// plainText is Markdown without its signs.
func plainText(doc string) string {
	return strings.ReplaceAll(markdownLink.ReplaceAllString(doc, "$1"), "`", "")
}
