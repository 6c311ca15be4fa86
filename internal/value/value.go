// Package value makes values of bytes that came from outside, within bounds of memory that all of them share.
//
// How bytes become a value has three names:
//
//   - "json": one JSON value as encoding/json decodes it into an any; integers
//     that a float64 cannot hold exactly are [json.Number].
//   - "text": a string without surrounding white space.
//   - "lines": a []any of strings, one a line, each without surrounding white space.
//
// # Hostile answers
//
// A body has at most [MaxBody] bytes, after decompression, and JSON at most
// [MaxDepth] levels: an endless body, a gzip bomb and deep nesting end as an
// error after that much. Large values wait for each other, see [WithAdmission].
package value

import "fmt"

const (
	MaxBody  = 4 << 20 // bytes of an answer
	MaxDepth = 100     // levels of arrays and objects in JSON
)

// ErrTooLarge says that an answer has more than [MaxBody] bytes.
var ErrTooLarge = fmt.Errorf("the answer is larger than %d MiB", MaxBody>>20)
