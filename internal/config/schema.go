package config

import (
	"github.com/tidewire/tidewire/internal/grammar"
)

// documentation is the page of which the explanations in the schema are a part.
const documentation = "https://github.com/tidewire/tidewire/blob/main/docs/configuration.md"

// Schema returns a JSON Schema (draft 2020-12) of the configuration, for editors, which then complete keys and explain
// them. It accepts every file that [Load] accepts; Load finds more. See [grammar.Document].
func Schema() []byte {
	return grammar.Document("Tidewire configuration", documentation, newFileReader().keys())
}
