package value

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	texts "github.com/tidewire/tidewire/internal/text"
)

// parseCSV makes a list of objects, one a row: the texts of the row by the names of the columns. A field that a short row
// lacks is not in the object. Empty lines do not count.
func parseCSV(f Format, data []byte) (any, error) {
	text, delimiter := lined(data), f.Delimiter
	if delimiter == 0 {
		text, delimiter = named(text)
	}
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = cmp.Or(delimiter, texts.Delimiter(text)), -1, true
	columns := f.Columns
	rows := []any{}
	for {
		fields, err := r.Read()
		switch {
		case err == io.EOF && columns == nil:
			return nil, &ParseError{What: "empty, want CSV with a line of names"}
		case err == io.EOF:
			return rows, nil
		case err != nil:
			return nil, &ParseError{What: "not CSV (" + csvReason(err) + ")", Err: err}
		case columns == nil:
			if columns, err = columnsOf(fields); err != nil {
				return nil, err
			}
			continue
		}
		row, err := rowOf(columns, fields)
		if err != nil {
			line, _ := r.FieldPos(0)
			return nil, &ParseError{What: fmt.Sprintf("line %d of the CSV %v", line, err)}
		}
		rows = append(rows, row)
	}
}

var separator = regexp.MustCompile(`^"?(?i:sep)=(.)"?\r?\n`)

// named takes a first line such as sep=; off, by which exports tell spreadsheets what stands between two fields. An empty line stays
// in its place.
func named(text string) (rest string, delimiter rune) {
	found := separator.FindStringSubmatch(text)
	if found == nil {
		return text, 0
	}
	if delimiter, _ = utf8.DecodeRuneInString(found[1]); !IsDelimiter(delimiter) {
		return text, 0
	}
	return "\n" + text[len(found[0]):], delimiter
}

// columnsOf reads the names of the columns. One without a name has its number.
func columnsOf(fields []string) ([]string, error) {
	columns := make([]string, len(fields))
	seen := map[string]bool{}
	for i, name := range fields {
		if name = strings.TrimSpace(name); name == "" {
			name = strconv.Itoa(i + 1)
		}
		if seen[name] {
			return nil, &ParseError{What: fmt.Sprintf("two columns of the CSV have the name %s", quoteBriefly(name))}
		}
		columns[i], seen[name] = name, true
	}
	return columns, nil
}

// rowOf makes an object of a row.
func rowOf(columns, fields []string) (map[string]any, error) {
	row := make(map[string]any, min(len(columns), len(fields)))
	for i, field := range fields {
		switch {
		case i < len(columns):
			row[columns[i]] = strings.Clone(field) // the fields of a row share their memory
		case strings.TrimSpace(field) != "":
			return nil, fmt.Errorf("has %d fields, and there are %d columns", len(fields), len(columns))
		}
	}
	return row, nil
}

// csvReason is what encoding/csv says, with the line first.
func csvReason(err error) string {
	e, ok := errors.AsType[*csv.ParseError](err)
	if !ok {
		return err.Error()
	}
	return fmt.Sprintf("line %d: %v", e.Line, e.Err)
}

// IsDelimiter reports whether c can stand between two fields of CSV.
func IsDelimiter(c rune) bool {
	return c != 0 && c != '"' && c != '\r' && c != '\n' && c != utf8.RuneError && utf8.ValidRune(c)
}
