package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// parse makes a value of data. An error tells what is wrong with data and quotes
// its start.
func parse(ctx context.Context, how string, data []byte) (any, error) {
	if how == "json" {
		return parseJSON(ctx, data)
	}
	if err := Decode(ctx, 2*len(data)+48*bytes.Count(data, []byte{'\n'})); err != nil {
		return nil, err
	}
	switch how {
	case "text":
		return strings.TrimSpace(strings.ToValidUTF8(string(data), "\uFFFD")), nil
	case "lines":
		return parseLines(data), nil
	}
	panic(fmt.Sprintf("source: Parse is %q, want json, text or lines", how))
}

func parseLines(data []byte) []any {
	lines := []any{}
	for line := range strings.Lines(strings.ToValidUTF8(string(data), "\uFFFD")) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func parseJSON(ctx context.Context, data []byte) (any, error) {
	data = bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\uFEFF")))
	if len(data) == 0 {
		return nil, &parseError{what: "empty, want JSON"}
	}
	if TooDeep(data) {
		return nil, &parseError{what: fmt.Sprintf("JSON nests deeper than %d levels", MaxDepth), isJSON: data[0] == '[' || data[0] == '{'}
	}
	if err := Decode(ctx, DecodedSize(data)); err != nil {
		return nil, err
	}
	var v any
	if !longNumber(data) && json.Unmarshal(data, &v) == nil {
		return v, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v = nil
	if err := d.Decode(&v); errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, startingWith(data, "JSON that ends too early", err)
	} else if err != nil {
		return nil, startingWith(data, "not JSON ("+err.Error()+")", err)
	}
	if d.InputOffset() < int64(len(data)) {
		return nil, startingWith(data, "more than one JSON value", nil)
	}
	return numbers(v), nil
}

// A parseError says what is wrong with an answer, and how that starts.
type parseError struct {
	what   string
	start  string
	err    error // may be nil
	isJSON bool  // whatever its media type is
}

func startingWith(data []byte, what string, err error) *parseError {
	return &parseError{what: what, start: strings.ToValidUTF8(string(data[:min(len(data), 4<<10)]), "\uFFFD"), err: err}
}

func (e *parseError) Error() string {
	const most = 40
	if e.start == "" {
		return e.what
	}
	quoted := []rune(e.start)
	if len(quoted) > most {
		return e.what + ", starts with " + strconv.Quote(string(quoted[:most])+"...")
	}
	return e.what + ", starts with " + strconv.Quote(e.start)
}

func (e *parseError) Unwrap() error { return e.err }

// TooDeep reports whether data, if it is JSON, nests deeper than [MaxDepth] levels.
func TooDeep(data []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return false
}

// longNumber says whether data has 16 digits in a row: an integer that may be none of
// those that a float64 holds exactly, which all shorter ones are. Without any, JSON is
// decoded at once, in about half the time.
func longNumber(data []byte) bool {
	digits := 0
	for _, c := range data {
		if c < '0' || c > '9' {
			digits = 0
		} else if digits++; digits == 16 {
			return true
		}
	}
	return false
}

// numbers replaces each json.Number in v by a float64, in place, unless it is an
// integer that a float64 does not hold exactly, or out of range.
func numbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		f, err := strconv.ParseFloat(string(v), 64)
		if err != nil {
			return v
		}
		const exact = 1 << 53 // also what 1<<53 + 1 becomes
		if (f >= exact || f <= -exact) && !strings.ContainsAny(string(v), ".eE") {
			return v
		}
		return f
	case []any:
		for i, e := range v {
			v[i] = numbers(e)
		}
	case map[string]any:
		for k, e := range v {
			v[k] = numbers(e)
		}
	}
	return v
}
