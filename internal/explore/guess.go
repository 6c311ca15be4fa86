package explore

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/text"
)

// Guess returns the formats in which an answer may be, the likeliest first: words for parse. At least text is among them.
func Guess(body string) []string {
	text := strings.TrimSpace(strings.TrimPrefix(body, "\ufeff"))
	lines := strings.Split(text, "\n")
	var all []string
	head := strings.ToLower(text[:min(len(text), 1024)])
	switch {
	case text == "":
	case json.Valid([]byte(text)):
		all = append(all, "json")
	case strings.HasPrefix(head, "<!doctype html") || strings.Contains(head, "<html"):
		all = append(all, "html")
	case strings.HasPrefix(text, "<"):
		all = append(all, "xml")
		if !strings.HasPrefix(head, "<?xml") {
			all = append(all, "html")
		}
	case isPrometheus(lines):
		all = append(all, "prometheus")
	case isCSV(lines):
		all = append(all, "csv")
	case isYAML(lines):
		all = append(all, "yaml")
	}
	if len(lines) > 1 {
		all = append(all, "lines")
	}
	return append(all, "text")
}

// looked is how many lines tell a format.
const looked = 20

var (
	metric   = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? +([-+]?[0-9.]+([eE][-+]?[0-9]+)?|[-+]?Inf|NaN)( [0-9]+)?$`)
	yamlLine = regexp.MustCompile(`^ *(- )*("[^"]*"|'[^']*'|[\w./ -]+):( .*)?$|^ *- |^ *#|^---$|^ *$`)
	yamlKey  = regexp.MustCompile(`^("[^"]*"|'[^']*'|[\w./-]+): *`)
)

// isPrometheus reports whether lines are metrics.
func isPrometheus(lines []string) bool {
	metrics := 0
	for _, line := range lines[:min(len(lines), looked)] {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case metric.MatchString(line):
			metrics++
		default:
			return false
		}
	}
	return metrics > 0
}

// isCSV reports whether lines have the same number of fields, of which there are several.
func isCSV(lines []string) bool {
	if len(lines) < 2 {
		return false
	}
	delimiter := string(text.Delimiter(lines[0]))
	n := strings.Count(unquoted(lines[0]), delimiter)
	return n > 0 && !slices.ContainsFunc(lines[:min(len(lines), looked)], func(line string) bool { return strings.Count(unquoted(line), delimiter) != n })
}

var quotedField = regexp.MustCompile(`"([^"]|"")*"`)

func unquoted(line string) string { return quotedField.ReplaceAllString(line, "") }

// isYAML reports whether lines are keys with values.
func isYAML(lines []string) bool {
	keys := 0
	for _, line := range lines[:min(len(lines), looked)] {
		line = strings.TrimRight(line, "\r")
		if !yamlLine.MatchString(line) {
			return false
		}
		if yamlKey.MatchString(line) {
			keys++
		}
	}
	return keys > 0
}
