package alert

import "encoding/json"

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
