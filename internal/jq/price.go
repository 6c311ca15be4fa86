package jq

import (
	"fmt"

	"github.com/itchyny/gojq"
)

// The size of values, in bytes.
const (
	perValue  = 16
	perMember = 48 // of an object, besides its key and its value
)

// maxBits bounds the whole numbers that an expression creates, and maxLevels the nesting of its values, since the
// interpreter recurses.
const (
	maxBits   = 1 << 14
	maxLevels = 2000
)

// A price returns the maximum cost of a function of the interpreter with an input and arguments.
type price func(m *meter, v any, args []any) (int, error)

// prices maps functions whose cost is not constant, by signature, and other paid operations to their prices.

var prices = map[string]price{
	"_call":    constant(400), // bounds how much memory recursion takes
	"_object":  func(_ *meter, _ any, args []any) (int, error) { return perMember * max(8, args[0].(int)), nil },
	"_iterate": per(2*perValue, perMember+perValue),
	"_key": func(_ *meter, v any, _ []any) (int, error) {
		if _, ok := v.(string); !ok {
			return 0, fmt.Errorf("expected a string for object key but got: %s (%s)", gojq.TypeOf(v), gojq.Preview(v))
		}
		return 0, nil
	},
	"_text":  func(m *meter, v any, args []any) (int, error) { return times(args[0].(int), 7*m.deep(v)), nil },
	"_slice": func(_ *meter, v any, _ []any) (int, error) { return length(v), nil },
	"_index": func(m *meter, v any, args []any) (int, error) {
		if _, ok := args[0].([]any); ok {
			return m.search(v, args[0]), nil
		}
		return length(v), number1(args[0])
	},
	"_compare": func(m *meter, _ any, args []any) (int, error) { return m.both(args[0], args[1]), numbers(args...) },

	"_add":      arithmetic(func(m *meter, a, b any) int { return size(a) + size(b) }),
	"_subtract": arithmetic(func(m *meter, a, b any) int { return m.product(a, b) }),
	"_multiply": arithmetic(func(m *meter, a, b any) int {
		if text, n, ok := repetition(a, b); ok {
			return times(len(text), n)
		}
		return 3 * (m.deep(a) + m.deep(b))
	}),
	"_divide": arithmetic(func(m *meter, a, b any) int { return pieceCost(a, b) }),
	"_modulo": arithmetic(func(m *meter, a, b any) int { return 0 }),

	"_range/3":     func(_ *meter, _ any, args []any) (int, error) { return 0, numbers(args...) },
	"length/0":     func(_ *meter, v any, _ []any) (int, error) { return length(v), nil },
	"keys/0":       per(2*perValue, 4*perMember),
	"add/0":        func(m *meter, v any, _ []any) (int, error) { return times(3, m.sum(v, "")), nil },
	"join/1":       func(m *meter, v any, args []any) (int, error) { return times(3, m.sum(v, args[0])), nil },
	"reverse/0":    per(perValue, 0),
	"tostring/0":   text,
	"tojson/0":     text,
	"format/1":     text,
	"contains/1":   func(m *meter, v any, args []any) (int, error) { return m.product(v, args[0]), nil },
	"inside/1":     func(m *meter, v any, args []any) (int, error) { return m.product(v, args[0]), nil },
	"indices/1":    func(m *meter, v any, args []any) (int, error) { return m.search(v, args[0]), nil },
	"index/1":      func(m *meter, v any, args []any) (int, error) { return m.search(v, args[0]), nil },
	"rindex/1":     func(m *meter, v any, args []any) (int, error) { return m.search(v, args[0]), nil },
	"startswith/1": func(_ *meter, _ any, args []any) (int, error) { return length(args[0]), nil },
	"endswith/1":   func(_ *meter, _ any, args []any) (int, error) { return length(args[0]), nil },
	"ltrimstr/1":   func(_ *meter, _ any, args []any) (int, error) { return length(args[0]), nil },
	"rtrimstr/1":   func(_ *meter, _ any, args []any) (int, error) { return length(args[0]), nil },
	"trimstr/1":    func(_ *meter, _ any, args []any) (int, error) { return length(args[0]), nil },
	"ltrim/0":      per(1, 1), "rtrim/0": per(1, 1), "trim/0": per(1, 1),
	"ascii_downcase/0": func(_ *meter, v any, _ []any) (int, error) { return 2 * length(v), nil },
	"ascii_upcase/0":   func(_ *meter, v any, _ []any) (int, error) { return 2 * length(v), nil },
	"explode/0":        func(_ *meter, v any, _ []any) (int, error) { return 2 * perValue * length(v), nil },
	"implode/0":        per(8, 0),
	"split/1":          func(_ *meter, v any, args []any) (int, error) { return pieceCost(v, args[0]), nil },
	"fromjson/0":       func(_ *meter, v any, _ []any) (int, error) { return costOfJSON(v), nil },
	"tonumber/0":       func(_ *meter, v any, _ []any) (int, error) { return length(v), digits(v) },
	"flatten/0":        func(m *meter, v any, _ []any) (int, error) { return 3 * m.deep(v), nil },
	"flatten/1":        func(m *meter, v any, _ []any) (int, error) { return 3 * m.deep(v), nil },
	"min/0":            func(m *meter, v any, _ []any) (int, error) { return m.deep(v), nil },
	"max/0":            func(m *meter, v any, _ []any) (int, error) { return m.deep(v), nil },
	"_min_by/1":        func(m *meter, _ any, args []any) (int, error) { return m.deep(args[0]), nil },
	"_max_by/1":        func(m *meter, _ any, args []any) (int, error) { return m.deep(args[0]), nil },
	"sort/0":           func(m *meter, v any, _ []any) (int, error) { return m.order(v), nil },
	"unique/0":         func(m *meter, v any, _ []any) (int, error) { return m.order(v), nil },
	"_sort_by/1":       func(m *meter, _ any, args []any) (int, error) { return m.order(args[0]), nil },
	"_group_by/1":      func(m *meter, _ any, args []any) (int, error) { return m.order(args[0]), nil },
	"_unique_by/1":     func(m *meter, _ any, args []any) (int, error) { return m.order(args[0]), nil },
	"bsearch/1":        func(m *meter, _ any, args []any) (int, error) { return 32 * m.deep(args[0]), nil },
	"setpath/2": func(m *meter, v any, args []any) (int, error) {
		return priceOfPath(m, args[0], v, &owner{paid: map[uintptr]bool{}})
	},
	"delpaths/1":      func(m *meter, v any, args []any) (int, error) { return 2*m.deep(v) + m.order(args[0]), nil },
	"getpath/1":       func(_ *meter, v any, args []any) (int, error) { return length(v) + per1(args[0], 8, 0), nil },
	"transpose/0":     transposed,
	"strftime/1":      func(_ *meter, _ any, args []any) (int, error) { return 512 * length(args[0]), nil },
	"strflocaltime/1": func(_ *meter, _ any, args []any) (int, error) { return 512 * length(args[0]), nil },
	"strptime/1":      func(_ *meter, v any, args []any) (int, error) { return 4 * (length(v) + length(args[0])), nil },
	"_captures/0":     per(4*perMember, 0),
	"jn/2":            recurrence,
	"yn/2":            recurrence,
}
