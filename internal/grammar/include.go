package grammar

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of a configuration.
const (
	maxFiles = 200 // included files
	maxDirs  = 200 // directories per level that are searched for a pattern
)

// include merges the files that root includes, and the files that those include, into root. Way names the files from
// the first one to root's.
func (r *Reader) include(root *Node, way ...string) {
	pattern := root.Get(r.options.Include)
	if r.options.Include == "" || pattern == nil {
		return
	}
	pattern.Reveal()
	names := r.matches(pattern)
	if n := len(r.files) - 1 + len(names); n > maxFiles {
		pattern.Problem(fmt.Sprintf("include: there would be %d included files, at most %d can be", n, maxFiles),
			"name fewer files")
		return
	}
	for _, name := range names {
		same := func(other string) bool { return filepath.Clean(other) == name }
		switch {
		case slices.ContainsFunc(way, same):
			pattern.Problem("a file cannot include itself: "+strings.Join(append(slices.Clone(way), name), " -> "),
				"remove one of these includes, or name fewer files")
			continue
		case slices.ContainsFunc(r.files, func(f textFile) bool { return same(f.name) }):
			pattern.Problem(fmt.Sprintf("include: %s is included twice", Quote(name)), "include each file once")
			continue
		}
		data, why := r.readFile(name, MaxBytes)
		if why != "" {
			pattern.Problem(fmt.Sprintf("include: %s cannot be read: %s", Quote(name), why),
				"name files that this user can read, relative to the file that includes them")
			continue
		}
		if included := r.parse(name, data); included != nil {
			r.include(included, append(slices.Clone(way), name)...)
			r.merge(root, included)
		}
	}
}

var noPattern = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// matches returns the names of the files that match the value of include, sorted.
func (r *Reader) matches(n *Node) []string {
	const want = "write a file or a pattern such as conf.d/*.yaml"
	pattern, ok := n.Text("include", want)
	switch {
	case !ok:
		return nil
	case pattern == "" || n.HasReferences(): // no references: messages show the names of files
		n.Problem("include is empty", want)
		return nil
	case !strings.ContainsAny(pattern, wildcards):
		return []string{n.Beside(pattern)}
	}
	whole := filepath.Clean(pattern)
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(noPattern.Replace(filepath.Dir(r.fileOf(n.line).name)), whole)
	}
	if !r.inputs.addDirs(whole) {
		n.Problem(fmt.Sprintf("include: the pattern looks into more than %d directories", maxDirs), want)
		return nil
	}
	names, err := filepath.Glob(whole)
	if err != nil {
		n.Problem(fmt.Sprintf("include: %s is not a pattern", Quote(pattern)), want)
	}
	// A directory may be empty, but one that is missing is a mistake.
	dir := filepath.Dir(pattern)
	if _, err := os.Stat(n.Beside(dir)); err != nil && !strings.ContainsAny(dir, wildcards) {
		n.Problem(fmt.Sprintf("include: there is no directory %s", Quote(dir)),
			"create it or correct its name; it is relative to this file")
	}
	slices.Sort(names)
	return names
}

// merge adds the entries of an included file to root. Mappings are merged key by key, one level deep; a key in both
// appears twice, and Entries reports it.
func (r *Reader) merge(root, included *Node) {
	for k, v := range included.Entries("the file") {
		if k.value == r.options.Include {
			continue
		}
		if read := r.options.PerFile[k.value]; read != nil {
			v.Reveal()
			read(v)
			continue
		}
		first := root.Key(k.value)
		if first == nil {
			root.content = append(root.content, k, v)
			continue
		}
		at := slices.Index(root.content, first) + 1
		switch before := root.content[at]; {
		case v.IsNull():
		case before.IsNull():
			root.content[at] = v
		case before.IsMapping() && v.IsMapping() && !before.spoiled && !v.spoiled:
			before.content = append(before.content, v.content...)
		default:
			root.content = append(root.content, k, v)
		}
	}
}
