package grammar

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strings"
)

// Document returns the JSON Schema (draft 2020-12) of a file with the given keys, with which editors complete and
// explain keys. Links in the explanations that begin with # lead to the page documentation. markdownDescription,
// enumDescriptions and patternErrorMessage are extensions that editors show in preference to the keywords of the draft.
func Document(title, documentation string, keys Keys) []byte {
	s := maps.Clone(Object(keys))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$defs"] = Shape{"reference": Like("write a value that is allowed here, or a reference such as ${env:NAME}")}
	var tree map[string]any // without parts shared by two places
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
		panic(
			fmt.Sprintf("grammar: the schema is not JSON: %v", err),
		) // it contains only texts, numbers, lists and mappings
	}
	return b.Bytes()
}

// entitle sets the title of each value of a schema to its place, such as sources.NAME.show.unit, and makes the links in
// its explanation lead to the page.
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

// plainText returns Markdown without its markup.
func plainText(doc string) string {
	return strings.ReplaceAll(markdownLink.ReplaceAllString(doc, "$1"), "`", "")
}
