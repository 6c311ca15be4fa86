package grammar

import (
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Node is one value of a configuration, or one key of a mapping, with its place in the file. References in it are
// expanded. A Node that is spoiled (it has a problem that covers all of it) cannot be read as a scalar, list or
// mapping: readers return zero values and report nothing further.
//
// Methods that return a Node return nil if there is none; IsNull, IsMapping, IsList, Get and Entries can be called on
// nil.
type Node struct {
	reader       *Reader
	kind         kind
	tag          string // as resolved by YAML, such as !!int; empty for a scalar with references (any type)
	value        string // of a scalar
	style        style
	line, column int     // the line counts through all files
	content      []*Node // the elements of a list; the keys and values of a mapping, alternating

	isKey   bool     // it is the key of a mapping
	spoiled bool     // a problem was reported that covers it and everything in it
	wrong   bool     // a problem was reported at it
	shown   bool     // an excerpt may show it; any other scalar may be a credential
	meant   string   // of an unknown key: the key that is probably meant
	refers  bool     // at least a part of the value comes from references
	written string   // with references: the text in the file
	given   []string // the values of the references, except defaults

	made   *made // nil: it is in a file
	hidden bool  // no excerpt may show it, whatever is called with what is made of it

	computed []computed // the expressions in the value
}

type kind int

const (
	scalarNode kind = iota
	listNode
	mappingNode
	aliasNode
)

type style int

const (
	plainStyle style = iota
	singleQuoted
	doubleQuoted
	literalBlock
	foldedBlock
)

// Value returns the text of a scalar, with references expanded; it is empty for anything else. Use [Node.Text] to
// report anything else.
func (n *Node) Value() string { return n.value }

// IsNull reports whether n is an empty value.
func (n *Node) IsNull() bool { return n != nil && n.kind == scalarNode && n.tag == "!!null" }

// IsNumber reports whether YAML takes n for a number, which it does not if it is in quotes.
func (n *Node) IsNumber() bool { return n != nil && (n.tag == "!!int" || n.tag == "!!float") }

// IsBoolean reports whether YAML takes n for true or false.
func (n *Node) IsBoolean() bool { return n != nil && n.tag == "!!bool" }

// IsScalar reports whether n is neither a list nor a mapping; it may be empty.
func (n *Node) IsScalar() bool { return n != nil && n.kind == scalarNode }

// IsList reports whether n is a list.
func (n *Node) IsList() bool { return n != nil && n.kind == listNode }

// IsMapping reports whether n is a mapping.
func (n *Node) IsMapping() bool { return n != nil && n.kind == mappingNode }

// IsSpoiled reports whether a problem is reported that covers all of n.
func (n *Node) IsSpoiled() bool { return n.spoiled }

// Elements returns the elements of a list, and nothing for anything else. Use [Node.List] to report that.
func (n *Node) Elements() []*Node {
	if !n.IsList() {
		return nil
	}
	return n.content
}

// Pairs yields the keys and values of a mapping as written, and nothing for anything else. It reports nothing: use
// [Node.Entries] to read a mapping.
func (n *Node) Pairs() iter.Seq2[*Node, *Node] {
	return func(yield func(k, v *Node) bool) {
		if !n.IsMapping() {
			return
		}
		for i := 0; i+1 < len(n.content); i += 2 {
			if !yield(n.content[i], n.content[i+1]) {
				return
			}
		}
	}
}

// Key returns the first key of the mapping n that is one of names, or nil.
func (n *Node) Key(names ...string) *Node {
	for k := range n.Pairs() {
		if slices.Contains(names, k.value) {
			return k
		}
	}
	return nil
}

// Get returns the value of the key name of the mapping n, or nil. It reports nothing.
func (n *Node) Get(name string) *Node {
	for k, v := range n.Pairs() {
		if k.value == name {
			return v
		}
	}
	return nil
}

// Describe returns the type of n for messages: "a mapping", "a list", "empty", "a number" or "a text".
func (n *Node) Describe() string {
	switch {
	case n.kind == mappingNode:
		return "a mapping"
	case n.kind == listNode:
		return "a list"
	case n.IsNull():
		return "empty"
	case n.IsNumber():
		return "a number"
	}
	return "a text"
}

// Entries yields the keys and values of a mapping, each key once. It reports anything that is not a mapping, duplicate
// keys, and keys that are not scalars. Where names the mapping in messages.
func (n *Node) Entries(where string) iter.Seq2[*Node, *Node] {
	return func(yield func(k, v *Node) bool) {
		if n == nil || n.spoiled {
			return
		}
		if n.kind != mappingNode {
			n.Problem(fmt.Sprintf("%s is %s", where, n.Describe()), aMappingOfAny)
			return
		}
		first := map[string]*Node{}
		for k, v := range n.Pairs() {
			switch f := first[k.value]; {
			case k.spoiled:
			case k.kind != scalarNode || k.IsNull():
				k.Problem(fmt.Sprintf("a key of %s is %s", where, k.Describe()), "write a name before the colon")
			case f != nil:
				k.Problem(fmt.Sprintf("duplicate key %s in %s", Quote(k.value), where),
					fmt.Sprintf("the first one is at %s: remove or rename one of them", f.At(k)))
			default:
				first[k.value] = k
				if !yield(k, v) {
					return
				}
			}
		}
	}
}

// A Named is one entry of a mapping whose keys are names.
type Named struct {
	Name  string
	Key   *Node
	Value *Node
}

// AName describes a valid name, for messages.
const AName = "use a-z, 0-9, dot, underscore and dash, beginning with a letter or digit, at most 64 characters"

var nameGrammar = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// IsName reports whether s is a valid name of a part of a configuration, see [AName].
func IsName(s string) bool { return nameGrammar.MatchString(s) }

// Names reads a mapping of names. No value (nil or null) counts as an empty mapping, so that its last entry can be
// commented out. Entries with a bad name are reported and kept, since their values may have problems too. Where names
// the mapping in messages.
func (n *Node) Names(where string) []Named {
	if n == nil || n.IsNull() {
		return nil
	}
	var all []Named
	for k, v := range n.Entries(where) {
		written := k.value
		if k.made != nil && k.made.part != nil {
			written = k.made.part.entry // and the row has been checked
		}
		if !IsName(written) {
			k.Problem(fmt.Sprintf("bad name %s in %s", Quote(written), where), AName)
		}
		all = append(all, Named{k.value, k, v})
	}
	return all
}

// List returns the elements of a non-empty list. It reports anything else; want tells how to correct it.
func (n *Node) List(what, want string) []*Node {
	switch {
	case n.spoiled:
		return nil
	case n.kind != listNode:
		n.Problem(fmt.Sprintf("%s is %s", what, n.Describe()), want)
		return nil
	case len(n.content) == 0:
		n.Problem(what+" is an empty list", want)
	}
	return n.content
}

// OneOrMore returns the elements of a list of names, or the one name that is written without a list. Example is an
// example of such a list.
func (n *Node) OneOrMore(what, example string) []*Node {
	if n.kind == scalarNode {
		return []*Node{n}
	}
	return n.List(what, "write a name, or a list of names such as "+example)
}

// Lookup returns the part in known with the name in n; nil if there is none or it has problems of its own. What
// describes the part, for example "webhook"; a nil in known is a part with problems.
func Lookup[T any](n *Node, what string, known map[string]*T) *T {
	name, ok := n.Text(what, "write the name of one")
	if !ok {
		return nil
	}
	found, ok := known[name]
	if !ok {
		n.Problem(fmt.Sprintf("unknown %s %s", what, Quote(name)),
			Suggest(name, what+"s", slices.Sorted(maps.Keys(known))))
	}
	return found
}

// IsComplete reports whether everything in the mapping n was understood, so that an absent key is really missing.
func (n *Node) IsComplete() bool {
	if n == nil || n.kind != mappingNode || n.spoiled {
		return false
	}
	for k := range n.Pairs() {
		if k.spoiled { // a merge key
			return false
		}
	}
	return true
}

// Lacks reports whether the mapping n has neither one of the keys nor an unknown key that probably means one of them.
// Call it after [Node.Read].
func (n *Node) Lacks(keys ...string) bool {
	if !n.IsComplete() {
		return false
	}
	for k := range n.Pairs() {
		if slices.Contains(keys, k.value) || slices.Contains(keys, k.meant) {
			return false
		}
	}
	return true
}

// need reports that the mapping n lacks the key name, with an example of its value.
func (n *Node) need(where, name, example string) {
	if n.Lacks(name) {
		n.Problem(where+" has no "+name, "add one such as "+name+": "+example)
	}
}

// Problem reports at the beginning of n. A value from a reference may be a secret, and what might quote it: then the
// message names the reference instead. Want must not contain parts of a value.
func (n *Node) Problem(what, want string) {
	if refs := n.refs(); refs != nil {
		what = "the value of " + List(refs, "and") + " is not right here"
	}
	n.report(n.line, n.column, what, want)
}

// Twice reports that a list has what n is for the second time.
func (n *Node) Twice(list, what string) {
	n.Problem(list+" has "+what+" twice", "remove one of them")
}

// report reports at a place of n in its file, or at the row that a part of n's value comes from.
func (n *Node) report(line, column int, what, want string) {
	n.wrong = true
	if n.made == nil || n.made.part == nil {
		n.reader.report(line, column, what, want)
		return
	}
	n.reader.reportOfPart(n.made, problem{line: line, column: column, what: what, want: want})
}

// ProblemAt reports at the character at offset of n's value.
func (n *Node) ProblemAt(offset int, what, want string) {
	if n.refers || n.made != nil && n.made.cells != nil { // the file has different characters
		n.Problem(what, want)
		return
	}
	line, column := n.within(offset)
	n.report(line, column, what, want)
}

// Warn reports something at the character at offset of n's value that may be intended, but is worth a look.
func (n *Node) Warn(offset int, what, want string) {
	r := n.reader
	problems, wrong := r.problems, n.wrong
	r.problems = nil
	n.ProblemAt(offset, what, want)
	r.warnings = append(r.warnings, r.problems...)
	r.problems, n.wrong = problems, wrong
}

// spoil is like Problem, and marks n as unreadable.
func (n *Node) spoil(what, want string) {
	n.Problem(what, want)
	n.spoiled = true
}

// IsGood reports whether n and everything in it are free of problems: rules for several values are checked only then.
func (n *Node) IsGood() bool {
	return !n.wrong && !n.spoiled && !slices.ContainsFunc(n.content, func(c *Node) bool { return !c.IsGood() })
}

// At names the place of n in a message about another node.
func (n *Node) At(other *Node) string {
	f := n.reader.fileOf(n.line)
	if f != n.reader.fileOf(other.line) {
		return fmt.Sprintf("%s:%d:%d", f.name, n.line-f.before, n.column)
	}
	return fmt.Sprintf("line %d, column %d", n.line-f.before, n.column)
}

// HasReferences reports whether the value of n, or of anything in it, comes from a reference.
func (n *Node) HasReferences() bool {
	return n.refers || slices.ContainsFunc(n.content, (*Node).HasReferences)
}

// IsWritten reports whether part, a part of n's value, is in the file rather than in the value of a reference.
func (n *Node) IsWritten(part string) bool { return !n.refers || strings.Contains(n.written, part) }

// Given returns the values of references, which are secrets, in the values of the given keys of the mapping n. Defaults
// in the file are not among them.
func (n *Node) Given(keys ...string) (given []string) {
	for _, key := range keys {
		n.Get(key).walk(func(n *Node) { given = append(given, n.given...) })
	}
	return given
}
