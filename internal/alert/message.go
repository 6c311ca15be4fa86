package alert

import (
	"encoding/json"
	"slices"
)

// headlineOf is the member of a value that has that name or is the only one, else all of it.
func headlineOf(name string, value json.RawMessage) json.RawMessage {
	var object map[string]json.RawMessage
	if json.Unmarshal(value, &object) != nil {
		return value
	}
	if member, ok := object[name]; ok {
		return member
	}
	if len(object) == 1 {
		for _, member := range object {
			return member
		}
	}
	return value
}

// worse is the higher one of two severities.
func worse(a, b string) string {
	rank := []string{"info", "warning", "critical"}
	if slices.Index(rank, b) > slices.Index(rank, a) {
		return b
	}
	return a
}
