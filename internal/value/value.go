// Package value makes values of bytes that came from outside, within bounds of memory that all of them share.
//
// A [Format] says how bytes become a value, by one of these names:
//
//   - "json": one JSON value as encoding/json decodes it into an any; integers
//     that a float64 cannot hold exactly are [json.Number].
//   - "text": a string without surrounding white space.
//   - "lines": a []any of strings, one a line, each without surrounding white space.
//   - "csv": a []any of objects, one a row, whose members are the texts of the row by the names of the columns.
//   - "xml": an object with the root element. An element is a text if it has nothing else, or an object: attributes as
//     "@name", its text as "#text", and the elements in it by name, as a []any where there are several of one name.
//   - "yaml": the value of the one document.
//   - "html": what a [Selection] takes.
//   - "prometheus": an object of metrics: for each name a []any of {"labels": {...}, "value": 1.5}.
//
// All become UTF-8 first, see [Format].
//
// # Hostile answers
//
// A body has at most [MaxBody] bytes, after decompression, and JSON at most
// [MaxDepth] levels: an endless body, a gzip bomb and deep nesting end as an
// error after that much. Large values wait for each other, see [WithAdmission], and what a format would make of bytes is
// estimated before it is made. Nothing that bytes refer to is read: no entity, no document type, no address.
package value

import "fmt"

const (
	MaxBody  = 4 << 20 // bytes of an answer
	MaxDepth = 100     // levels of arrays and objects in JSON
)

// ErrTooLarge says that an answer has more than [MaxBody] bytes.
var ErrTooLarge = fmt.Errorf("the answer is larger than %d MiB", MaxBody>>20)
