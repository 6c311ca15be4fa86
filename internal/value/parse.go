package value

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

// Parse makes a value of data: how is "json", "text" or "lines" (see the package). An error tells what is wrong with
// data and quotes its start; it is a [*ParseError], or [context.Cause] of ctx where a large one had to wait for
// others.
func Parse(ctx context.Context, how string, data []byte) (any, error) {
	if how == "json" {
		return parseJSON(ctx, data)
	}
	if err := AdmitDecoding(ctx, 2*len(data)+48*bytes.Count(data, []byte{'\n'})); err != nil {
		return nil, err
	}
	switch how {
	case "text":
		return strings.TrimSpace(strings.ToValidUTF8(string(data), "\uFFFD")), nil
	case "lines":
		return parseLines(data), nil
	}
	panic(fmt.Sprintf("value: Parse is %q, want json, text or lines", how))
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
		return nil, &ParseError{What: "empty, want JSON"}
	}
	if TooDeep(data) {
		what := fmt.Sprintf("JSON nests deeper than %d levels", MaxDepth)
		return nil, &ParseError{What: what, IsJSON: data[0] == '[' || data[0] == '{'}
	}
	if err := AdmitDecoding(ctx, DecodedSize(data)); err != nil {
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

// A ParseError says what is wrong with data, and how that starts. Its fields may be changed by the code that it is
// returned to, which knows what was asked and what is secret.
type ParseError struct {
	What   string
	Start  string // of data, quoted in the message; empty: it quotes nothing
	Err    error  // may be nil
	IsJSON bool   // data is JSON, whatever its media type says
}

func startingWith(data []byte, what string, err error) *ParseError {
	return &ParseError{What: what, Start: strings.ToValidUTF8(string(data[:min(len(data), 4<<10)]), "\uFFFD"), Err: err}
}

func (e *ParseError) Error() string {
	const most = 40
	if e.Start == "" {
		return e.What
	}
	quoted := []rune(e.Start)
	if len(quoted) > most {
		return e.What + ", starts with " + strconv.Quote(string(quoted[:most])+"...")
	}
	return e.What + ", starts with " + strconv.Quote(e.Start)
}

func (e *ParseError) Unwrap() error { return e.Err }

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
