package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Bounds of a configuration.
const (
	MaxBytes = 1 << 20 // of one file
	maxFiles = 200     // that it includes
	maxDirs  = 200     // of one level, in which a pattern is looked for
)

// include adds to root what the files say that root includes, and those that
// they include. Way names the files from the first one to root's.
func (r *reader) include(root *yaml.Node, way ...string) {
	pattern := value(root, "include")
	if pattern == nil {
		return
	}
	r.reveal(pattern)
	names := r.matches(pattern)
	if n := len(r.files) - 1 + len(names); n > maxFiles {
		r.problem(pattern, fmt.Sprintf("include: there would be %d included files, at most %d can be", n, maxFiles), "name fewer files")
		return
	}
	for _, name := range names {
		same := func(other string) bool { return filepath.Clean(other) == name }
		switch {
		case slices.ContainsFunc(way, same):
			r.problem(pattern, "a file cannot include itself: "+strings.Join(append(slices.Clone(way), name), " -> "), "remove one of these includes, or name fewer files")
			continue
		case slices.ContainsFunc(r.files, func(f textFile) bool { return same(f.name) }):
			r.problem(pattern, fmt.Sprintf("include: %s is included twice", quote(name)), "include each file once")
			continue
		}
		data, why := r.readFile(name, MaxBytes)
		if why != "" {
			r.problem(pattern, fmt.Sprintf("include: %s cannot be read: %s", quote(name), why), "name files that this user can read, relative to the file that includes them")
			continue
		}
		if included := r.parse(name, data); included != nil {
			r.include(included, append(slices.Clone(way), name)...)
			r.merge(root, included)
		}
	}
}

var noPattern = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// matches returns the names of the files that the value of include names, in
// the order of the names.
func (r *reader) matches(n *yaml.Node) []string {
	const want = "write a file or a pattern such as conf.d/*.yaml"
	pattern, ok := r.text(n, "include", want)
	switch {
	case !ok:
		return nil
	case pattern == "" || r.expanded(n): // messages name the files
		r.problem(n, "include is empty", want)
		return nil
	case !strings.ContainsAny(pattern, wildcards):
		return []string{r.beside(n, pattern)}
	}
	whole := filepath.Clean(pattern)
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(noPattern.Replace(filepath.Dir(r.fileOf(n.Line).name)), whole)
	}
	if !r.inputs.addDirs(whole) {
		r.problem(n, fmt.Sprintf("include: the pattern looks into more than %d directories", maxDirs), want)
		return nil
	}
	names, err := filepath.Glob(whole)
	if err != nil {
		r.problem(n, fmt.Sprintf("include: %s is not a pattern", quote(pattern)), want)
	}
	// A directory may be empty, but one that is missing is a mistake.
	dir := filepath.Dir(pattern)
	if _, err := os.Stat(r.beside(n, dir)); err != nil && !strings.ContainsAny(dir, wildcards) {
		r.problem(n, fmt.Sprintf("include: there is no directory %s", quote(dir)), "create it or correct its name; it is relative to this file")
	}
	slices.Sort(names)
	return names
}

// merge adds the entries of an included file to root. Mappings are merged key by
// key, one level deep; a key that both have stays there twice, for entries to
// report. Each file may say its version.
func (r *reader) merge(root, included *yaml.Node) {
	for k, v := range r.entries(included, "the file") {
		first := find(root, k.Value)
		switch {
		case k.Value == "include":
			continue
		case k.Value == "version":
			r.reveal(v)
			r.version(v)
			continue
		case first == nil:
			root.Content = append(root.Content, k, v)
			continue
		}
		at := slices.Index(root.Content, first) + 1
		switch before := root.Content[at]; {
		case isNull(v):
		case isNull(before):
			root.Content[at] = v
		case before.Kind == yaml.MappingNode && v.Kind == yaml.MappingNode && !r.spoiled[before] && !r.spoiled[v]:
			before.Content = append(before.Content, v.Content...)
		default:
			root.Content = append(root.Content, k, v)
		}
	}
}
