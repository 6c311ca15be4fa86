package value

import (
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/internal/yaml"
)

// maxYAML is less than MaxBody, since its library takes some 100 ms for that much and cannot be interrupted.
const maxYAML = 1 << 20

// parseYAML makes a value of the one document in text.
func parseYAML(text []byte) (any, error) {
	if len(text) > maxYAML {
		return nil, &ParseError{What: fmt.Sprintf("the YAML is larger than %d MiB", maxYAML>>20)}
	}
	v, err := yaml.Value(text, MaxDepth)
	switch {
	case errors.Is(err, yaml.ErrEmpty):
		return nil, &ParseError{What: "empty, want YAML"}
	case err != nil:
		return nil, &ParseError{What: "not YAML (" + err.Error() + ")", Err: err}
	}
	return v, nil
}
