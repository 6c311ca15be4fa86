package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
)

// Schema returns a JSON Schema (draft 2020-12) of the configuration, for
// editors, which then complete keys and explain them. It accepts every file
// that [Load] accepts; Load finds more.
func Schema() []byte {
	s := maps.Clone(object(fileKeys))
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Tidewire configuration"
	s["$defs"] = schema{"reference": schema{"type": "string", "pattern": `\$\{(env|file):`}}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		panic(fmt.Sprintf("config: the schema is not JSON: %v", err)) // it has nothing but texts, numbers and lists
	}
	return b.Bytes()
}
