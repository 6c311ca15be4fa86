package grammar

import (
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	texts "github.com/tidewire/tidewire/internal/text"
)

// A csvFile is a file of rows in CSV while it is read.
type csvFile struct {
	reader *Reader
	before int // lines of the Reader before its first one
	csv    *csv.Reader
}

// rowsOfCSV returns the rows of a file in CSV, nil if it is not valid. Its first line names the fields. What stands between
// two fields is found, see [texts.Delimiter]. A column without a name is left out, and so is a row
// without any value. White space around a value does not belong to it. A value may be a reference.
func (r *Reader) rowsOfCSV(name string, data []byte) *rowList {
	text := lineEnds.Replace(strings.TrimPrefix(string(data), byteOrderMark))
	r.addLines(name, text)
	f := &csvFile{reader: r, before: r.files[len(r.files)-1].before, csv: csv.NewReader(strings.NewReader(text))}
	r.nodes = append(r.nodes, &Node{reader: r, line: f.before + 1, column: 1}) // so that no excerpt shows what is not a cell
	if !r.checkText(text) {
		return nil
	}
	f.csv.Comma = texts.Delimiter(text)
	f.csv.TrimLeadingSpace = f.csv.Comma != '\t'
	f.csv.FieldsPerRecord = -1 // counted here
	header, ok := f.next()
	list := &rowList{}
	names := map[string]*Node{}
	for _, n := range header {
		switch before := names[n.value]; {
		case n.value == "":
			continue
		case before != nil:
			n.Reveal()
			n.Problem("two fields are called "+Quote(n.value), fmt.Sprintf("the first one is at %s: rename one of them", before.At(n)))
		}
		names[n.value] = n
	}
	if ok && len(names) == 0 && header != nil {
		header[0].Problem("the first line names no fields", "write their names into it, such as name,host")
		return list
	}
	for ok && len(list.rows) <= maxRows {
		var cells []*Node
		if cells, ok = f.next(); cells == nil {
			continue
		}
		if len(cells) != len(header) {
			cells[0].Problem(fmt.Sprintf("this row has %d values, and the first line names %d", len(cells), len(header)),
				"write one for each name, even if it is empty; put a value that contains the delimiter into quotes")
			continue
		}
		it := &row{list: list, at: cells[0], fields: map[string]*Node{}}
		for i, cell := range cells {
			field := header[i].value
			if field == "" {
				continue
			}
			cell.expand()
			it.fields[field] = cell
			if it.name == nil || field == "name" {
				it.name = cell
			}
		}
		r.addRow(list, it)
	}
	return list
}

// next returns the values of the next line that has any. It returns false at the end of the file, or of what is valid.
func (f *csvFile) next() (cells []*Node, ok bool) {
	for {
		record, err := f.csv.Read()
		if wrong, is := errors.AsType[*csv.ParseError](err); is {
			what, want := "this is not valid CSV: "+wrong.Err.Error(), "check the quotes"
			switch {
			case errors.Is(err, csv.ErrBareQuote):
				what, want = "a quote stands in a value without quotes", `put the whole value into quotes, and write each " in it twice`
			case errors.Is(err, csv.ErrQuote):
				what, want = "this quoted value is not closed properly", `end it with a quote before the delimiter, and write each " in it twice`
			}
			begin := &Node{reader: f.reader} // so that no excerpt shows what is not a cell, see [Reader.masked]
			begin.line, begin.column = f.place(wrong.StartLine, 1)
			f.reader.nodes = append(f.reader.nodes, begin)
			line, column := f.place(wrong.Line, wrong.Column)
			f.reader.report(line, column, what, want)
		}
		if err != nil { // a text is read without other errors
			return nil, false
		}
		empty := true
		for i, value := range record {
			value = strings.TrimSpace(value)
			empty = empty && value == ""
			// The style makes within return the beginning of the cell: quotes may be written twice in it.
			cell := &Node{reader: f.reader, style: foldedBlock, value: value}
			cell.line, cell.column = f.place(f.csv.FieldPos(i))
			cells = append(cells, cell)
		}
		if !empty {
			f.reader.nodes = append(f.reader.nodes, cells...)
			return cells, true
		}
		cells = nil
	}
}

// place returns the place of a line and a byte of the file.
func (f *csvFile) place(line, column int) (int, int) {
	r := f.reader
	line, column = max(line, 1), max(column, 1)
	if line+f.before > len(r.lines) {
		return r.inside(line, column)
	}
	text := r.lines[f.before+line-1]
	return r.inside(line, utf8.RuneCountInString(text[:min(column-1, len(text))])+1)
}
