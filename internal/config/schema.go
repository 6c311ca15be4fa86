package config

import (
	"github.com/tidewire/tidewire/internal/grammar"
)

// documentation is the page that contains the explanations in the schema.
const documentation = "https://github.com/tidewire/tidewire/blob/main/docs/configuration.md"

// Schema returns a JSON Schema (draft 2020-12) of the configuration, with which editors complete and explain keys. It
// accepts every file that [Load] accepts; Load finds further problems. See [grammar.Document].
func Schema() []byte {
	return grammar.Document("Tidewire configuration", documentation, newFileReader().keys())
}
