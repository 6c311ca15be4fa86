package config

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
)

// Bounds of a section, so that its path and its headings have room everywhere.
const (
	maxSectionDepth = 4
	maxSectionPart  = 60 // characters
)

const aSection = "write the path from the outermost section, such as Plant/Line 1"

var sectionText = grammar.AnyScalar(grammar.Like(
	fmt.Sprintf("%s: at most %d parts of at most %d characters", aSection, maxSectionDepth, maxSectionPart),
	fmt.Sprintf("^[^/]{1,%d}(/[^/]{1,%d}){0,%d}$", maxSectionPart, maxSectionPart, maxSectionDepth-1)))

// sectionKey is the key of a source or job that says in which section it is.
func sectionKey(to *string) grammar.Key {
	return grammar.Func("section",
		"where it stands, for people: a path such as `Plant/Line 1`. The page groups by it, and a silence can be of a section. "+
			"At most 4 parts of at most 60 characters",
		sectionText, func(v *grammar.Node) { *to = readSection(v) })
}

func readSection(n *grammar.Node) string {
	s := n.Line("section")
	if s == "" {
		return ""
	}
	parts := strings.Split(s, "/")
	wrong := ""
	if len(parts) > maxSectionDepth {
		wrong = fmt.Sprintf("has %d parts, and at most %d are shown", len(parts), maxSectionDepth)
	}
	for _, part := range parts {
		switch {
		case wrong != "":
		case strings.TrimSpace(part) == "":
			wrong = "has an empty part"
		case strings.TrimSpace(part) != part:
			wrong = "has a part that begins or ends with a space"
		case utf8.RuneCountInString(part) > maxSectionPart:
			wrong = fmt.Sprintf("has a part of %d characters, and at most %d are shown", utf8.RuneCountInString(part), maxSectionPart)
		}
	}
	if wrong != "" {
		n.Problem(fmt.Sprintf("section: %s %s", grammar.Quote(s), wrong), aSection)
		return ""
	}
	return s
}
