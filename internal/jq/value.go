package jq

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
)

// Bounds of an input and of a result.
const (
	// MaxSize bounds the bytes of a value: its strings, keys and numbers, and one byte for everything else. It is never
	// more than the length of the JSON text.
	MaxSize = 4 << 20
	// MaxDepth bounds how deep arrays and objects nest in a result, because readers recurse. An input may nest twice as
	// deep, since it contains results.
	MaxDepth = 100
	// maxDigits bounds a number's text: the interpreter does exact arithmetic
	// on integers of any length, in one step that no deadline interrupts.
	maxDigits = 1000
)

// plain returns v in the types that the interpreter accepts and encoding/json encodes: nil, bool, int, float64,
// json.Number, string, []any, map[string]any. Everything else goes through JSON, since the interpreter panics on it.
// plain copies only what it changes.
func plain(v any, levels int) (any, error) {
	w := walk{left: MaxSize, levels: levels}
	p, _, err := w.plain(v, 0)
	return p, err
}

type walk struct {
	left   int // bytes that the rest of the value may take
	levels int
}

// plain also reports whether the value it returns differs from x.
func (w *walk) plain(x any, depth int) (_ any, changed bool, err error) {
	if err := w.take(1); err != nil {
		return nil, false, err
	}
	if depth > w.levels {
		return nil, false, fmt.Errorf("arrays and objects nest deeper than %d levels", w.levels)
	}
	switch v := x.(type) {
	case nil, bool, int:
		return x, false, nil
	case float64:
		switch {
		case math.IsNaN(v):
			return nil, true, nil
		case math.IsInf(v, 0):
			return math.Copysign(math.MaxFloat64, v), true, nil
		}
		return x, false, nil // unchanged: a new interface value would be an allocation
	case string:
		return x, false, w.take(len(v))
	case json.Number:
		if len(v) > maxDigits {
			return nil, false, fmt.Errorf("a number has %d digits, want at most %d", len(v), maxDigits)
		}
		if !isNumber(string(v)) {
			return nil, false, fmt.Errorf("%q is not a JSON number", string(v))
		}
		return x, false, w.take(len(v) - 1)
	case *big.Int:
		switch {
		case v == nil:
			return nil, true, nil
		case v.BitLen() > maxDigits*10/3:
			return nil, false, fmt.Errorf("a number has more than %d digits", maxDigits)
		}
		return json.Number(v.String()), true, nil // through text, as a number that encoding/json decoded
	case []any:
		if list, changed, err := w.list(v, depth); changed || err != nil {
			return list, changed, err
		}
		return x, false, nil // unchanged, as above
	case map[string]any:
		if object, changed, err := w.object(v, depth); changed || err != nil {
			return object, changed, err
		}
		return x, false, nil
	}
	text, err := json.Marshal(x)
	if err != nil {
		return nil, false, err
	}
	var decoded any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&decoded); err != nil {
		return nil, false, err
	}
	p, _, err := w.plain(decoded, depth)
	return p, true, err
}

// list is plain for the elements of a list; it returns the same list if no element changes.
func (w *walk) list(v []any, depth int) (_ []any, changed bool, err error) {
	list := v
	for i, e := range v {
		p, c, err := w.plain(e, depth+1)
		if err != nil {
			return nil, false, err
		}
		if c && !changed {
			list, changed = slices.Clone(v), true
		}
		if c {
			list[i] = p
		}
	}
	return list, changed, nil
}

// object is plain for the members of an object; it returns the same object if no member changes.
func (w *walk) object(v map[string]any, depth int) (_ map[string]any, changed bool, err error) {
	object := v
	for k, e := range v {
		if err := w.take(len(k)); err != nil {
			return nil, false, err
		}
		p, c, err := w.plain(e, depth+1)
		if err != nil {
			return nil, false, err
		}
		if c && !changed {
			object, changed = maps.Clone(v), true
		}
		if c {
			object[k] = p
		}
	}
	return object, changed, nil
}

// clone copies the arrays and objects of a plain value.
func clone(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = clone(e)
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for k, e := range v {
			object[k] = clone(e)
		}
		return object
	}
	return v
}

func (w *walk) take(n int) error {
	if w.left -= n; w.left < 0 {
		return fmt.Errorf("the value is larger than %d MiB", MaxSize>>20)
	}
	return nil
}

func isNumber(s string) bool {
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && json.Valid([]byte(s))
}
