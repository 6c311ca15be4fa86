package value

import (
	"slices"
	"strings"
)

// Headers makes an object of headers, whose names are in their canonical form: names in small letters, several values joined by ", ".
// Those that are named in without are left out.
func Headers(h map[string][]string, without ...string) map[string]any {
	all := make(map[string]any, len(h))
	for name, lines := range h {
		if !slices.Contains(without, name) {
			all[strings.ToLower(name)] = strings.ToValidUTF8(strings.Join(lines, ", "), "\uFFFD")
		}
	}
	return all
}
