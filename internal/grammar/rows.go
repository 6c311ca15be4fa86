package grammar

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Bounds of entries that stand for several.
const (
	maxRows      = 1000    // of one list or file
	maxMade      = 200_000 // nodes that are made for rows in all
	maxMadeBytes = 4 << 20 // of the texts in them
)

// aList tells how to write rows.
const aList = "write a list such as [a, b] or [{name: a, host: 10.0.0.5}, ...], or the name of a CSV or YAML file"

// RowsShape is the shape of the rows for which an entry stands, see [Node.Multiply].
var RowsShape = Shape{"anyOf": []Shape{
	ALine,
	{"type": "array", "minItems": 1, "maxItems": maxRows, "items": Shape{"anyOf": []Shape{AnyText, {
		"type": "object", "minProperties": 1, "additionalProperties": Shape{"type": append([]string{"null"}, anyScalar...)},
	}}}},
}}

// A rowList is the rows of a list or a file.
type rowList struct {
	rows   []*row
	fields []string // that at least one of the rows has
}

// A row is a word, or a mapping of fields to texts.
type row struct {
	list   *rowList
	name   *Node            // the word, or the field that gives the row its name
	at     *Node            // where it begins
	fields map[string]*Node // nil: it is a word
}

// Multiply replaces each entry of the mapping n that has the key by one for each row that its value has. Entry pump with the
// rows a and b becomes pump/a and pump/b. In the texts of the entry, {each} stands for the name of the row, and {each.host}
// for its field host. A value that consists of such a placeholder is left out if the field is empty. Where names n in messages.
//
// The rows are a list, or a file that is named instead: a list in YAML, or CSV whose first line names the fields. A row is a
// word, which is its name, or a mapping. The name of a mapping is its field name, or else its first field.
//
// What is wrong with a value that comes from a row is reported at that row, and anything else once for all rows.
func (n *Node) Multiply(key, where string) {
	if !n.IsMapping() || n.spoiled {
		return
	}
	var content []*Node
	first := map[string]*Node{} // entry by its name
	several := map[string]bool{}
	for k, v := range n.Pairs() {
		list := v.Get(key)
		if before := first[k.value]; before != nil && (list != nil || several[k.value]) { // the names of the parts would differ
			k.Problem(fmt.Sprintf("duplicate key %s in %s", Quote(k.value), where),
				fmt.Sprintf("the first one is at %s: remove or rename one of them", before.At(k)))
			continue
		} else if before == nil {
			first[k.value] = k
		}
		if list == nil || k.spoiled || v.spoiled {
			content = append(content, k, v)
			continue
		}
		several[k.value] = true
		entry := fmt.Sprintf("%s of %s", Quote(k.value), where)
		template := v.withoutKey(key, entry)
		for _, row := range n.reader.rowsOf(list, key, entry) {
			p := &part{row: row, entry: k.value, name: k.value + "/" + row.name.value}
			name := k.forPart(p)
			name.value = p.name
			content = append(content, name, template.forPart(p))
			if n.reader.madeNodes > maxMade || n.reader.madeBytes > maxMadeBytes {
				list.Problem(key+" makes the configuration too long", "write fewer rows, or fewer keys in what each of them becomes")
				break
			}
		}
	}
	n.content = content
}

// Spread replaces names such as pump/* in n, which is a name or a list of names, by those of known that begin with pump/.
// It does nothing to any other value, nor to a name that would stand for none.
func (n *Node) Spread(known []string) {
	switch {
	case n.IsScalar():
		if several := n.several(known); several != nil {
			n.kind, n.content, n.value = listNode, several, ""
		}
	case n.IsList():
		var content []*Node
		for _, e := range n.content {
			if several := e.several(known); several != nil {
				content = append(content, several...)
			} else {
				content = append(content, e)
			}
		}
		n.content = content
	}
}

// several returns the names for which the name in n stands, nil if it stands for itself.
func (n *Node) several(known []string) (all []*Node) {
	begin, ok := strings.CutSuffix(n.value, "*")
	if !n.IsScalar() || n.spoiled || n.refers || !ok || !strings.HasSuffix(begin, "/") {
		return nil
	}
	for _, name := range known {
		if strings.HasPrefix(name, begin) {
			one := *n
			one.value = name
			if one.made == nil {
				one.made = &made{of: n}
			}
			all = append(all, &one)
		}
	}
	return all
}

// withoutKey returns the mapping n without a key, which it must have once.
func (n *Node) withoutKey(key, where string) *Node {
	rest := *n
	rest.content = nil
	var first *Node
	for k, v := range n.Pairs() {
		switch {
		case k.value != key || k.spoiled:
			rest.content = append(rest.content, k, v)
		case first == nil:
			first = k
		default:
			k.Problem(fmt.Sprintf("duplicate key %s in %s", Quote(key), where),
				fmt.Sprintf("the first one is at %s: remove one of them", first.At(k)))
		}
	}
	return &rest
}

// rowsOf returns the rows that n has or names, as far as they are valid.
func (r *Reader) rowsOf(n *Node, key, where string) []*row {
	n.Reveal()
	var list *rowList
	switch {
	case n.spoiled:
		return nil
	case n.kind == listNode:
		if len(n.content) == 0 {
			n.Problem(key+" is an empty list", aList)
		}
		list = r.readRows(n)
	case n.kind == mappingNode || n.IsNull():
		n.Problem(fmt.Sprintf("%s of %s is %s", key, where, n.Describe()), aList)
		return nil
	default:
		if list = r.rowsIn(n, key); list != nil && len(list.rows) == 0 && n.IsGood() {
			n.Warn(0, fmt.Sprintf("%s: there are no rows, so %s stands for nothing", Quote(n.value), where), "add rows, or remove it")
		}
	}
	if list == nil {
		return nil
	}
	return list.rows
}

// rowsIn returns the rows of the file that n names. A file is read once, whatever names it.
func (r *Reader) rowsIn(n *Node, key string) *rowList {
	const want = "name a file that this user can read, relative to this file, whose name ends in .csv, .yaml or .yml"
	if n.HasReferences() { // messages show the names of files
		n.Problem(key+" is not right", "write the name of the file itself")
		return nil
	}
	name := filepath.Clean(n.Beside(n.value))
	if list, ok := r.rowFiles[name]; ok {
		return list
	}
	extension := strings.ToLower(filepath.Ext(name))
	if !slices.Contains([]string{".csv", ".yaml", ".yml"}, extension) {
		n.Problem(fmt.Sprintf("%s: %s is neither a list nor the name of a CSV or YAML file", key, Quote(n.value)), aList)
		return nil
	}
	if len(r.files) > maxFiles {
		n.Problem(fmt.Sprintf("%s: there would be more than %d files", key, maxFiles), "name fewer files")
		return nil
	}
	data, why := r.readFile(name, MaxBytes)
	if why != "" {
		n.Problem(fmt.Sprintf("%s: %s cannot be read: %s", key, Quote(n.value), why), want)
		return nil
	}
	var list *rowList
	if extension == ".csv" {
		list = r.rowsOfCSV(name, data)
	} else {
		list = r.rowsOfYAML(name, data)
	}
	r.rowFiles[name] = list
	return list
}

// rowsOfYAML returns the rows of a file in YAML, nil if it is not valid.
func (r *Reader) rowsOfYAML(name string, data []byte) *rowList {
	options := r.options
	r.options.Minimum = "a list such as [a, b]"
	root := r.parse(name, data)
	r.options = options
	if root == nil || root.spoiled {
		return nil
	}
	if root.kind != listNode {
		root.Problem("a file of rows is "+root.Describe(), "write a list of words or of mappings, each beginning with a dash")
		return nil
	}
	root.Reveal()
	return r.readRows(root)
}

// readRows reads the rows in the list n.
func (r *Reader) readRows(n *Node) *rowList {
	list := &rowList{}
	for _, e := range n.content {
		row := &row{list: list, at: e}
		switch {
		case e.spoiled:
			continue
		case e.kind == scalarNode && !e.IsNull():
			row.name = e
		case e.kind == mappingNode:
			row.fields = map[string]*Node{}
			for k, v := range e.Entries("a row") {
				switch {
				case v.kind != scalarNode && !v.spoiled:
					v.Problem(fmt.Sprintf("%s of a row is %s", Quote(k.value), v.Describe()), "write a text or a number")
					v.spoiled = true
				case v.IsNull():
					v.value = "" // whether it is written as null or ~
				}
				row.fields[k.value] = v
				if row.name == nil || k.value == "name" {
					row.name = v
				}
			}
		}
		if row.name == nil {
			what := "a row is " + e.Describe()
			if e.kind == mappingNode {
				what = "a row has no fields"
			}
			e.Problem(what, "write a word, or a mapping such as {name: a, host: 10.0.0.5}")
			continue
		}
		r.addRow(list, row)
	}
	return list
}

// addRow adds a row to a list if its name is valid, and the name of no other one.
func (r *Reader) addRow(list *rowList, add *row) {
	for field := range add.fields {
		if !slices.Contains(list.fields, field) {
			list.fields = append(list.fields, field)
		}
	}
	slices.Sort(list.fields)
	name := add.name
	switch same := slices.IndexFunc(list.rows, func(other *row) bool { return other.name.value == name.value }); {
	case name.spoiled || len(list.rows) > maxRows:
	case name.refers:
		name.Problem("the name of a row comes from elsewhere", "write the name itself")
	case !IsName(name.value):
		name.Reveal()
		name.Problem("bad name "+Quote(name.value)+" of a row", AName+"; or give the row a field name")
	case same >= 0:
		name.Reveal()
		name.Problem("two rows are called "+Quote(name.value),
			fmt.Sprintf("the first one is at %s: remove or rename one of them", list.rows[same].name.At(name)))
	case len(list.rows) == maxRows:
		add.at.Problem("there are more than "+strconv.Itoa(maxRows)+" rows", "write the others into a list of their own")
		list.rows = append(list.rows, add) // those that follow are not reported
	default:
		list.rows = append(list.rows, add)
	}
}
