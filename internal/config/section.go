package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
)

// Bounds of a section, so that its path and its headings have room everywhere.
const (
	maxSectionDepth = 4
	maxSectionPart  = 60 // characters
)

// SectionsOf returns the path of a section after those of the sections around it: for Plant/Line 1 they are Plant and
// Plant/Line 1. It is nil if path is empty.
func SectionsOf(path string) (all []string) {
	for i := range len(path) {
		if path[i] == '/' {
			all = append(all, path[:i])
		}
	}
	if path != "" {
		all = append(all, path)
	}
	return all
}

// AllSections returns the paths of some sections and of those around them, each once and in order.
func AllSections(paths []string) []string {
	var all []string
	for _, path := range paths {
		all = append(all, SectionsOf(path)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

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
