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

	"github.com/tidewire/tidewire/internal/jq"
)

const maxFileBytes = 64 << 10 // of a file named by a reference

// reference matches "$${", which stands for "${", references to the environment and to files, even unterminated ones, and
// the beginning of an expression.
var reference = regexp.MustCompile(`\$\$\{|\$\{(env|file):([^}]*)(\}?)|\$\{jq:`)

// expand replaces the references in the scalar n. It works on the parsed node, so that a value never becomes syntax; a
// value is not expanded again. A node whose references cannot be replaced is spoiled. An expression stays in the value:
// it is for the reader of the value.
func (n *Node) expand() {
	if !strings.Contains(n.value, "${") {
		return
	}
	var b strings.Builder
	end, references := 0, 0
	for {
		m := reference.FindStringSubmatchIndex(n.value[end:])
		if m == nil {
			break
		}
		for i := range m {
			if m[i] >= 0 {
				m[i] += end
			}
		}
		b.WriteString(n.value[end:m[0]])
		end = m[1]
		switch {
		case n.value[m[0]:m[1]] == "$${":
			b.WriteString("${")
			continue
		case m[2] < 0:
			end = n.expression(m[0], m[1])
			b.WriteString(n.value[m[0]:end])
			continue
		}
		references++
		value, given, what, want := n.resolve(n.value[m[2]:m[3]], n.value[m[4]:m[5]], m[6] < m[7])
		if what != "" {
			ref := n.value[m[0]:m[4]] // an unterminated reference may be followed by anything
			if m[6] < m[7] {
				ref = refName(n.value[m[2]:m[3]], n.value[m[4]:m[5]])
			}
			n.bad(m[0], Quote(ref)+" "+what, want)
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

// bad reports at the byte at of n's value, in which references are not yet replaced, and spoils n.
func (n *Node) bad(at int, what, want string) {
	line, column := n.within(utf8.RuneCountInString(n.value[:at]))
	n.reader.report(line, column, what, want)
	n.spoiled = true
}

// expression compiles the expression that begins in n's value at the byte begin, and its source at from. It returns where
// it ends.
func (n *Node) expression(begin, from int) (end int) {
	length := jq.End(n.value[from:])
	if length < 0 {
		n.bad(begin, Quote("${jq:")+" does not end", `add the closing "}", or write "$${" if it is no expression`)
		return len(n.value)
	}
	end = from + length + 1
	source := n.value[from : end-1]
	if ref := reference.FindString(source); ref != "" {
		n.bad(from+strings.Index(source, ref), Quote(ref)+" cannot stand in an expression", "write it beside the expression")
		return end
	}
	p, err := jq.Compile(source)
	if err != nil {
		at, message := from, err.Error()
		if e, ok := errors.AsType[*jq.SyntaxError](err); ok {
			at, message = from+len(string([]rune(source)[:e.Offset])), e.Message
		}
		n.bad(at, "${jq:} is not valid jq: "+message, "write an expression such as ${jq: now - 3600 | todate}")
		return end
	}
	n.computed = append(n.computed, computed{n.value[begin:end], p})
	return end
}

// computed is an expression in the value of a node, as it is written there.
type computed struct {
	text    string // ${jq: EXPR}
	program *jq.Program
}

// Template is [Node.Text] for a text in which there may be expressions, ${jq: EXPR}: what reads it replaces them by their
// results. [Node.Expressions] has them.
func (n *Node) Template(what, want string) (string, bool) {
	if n.computed == nil {
		return n.Text(what, want)
	}
	return n.value, !n.spoiled
}

// Expressions returns the expressions in the values of n and all below it that are read by [Node.Template], by their texts
// in these values; nil if there are none. It reports values that have such a text without meaning the expression.
func (n *Node) Expressions() map[string]*jq.Program {
	var all map[string]*jq.Program
	n.walk(func(n *Node) {
		for _, c := range n.computed {
			if all == nil {
				all = map[string]*jq.Program{}
			}
			all[c.text] = c.program
		}
	})
	for text := range all {
		n.walk(func(n *Node) {
			meant := 0
			for _, c := range n.computed {
				if c.text == text {
					meant++
				}
			}
			if strings.Count(n.value, text) > meant {
				n.Problem(Quote(text)+" is text here, and an expression elsewhere", "write one of them in another way")
			}
		})
	}
	return all
}

// walk calls f with n, which may be nil, and all below it.
func (n *Node) walk(f func(*Node)) {
	if n == nil {
		return
	}
	f(n)
	for _, c := range n.content {
		c.walk(f)
	}
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
