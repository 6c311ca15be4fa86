package value

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// A Format says how bytes become a value. It is not changed once it is made, and any number of goroutines may use it. The
// zero value is none: there are no bytes.
type Format struct {
	Name string // one of those that the package lists

	// Charset is that of the bytes, if they do not begin with a byte order mark. Empty: the one that their sender names
	// (see [Format.In]) or that XML and HTML declare themselves, else UTF-8.
	Charset string

	Delimiter rune       // of csv, between two fields; 0: what the first line has most of, commas, semicolons or tabs
	Columns   []string   // of csv, the names of the columns; nil: those in the first line
	Select    *Selection // of html, what to take; never nil there

	said string // the charset that the sender names
}

// The formats without settings of their own.
var (
	JSON       = Format{Name: "json"}
	Text       = Format{Name: "text"}
	Lines      = Format{Name: "lines"}
	CSV        = Format{Name: "csv"}
	XML        = Format{Name: "xml"}
	YAML       = Format{Name: "yaml"}
	Prometheus = Format{Name: "prometheus"}
)

// In returns f for bytes of which their sender says that they are in the given charset, empty if it says nothing.
func (f Format) In(charset string) Format {
	f.said = charset
	return f
}

// String identifies the format: two that are equal in it make the same value of the same bytes. It has no secret.
func (f Format) String() string {
	var with []string
	add := func(key string, v any) {
		text, _ := json.Marshal(v) // texts and lists of them encode
		with = append(with, key+": "+string(text))
	}
	if f.Charset != "" {
		add("charset", f.Charset)
	}
	if f.Delimiter != 0 {
		add("delimiter", string(f.Delimiter))
	}
	if f.Columns != nil {
		add("columns", f.Columns)
	}
	if f.Select != nil {
		with = append(with, f.Select.String())
	}
	if with == nil {
		return f.Name
	}
	return f.Name + " {" + strings.Join(with, ", ") + "}"
}

// Accept is a value of the header Accept of a request for the format; empty: any answer is as good.
func (f Format) Accept() string {
	switch f.Name {
	case "json":
		return "application/json, */*;q=0.1"
	case "csv":
		return "text/csv, */*;q=0.1"
	case "xml":
		return "application/xml, text/xml, */*;q=0.1"
	case "yaml":
		return "application/yaml, */*;q=0.1"
	case "html":
		return "text/html, */*;q=0.1"
	case "prometheus":
		return "text/plain;version=0.0.4, */*;q=0.1"
	}
	return ""
}

// parse makes a value of text, which is UTF-8 except for json, text and lines.
func (f Format) parse(b *budget, text []byte) (any, error) {
	switch f.Name {
	case "text":
		return strings.TrimSpace(strings.ToValidUTF8(string(text), "\uFFFD")), nil
	case "lines":
		return parseLines(text), nil
	case "csv":
		return parseCSV(f, text)
	case "xml":
		return parseXML(b, text)
	case "yaml":
		return parseYAML(text)
	case "html":
		return parseHTML(b, f.Select, text)
	case "prometheus":
		return parsePrometheus(text)
	}
	panic(fmt.Sprintf("value: the format is %q, which is none", f.Name))
}

// size estimates the memory that parsing text takes, in bytes: what stays of it, from what parsing dense
// texts allocates.
func (f Format) size(text []byte) int {
	count := func(of string) (n int) {
		for i := range of {
			n += bytes.Count(text, []byte{of[i]})
		}
		return n
	}
	switch f.Name {
	case "lines":
		return 2*len(text) + 48*count("\n")
	case "csv":
		const row, field = 340, 64
		delimiters := count(",;\t")
		if f.Delimiter != 0 {
			delimiters = bytes.Count(text, []byte(string(f.Delimiter)))
		}
		return 2*len(text) + row*(count("\n")+count("\r")) + field*delimiters
	case "xml":
		return 2*len(text) + 120*count("<") + 80*count("=")
	case "yaml":
		return 2*len(text) + 160*count(":,[{\n-")
	case "html":
		return 2*len(text) + 190*count("<") + 48*count("=")
	case "prometheus":
		return 2*len(text) + 700*count("\n") + 150*count("=")
	}
	return 2 * len(text)
}
