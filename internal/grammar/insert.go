package grammar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/internal/yaml"
)

// ErrCannotInsert is why [Insert] leaves a text alone that is written in a way that it does not know.
var ErrCannotInsert = errors.New("the file is written in a way in which only people can add to it")

// Insert returns the text of a configuration with one more entry, of a section such as sources, at its end. The section is
// made if there is none; a file that is empty becomes one. Everything else stays as it is, comments included. The error says
// that data is not a YAML mapping, or already has the entry, or is ErrCannotInsert.
func Insert(data []byte, section, name string, value Mapping) ([]byte, error) {
	before, err := document(data)
	if err != nil {
		return nil, err
	}
	end := "\n"
	if bytes.Contains(data, []byte("\r\n")) {
		end = "\r\n"
	}
	text := &inserted{lines: splitKeeping(string(data)), end: end}
	if before == nil {
		text.append("version: 1")
		if before, err = document([]byte(text.String())); err != nil {
			return nil, err
		}
	}
	if before.Kind != yaml.MappingNode {
		return nil, errors.New("the file is not a mapping: it should begin with version: 1")
	}
	if old := member(before, section); old != nil && member(old, name) != nil {
		return nil, fmt.Errorf("%s already has %s", section, Quote(name))
	}
	text.insert(before, section, Pair{name, value})
	after, err := document([]byte(text.String()))
	if err != nil || !differsBy(before, after, section, name, value) {
		return nil, ErrCannotInsert
	}
	return []byte(text.String()), nil
}

// document returns the root of the one document in data, nil if there is none.
func document(data []byte) (*yaml.Node, error) {
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("the file has more than %d bytes", MaxBytes)
	}
	loader := yaml.NewLoader(bytes.TrimPrefix(data, []byte("\ufeff")))
	var first, second yaml.Node
	if err := loader.Load(&first); err == io.EOF {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if err := loader.Load(&second); err != io.EOF {
		return nil, errors.New("the file has more than one YAML document")
	}
	if root := first.Content[0]; root.Kind != yaml.ScalarNode || root.Tag != "!!null" {
		return root, nil
	}
	return nil, nil
}

// member returns the value of a key of a mapping, nil if there is none.
func member(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// differsBy reports whether after is before with one more entry in a section, and nothing else. It takes from both what it has
// compared.
func differsBy(before, after *yaml.Node, section, name string, value Mapping) bool {
	want, err := document([]byte(flow(value)))
	if err != nil || want == nil || after == nil || member(after, section) == nil {
		return false
	}
	added := member(member(after, section), name)
	if added == nil || !equal(added, want) {
		return false
	}
	without(member(after, section), name)
	if old := member(before, section); old == nil || old.Kind != yaml.MappingNode {
		if len(member(after, section).Content) > 0 {
			return false
		}
		without(after, section)
		without(before, section)
	}
	return equal(before, after)
}

// without removes a key from a mapping.
func without(n *yaml.Node, key string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			n.Content = slices.Delete(n.Content, i, i+2)
			return
		}
	}
}

// equal reports whether two nodes are the same value, however they are written.
func equal(a, b *yaml.Node) bool {
	return a.Kind == b.Kind && a.Value == b.Value && a.Tag == b.Tag && a.Anchor == b.Anchor &&
		slices.EqualFunc(a.Content, b.Content, equal)
}

// inserted is a text with what is inserted into it.
type inserted struct {
	lines []string // with their ends
	end   string   // of a line
}

func splitKeeping(s string) (lines []string) { return slices.Collect(strings.Lines(s)) }

func (t *inserted) String() string { return strings.Join(t.lines, "") }

// append adds lines at the end.
func (t *inserted) append(lines ...string) { t.at(len(t.lines), lines...) }

// at inserts lines before the one of that index.
func (t *inserted) at(i int, lines ...string) {
	if i > 0 && !strings.HasSuffix(t.lines[i-1], "\n") {
		t.lines[i-1] += t.end
	}
	with := make([]string, len(lines))
	for j, line := range lines {
		with[j] = line + t.end
	}
	t.lines = slices.Insert(t.lines, i, with...)
}

// insert adds an entry to a section of the mapping root.
func (t *inserted) insert(root *yaml.Node, section string, entry Pair) {
	indent := 0
	if len(root.Content) > 0 {
		indent = root.Content[0].Column - 1
	}
	value := member(root, section)
	isFlow := func(n *yaml.Node) bool { return n.Style&yaml.FlowStyle != 0 }
	switch {
	case value == nil && isFlow(root):
		t.into(root, Pair{section, Mapping{entry}})
	case value == nil:
		t.append(append([]string{""}, block(Pair{section, Mapping{entry}}, indent, ofSection)...)...)
	case value.Kind == yaml.MappingNode && isFlow(value):
		t.into(value, entry)
	case value.Kind == yaml.MappingNode && len(value.Content) > 0:
		indent := value.Content[0].Column - 1
		t.at(t.endOf(root, value, indent), block(entry, indent, ofEntry)...)
	default: // there is nothing behind the key
		for i := 0; i < len(root.Content); i += 2 {
			if key := root.Content[i]; key.Value == section {
				t.at(min(key.Line, len(t.lines)), block(entry, indent+2, ofEntry)...)
				return
			}
		}
	}
}

// endOf returns the index of the line behind the last one of a section in block style, whose entries are indented by that
// many spaces: behind comments that are indented further, which may be text of a value, and before those that are about what
// follows.
func (t *inserted) endOf(root, section *yaml.Node, indent int) int {
	next := len(t.lines) + 1
	for i := 0; i < len(root.Content); i += 2 {
		if line := root.Content[i].Line; line > section.Line && line < next {
			next = line
		}
	}
	for i := min(next-2, len(t.lines)-1); i >= section.Line; i-- {
		line := t.lines[i]
		text := strings.TrimLeft(line, " ")
		switch blank := strings.TrimSpace(text) == ""; {
		case blank, strings.HasPrefix(line, "..."):
		case strings.HasPrefix(text, "#") && len(line)-len(text) <= indent:
		default:
			return i + 1
		}
	}
	return min(section.Line, len(t.lines))
}

// into inserts an entry as the first one of a mapping in flow style.
func (t *inserted) into(n *yaml.Node, entry Pair) {
	if n.Line > len(t.lines) {
		return // YAML knows other ends of lines
	}
	line := &t.lines[n.Line-1]
	columns := []rune(*line)
	at := n.Column // behind the bracket
	if n.Line == 1 && strings.HasPrefix(*line, "\ufeff") {
		at++
	}
	at = min(at, len(columns))
	text := Scalar(entry.Key) + ": " + flow(entry.Value)
	if len(n.Content) > 0 {
		text += ", "
	}
	*line = string(columns[:at]) + text + string(columns[at:])
}
