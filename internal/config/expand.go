package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/file"
)

const maxFileBytes = 64 << 10 // of a file that a reference names

// reference matches "$${", which stands for "${", and references to the
// environment and to files, the latter also where they do not end.
var reference = regexp.MustCompile(`\$\$\{|\$\{(env|file):([^}]*)(\}?)`)

// expand replaces the references in the scalar n. It works on the parsed node,
// so that a value never becomes syntax; a value is not expanded again. A node
// whose references cannot be replaced is spoiled.
func (r *reader) expand(n *yaml.Node) {
	matches := reference.FindAllStringSubmatchIndex(n.Value, -1)
	if matches == nil {
		return
	}
	var b strings.Builder
	end, references := 0, 0
	for _, m := range matches {
		b.WriteString(n.Value[end:m[0]])
		end = m[1]
		if m[2] < 0 { // $${
			b.WriteString("${")
			continue
		}
		references++
		value, given, what, want := r.resolve(n, n.Value[m[2]:m[3]], n.Value[m[4]:m[5]], m[6] < m[7])
		if what != "" {
			line, column := r.within(n, utf8.RuneCountInString(n.Value[:m[0]]))
			ref := n.Value[m[0]:m[4]] // what follows may be anything if it does not end
			if m[6] < m[7] {
				ref = refName(n.Value[m[2]:m[3]], n.Value[m[4]:m[5]])
			}
			r.report(line, column, quote(ref)+" "+what, want)
			r.spoiled[n] = true
		}
		if given {
			r.given[n] = append(r.given[n], value)
		}
		b.WriteString(value)
	}
	b.WriteString(n.Value[end:])
	switch {
	case r.spoiled[n]:
		return
	case references > 0:
		r.written[n] = n.Value
		n.Tag = "" // it may be a number, whatever quotes are around the reference
	}
	n.Value = b.String()
}

// refs names the references of which the value of n is made.
func (r *reader) refs(n *yaml.Node) []string {
	var refs []string
	for _, m := range reference.FindAllStringSubmatch(r.written[n], -1) {
		if m[1] != "" {
			refs = append(refs, quote(refName(m[1], m[2])))
		}
	}
	return refs
}

// givenIn returns what references gave in the values of those keys of the mapping n.
func (r *reader) givenIn(n *yaml.Node, keys ...string) (given []string) {
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		given = append(given, r.given[n]...)
		for _, c := range n.Content {
			walk(c)
		}
	}
	for _, key := range keys {
		if v := value(n, key); v != nil {
			walk(v)
		}
	}
	return given
}

// refName is a reference without its default, which may be a credential.
func refName(kind, arg string) string {
	if kind == "env" {
		arg, _, _ = strings.Cut(arg, ":-")
	}
	return "${" + kind + ":" + arg + "}"
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolve returns the value of a reference in n, or what is wrong with it. A value that is
// not the default, which stands in the file, is given.
func (r *reader) resolve(n *yaml.Node, kind, arg string, closed bool) (value string, given bool, what, want string) {
	switch {
	case !closed:
		return "", false, "does not end", `add the closing "}", or write "$${" if it is no reference`
	case kind == "env":
		name, fallback, optional := strings.Cut(arg, ":-")
		if !envName.MatchString(name) {
			return "", false, "does not name an environment variable", "write ${env:NAME} or ${env:NAME:-default}"
		}
		value, set := os.LookupEnv(name)
		switch {
		case value == "" && optional:
			return fallback, false, "", ""
		case !set:
			return "", false, "is not set", fmt.Sprintf("set the environment variable %s, or write ${env:%s:-default}", name, name)
		case !utf8.ValidString(value):
			return "", false, "is not UTF-8 text", "set it to a text"
		}
		return value, true, "", ""
	case arg == "":
		return "", false, "does not name a file", "write ${file:PATH}"
	}
	data, why := r.readFile(r.beside(n, arg), maxFileBytes)
	switch {
	case why != "":
		return "", false, "cannot be read: " + why, "name a file that this user can read, relative to the configuration file"
	case !utf8.Valid(data):
		return "", false, "is not UTF-8 text", "name a file that holds a text"
	}
	value, _ = strings.CutSuffix(string(data), "\n")
	value, _ = strings.CutSuffix(value, "\r")
	return value, true, "", ""
}

// beside returns a path that n names, which is relative to n's file.
func (r *reader) beside(n *yaml.Node, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(r.fileOf(n.Line).name), path)
}

// readFile reads a regular file of at most so many bytes, or says why not.
func (r *reader) readFile(path string, most int64) (data []byte, why string) {
	defer func() { r.inputs.addRead(path, data, why) }()
	data, err := file.Read(path, most)
	if err != nil {
		return nil, reason(err)
	}
	return data, ""
}

// reason says why a file cannot be used, without its name.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}
