package jq

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"reflect"
	"strings"

	"github.com/itchyny/gojq"
)

func constant(n int) price { return func(*meter, any, []any) (int, error) { return n, nil } }

// per returns the price of reading each byte of a text or number, element of an array, or member of an object.
func per(element, member int) price {
	return func(_ *meter, v any, _ []any) (int, error) { return per1(v, element, member), nil }
}

func per1(v any, element, member int) int {
	if object, ok := v.(map[string]any); ok {
		return member * len(object)
	}
	return element * length(v)
}

// length returns the bytes of a text or a number, or the elements of an array.
func length(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case json.Number:
		return len(v)
	case *big.Int:
		return v.BitLen() / 8
	case []any:
		return len(v)
	}
	return 0
}

// size returns the cost of a shallow copy of v.
func size(v any) int {
	switch v := v.(type) {
	case []any:
		return perValue * len(v)
	case map[string]any:
		return 2 * perMember * len(v)
	}
	return perValue + length(v)
}

// times multiplies without overflow.
func times(a, b int) int {
	if a <= 0 || b <= 0 {
		return 0
	}
	if high, low := bits.Mul64(uint64(a), uint64(b)); high == 0 && low <= math.MaxInt64 {
		return int(low)
	}
	return math.MaxInt
}

// deep returns the size of v with everything in it, counting shared parts repeatedly, or more than the budget left.
func (m *meter) deep(v any) int {
	left := m.left
	weigh(v, &left, 0)
	return m.left - left
}

func weigh(v any, left *int, level int) {
	if *left -= perValue + length(v); *left < 0 || level > maxLevels {
		*left = -1
		return
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if weigh(e, left, level+1); *left < 0 {
				return
			}
		}
	case map[string]any:
		for k, e := range v {
			*left -= perMember + len(k)
			if weigh(e, left, level+1); *left < 0 {
				return
			}
		}
	}
}

// both returns the cost of comparing two values: little if their types differ.
func (m *meter) both(a, b any) int {
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return min(len(a), len(b))
		}
	case []any:
		if b, ok := b.([]any); ok && len(a) > 0 && len(b) > 0 {
			return min(m.deep(a), m.deep(b))
		}
	case map[string]any:
		if b, ok := b.(map[string]any); ok && len(a) > 0 && len(b) > 0 {
			return 2 * min(m.deep(a), m.deep(b))
		}
	}
	return 0
}

// product returns the cost of comparing each part of a with each part of b.
func (m *meter) product(a, b any) int {
	wa, wb := m.deep(a), m.deep(b)
	if isText(a) && isText(b) {
		return wa + wb
	}
	return min(times(wa, wb/perValue+1), times(wb, wa/perValue+1))
}

func isText(v any) bool { _, ok := v.(string); return ok }

// search returns the cost of searching for b everywhere in a.
func (m *meter) search(a, b any) int {
	n := length(a)
	if isText(a) {
		return 2*perValue*(n+length(b)) + times(n, length(b))
	}
	return perValue*n + times(n, m.deep(b)/2)
}

// order returns the cost of sorting by keys.
func (m *meter) order(keys any) int {
	n := length(keys)
	return times(m.deep(keys), max(1, bits.Len(uint(n))/2)) + 5*perValue*n
}

// sum returns the size of the elements of v with between after each of them.
func (m *meter) sum(v, between any) int {
	total := 0
	add := func(e any) {
		if total += size(e) + length(between); total < 0 {
			total = math.MaxInt
		}
	}
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			add(e)
		}
	case map[string]any:
		total = 2 * perMember * len(v)
		for _, e := range v {
			add(e)
		}
	}
	return min(total, math.MaxInt/4)
}

func text(m *meter, v any, _ []any) (int, error) {
	if isText(v) {
		return 7 * length(v), nil
	}
	return times(7, m.deep(v)), nil
}

// pieceCost returns the cost of splitting a text by another one.
func pieceCost(v, by any) int {
	text, ok1 := v.(string)
	separator, ok2 := by.(string)
	if !ok1 || !ok2 {
		return 0
	}
	return len(text) + times(3*perValue, strings.Count(text, separator)+1)
}

// repetition returns the text and the number of text * n.
func repetition(a, b any) (string, int, bool) {
	text, ok := a.(string)
	if !ok {
		if text, ok = b.(string); !ok {
			return "", 0, false
		}
		b = a
	}
	n, ok := gojq.ToInt(b)
	return text, n, ok
}

func transposed(_ *meter, v any, _ []any) (int, error) {
	rows, _ := v.([]any)
	longest := 0
	for _, row := range rows {
		longest = max(longest, length(row))
	}
	return perValue*len(rows) + times(longest, perValue*(len(rows)+2)), nil
}

// recurrence is the price of a function of math that iterates up to its first argument.
func recurrence(_ *meter, _ any, args []any) (int, error) {
	n, _ := gojq.ToFloat64(args[0])
	x, _ := gojq.ToFloat64(args[1])
	if most := max(math.Abs(n), math.Abs(x)); most < Budget {
		return int(most), nil
	}
	return Budget, nil
}

// arithmetic returns the price of an operator; numbers must not be too long.
func arithmetic(of func(m *meter, a, b any) int) price {
	return func(m *meter, _ any, args []any) (int, error) {
		if err := numbers(args...); err != nil {
			return 0, err
		}
		return of(m, args[0], args[1]), nil
	}
}

// numbers returns an error if a whole number among the values is too long to calculate with.
func numbers(values ...any) error {
	total := 0
	for _, v := range values {
		if err := number1(v); err != nil {
			return err
		}
		if n, ok := v.(*big.Int); ok {
			total += n.BitLen()
		}
	}
	if total > maxBits {
		return fmt.Errorf("a number has more than %d digits", maxBits*3/10)
	}
	return nil
}

func number1(v any) error {
	if n, ok := v.(json.Number); ok && len(n) > maxDigits {
		return fmt.Errorf("a number has %d digits, want at most %d", len(n), maxDigits)
	}
	return nil
}

func digits(v any) error {
	if s, ok := v.(string); ok {
		return number1(json.Number(s))
	}
	return nil
}

// priceOfPath returns the cost of setting the value at path in root: copies of the containers on the path, unless o has
// them already, and room for the elements before a new one.
func priceOfPath(m *meter, path, root any, o *owner) (int, error) {
	names, _ := path.([]any)
	cost := perValue * len(names)
	v := root
	for _, name := range names {
		key, isName := name.(string)
		index, isIndex := gojq.ToInt(name)
		switch c := v.(type) {
		case map[string]any:
			cost += o.once(reflect.ValueOf(c).Pointer(), size(c)) + 2*perMember
			v = nil
			if isName {
				v = c[key]
			}
		case []any:
			cost += o.once(reflect.ValueOf(c).Pointer(), size(c)) + perValue
			v = nil
			if isIndex && index < 0 {
				index += len(c)
			}
			if isIndex && index >= 0 && index < len(c) {
				v = c[index]
			} else if isIndex && index >= len(c) {
				cost += times(2*perValue, index-len(c)+1)
			}
		default:
			v = nil
			if isIndex && index > 0 {
				cost += times(2*perValue, index)
			}
			cost += 8 * perMember
		}
		if cost < 0 || cost > m.left {
			return math.MaxInt, nil
		}
	}
	return cost, nil
}

// once returns n for the first call with an address, and 0 afterwards.
func (o *owner) once(address uintptr, n int) int {
	if o.paid[address] {
		return 0
	}
	o.paid[address] = true
	return n
}

// costOfJSON returns the cost of decoding a JSON text, estimated from the characters that begin values.
func costOfJSON(v any) int {
	text, _ := v.(string)
	cost := 2 * len(text)
	for i := range len(text) {
		switch text[i] {
		case '{':
			cost += perMember + perValue
		case '[', ',':
			cost += 3 * perValue
		case ':':
			cost += 2 * perMember
		}
	}
	return cost
}
