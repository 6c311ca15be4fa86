package grammar

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/jq"
)

// A part is what an entry stands for in one row.
type part struct {
	row   *row
	entry string // the name of the entry
	name  string // that of the part
}

// made is where a node comes from that is not in a file itself.
type made struct {
	of    *Node   // in the file
	part  *part   // nil: it is not made for a row
	cells []*Node // the values of the row that are in its text
}

// each matches what stands for a value of a row.
var each = regexp.MustCompile(`\{each(?:\.([^{}]*))?\}`)

// cells returns the values of a row that are in the text of n.
func (n *Node) cells() []*Node {
	if n.made == nil {
		return nil
	}
	return n.made.cells
}

// forPart returns n as it is for a part; nil: it is left out there.
func (n *Node) forPart(p *part) *Node {
	c := *n
	c.made, c.content = &made{of: n, part: p}, nil
	c.reader.madeNodes++
	if n.kind == scalarNode {
		if !c.fill(p) {
			return nil
		}
		return &c
	}
	for i := 0; i < len(n.content); i++ {
		child := n.content[i].forPart(p)
		if n.kind != mappingNode {
			if child != nil {
				c.content = append(c.content, child)
			}
			continue
		}
		i++
		if i == len(n.content) {
			break
		}
		if value := n.content[i].forPart(p); value != nil {
			c.content = append(c.content, child, value)
		}
	}
	if isUnquoted(n) {
		c.spoil("{each} without quotes is a mapping in YAML", fmt.Sprintf(`write "{%s}"`, n.content[0].value))
	}
	return &c
}

// isUnquoted reports whether n is what YAML makes of {each} without quotes.
func isUnquoted(n *Node) bool {
	return n.kind == mappingNode && len(n.content) == 2 && n.content[1].IsNull() && n.content[1].value == "" &&
		each.MatchString("{"+n.content[0].value+"}")
}

// fill puts the values of a row into the scalar n, which is made for it. It reports false if n is left out.
func (n *Node) fill(p *part) bool {
	matches := each.FindAllStringSubmatchIndex(n.value, -1)
	if matches == nil || n.spoiled {
		return true
	}
	if n.isKey {
		n.ProblemAt(utf8.RuneCountInString(n.value[:matches[0][0]]), "{each} cannot stand in a key", "write the key itself")
		n.spoiled = true
		return true
	}
	values, texts := map[string]string{}, map[string]string{} // by placeholder: its value, and how that is written
	whole := len(matches) == 1 && matches[0][0] == 0 && matches[0][1] == len(n.value)
	given := slices.Clone(n.given)
	refers := n.refers
	var cells []*Node
	for _, m := range matches {
		placeholder := n.value[m[0]:m[1]]
		if _, ok := values[placeholder]; ok || !n.IsWritten(placeholder) {
			continue
		}
		cell := p.row.name
		if m[2] >= 0 {
			cell = p.row.fields[n.value[m[2]:m[3]]]
		}
		if cell == nil {
			n.lacks(p, n.value[m[2]:m[3]], placeholder, m[0])
			continue
		}
		n.spoiled = n.spoiled || cell.spoiled
		if whole && cell.value == "" && !cell.refers {
			return false
		}
		values[placeholder], texts[placeholder] = cell.value, cell.value
		if cell.refers {
			refers, texts[placeholder] = true, cell.written
			given = append(given, cell.given...)
		}
		cells = append(cells, cell)
		n.reader.uses[cell] = append(n.reader.uses[cell], n)
	}
	for _, m := range matches {
		n.reader.madeBytes += len(values[n.value[m[0]:m[1]]])
	}
	if n.reader.madeBytes > maxMadeBytes { // Multiply reports it
		n.spoiled = true
	}
	if len(cells) == 0 || n.spoiled {
		return true
	}
	if refers {
		n.written = put(cmp.Or(n.written, n.value), texts)
	}
	n.value, n.given, n.refers, n.made.cells = put(n.value, values), given, refers, cells
	n.fillExpressions(values)
	n.tag = "" // the value may be a number, even if the placeholder is quoted
	return true
}

// fillExpressions puts the values of placeholders into the expressions in n's value, which are then other ones.
func (n *Node) fillExpressions(values map[string]string) {
	n.computed = slices.Clone(n.computed)
	for i, c := range n.computed {
		text := put(c.text, values)
		if text == c.text {
			continue
		}
		program, err := jq.Compile(text[len("${jq:") : len(text)-1])
		if err != nil {
			n.Problem("${jq:} is not valid jq: "+err.Error(), "write an expression such as ${jq: now - 3600 | todate}")
			n.spoiled = true
			return
		}
		n.computed[i] = computed{text, program}
	}
}

// put replaces placeholders in a text by the values that there are for them.
func put(text string, values map[string]string) string {
	return each.ReplaceAllStringFunc(text, func(placeholder string) string {
		if value, ok := values[placeholder]; ok {
			return value
		}
		return placeholder
	})
}

// lacks reports that the row of a part has no field of that name, whose placeholder is at an offset of n's value.
func (n *Node) lacks(p *part, field, placeholder string, offset int) {
	n.spoiled = true
	if !slices.Contains(p.row.list.fields, field) {
		want := Suggest(field, "fields of the rows", p.row.list.fields)
		if p.row.list.fields == nil {
			want = "the rows are words: write {each}"
		}
		n.ProblemAt(utf8.RuneCountInString(n.value[:offset]), fmt.Sprintf("no row has what %s stands for", placeholder), want)
		return
	}
	n.wrong = true
	p.row.at.Problem(fmt.Sprintf("row %s has no %s, which stands as %s at %s", Quote(p.row.name.value), field, placeholder, n.At(p.row.at)),
		"add it; with an empty value, a key that has nothing else is left out")
}
