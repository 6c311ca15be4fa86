package grammar

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

const maxFileBytes = 64 << 10 // of a file named by a reference

// reference matches "$${", which stands for "${", and references to the environment and to files, even unterminated
// ones.
var reference = regexp.MustCompile(`\$\$\{|\$\{(env|file):([^}]*)(\}?)`)

// expand replaces the references in the scalar n. It works on the parsed node, so that a value never becomes syntax; a
// value is not expanded again. A node whose references cannot be replaced is spoiled.
func (n *Node) expand() {
	matches := reference.FindAllStringSubmatchIndex(n.value, -1)
	if matches == nil {
		return
	}
	var b strings.Builder
	end, references := 0, 0
	for _, m := range matches {
		b.WriteString(n.value[end:m[0]])
		end = m[1]
		if m[2] < 0 { // $${
			b.WriteString("${")
			continue
		}
		references++
		value, given, what, want := n.resolve(n.value[m[2]:m[3]], n.value[m[4]:m[5]], m[6] < m[7])
		if what != "" {
			line, column := n.within(utf8.RuneCountInString(n.value[:m[0]]))
			ref := n.value[m[0]:m[4]] // an unterminated reference may be followed by anything
			if m[6] < m[7] {
				ref = refName(n.value[m[2]:m[3]], n.value[m[4]:m[5]])
			}
			n.reader.report(line, column, Quote(ref)+" "+what, want)
			n.spoiled = true
		}
		if given {
			n.given = append(n.given, value)
		}
		b.WriteString(value)
	}
	b.WriteString(n.value[end:])
	switch {
	case n.spoiled:
		return
	case references > 0:
		n.refers, n.written = true, n.value
		n.tag = "" // the value may be a number, even if the reference is quoted
	}
	n.value = b.String()
}

// refs returns the names of the references in the value of n.
func (n *Node) refs() []string {
	var refs []string
	for _, m := range reference.FindAllStringSubmatch(n.written, -1) {
		if m[1] != "" {
			refs = append(refs, Quote(refName(m[1], m[2])))
		}
	}
	return refs
}

// refName returns a reference without its default, which may be a credential.
func refName(kind, arg string) string {
	if kind == "env" {
		arg, _, _ = strings.Cut(arg, ":-")
	}
	return "${" + kind + ":" + arg + "}"
}

// IsVariable reports whether s is a valid name of an environment variable.
func IsVariable(s string) bool { return envName.MatchString(s) }

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// resolve returns the value of a reference in n, or what is wrong with it. given is true unless the value is the
// default, which is in the file.
func (n *Node) resolve(kind, arg string, closed bool) (value string, given bool, what, want string) {
	switch {
	case !closed:
		return "", false, "does not end", `add the closing "}", or write "$${" if it is not a reference`
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
			want := fmt.Sprintf("set the environment variable %s, or write ${env:%s:-default}", name, name)
			return "", false, "is not set", want
		case !utf8.ValidString(value):
			return "", false, "is not UTF-8 text", "set it to a text"
		}
		return value, true, "", ""
	case arg == "":
		return "", false, "does not name a file", "write ${file:PATH}"
	}
	data, why := n.ReadFile(n.Beside(arg), maxFileBytes)
	switch {
	case why != "":
		return "", false, "cannot be read: " + why,
			"name a file that this user can read, relative to the configuration file"
	case !utf8.Valid(data):
		return "", false, "is not UTF-8 text", "name a file that holds a text"
	}
	value, _ = strings.CutSuffix(string(data), "\n")
	value, _ = strings.CutSuffix(value, "\r")
	return value, true, "", ""
}

// Beside returns a path that is written relative to n's file.
func (n *Node) Beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(n.reader.fileOf(n.line).name), path)
}

// reason returns why a file cannot be used, without its name.
func reason(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}
