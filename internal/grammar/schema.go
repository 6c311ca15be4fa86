package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// Document returns the JSON Schema (draft 2020-12) of a file with such keys, for editors, which then complete keys and
// explain them. Links in the explanations that begin with # lead into the page documentation. markdownDescription,
// enumDescriptions and patternErrorMessage are words of editors, which show them instead of what the draft has.
func Document(title, documentation string, keys Keys) []byte {
	s := maps.Clone(Object(keys))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$defs"] = Shape{"reference": Like("write a value that is allowed here, or a reference such as ${env:NAME}")}
	var tree map[string]any // without parts that two places share
	if err := json.Unmarshal(encode(s), &tree); err != nil {
		panic(fmt.Sprintf("grammar: the schema is not JSON: %v", err))
	}
	entitle(tree, "", documentation)
	tree["title"] = title
	return encode(tree)
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("grammar: the schema is not JSON: %v", err)) // it has nothing but texts, numbers and lists
	}
	return b.Bytes()
}

// entitle gives each value of a schema its place as its title, such as sources.NAME.show.unit, and has the links in its
// explanation lead into the page.
func entitle(s map[string]any, place, page string) {
	if place != "" && s["type"] != nil || s["anyOf"] != nil {
		s["title"] = place
	}
	if doc, ok := s["markdownDescription"].(string); ok {
		s["markdownDescription"] = strings.ReplaceAll(doc, "](#", "]("+page+"#")
	}
	for _, key := range []string{"properties", "additionalProperties", "items", "anyOf"} {
		switch v := s[key].(type) {
		case map[string]any:
			switch key {
			case "properties":
				for name, of := range v {
					entitle(of.(map[string]any), strings.TrimPrefix(place+"."+name, "."), page)
				}
			case "additionalProperties":
				entitle(v, place+".NAME", page)
			default:
				entitle(v, place, page)
			}
		case []any:
			for _, of := range v {
				entitle(of.(map[string]any), place, page)
			}
		}
	}
}

var markdownLink = regexp.MustCompile(`\[([^]]*)\]\([^)]*\)`)

// plainText is Markdown without its signs.
func plainText(doc string) string {
	return strings.ReplaceAll(markdownLink.ReplaceAllString(doc, "$1"), "`", "")
}
