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

// Parse makes a value of data. An error tells what is wrong with data and quotes its start; it is a [*ParseError], or
// [context.Cause] of ctx where a large one had to wait for others, or took longer than ctx lasts.
func Parse(ctx context.Context, f Format, data []byte) (any, error) {
	data, err := f.utf8(data)
	if err != nil {
		return nil, err
	}
	if f.Name == "json" {
		return parseJSON(ctx, data)
	}
	size := f.size(data)
	if size > MaxDecoded {
		return nil, tooMany()
	}
	if err := AdmitDecoding(ctx, size); err != nil {
		return nil, err
	}
	v, err := f.parse(&budget{ctx: ctx}, data)
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if e, ok := errors.AsType[*ParseError](err); ok && e.Start == "" && len(bytes.TrimSpace(data)) > 0 {
		e.Start = startOf(data)
	}
	return v, err
}

// A budget ends what takes too long or makes too much of little.
type budget struct {
	ctx   context.Context
	steps int
	bytes int // of the value so far
}

// take counts a step that makes that many bytes of the value.
func (b *budget) take(bytes int) error {
	if b.bytes += bytes; b.bytes > MaxDecoded {
		return tooMany()
	}
	if b.steps++; b.steps%256 == 0 && b.ctx.Err() != nil {
		return context.Cause(b.ctx)
	}
	return nil
}

// lined returns data as text, of which the lines end in line feeds: some devices end them in carriage returns alone.
func lined(data []byte) string {
	text := strings.ToValidUTF8(string(data), "\uFFFD")
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, "\r", "\n")
	}
	return text
}

func parseLines(data []byte) []any {
	lines := []any{}
	for line := range strings.Lines(lined(data)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func parseJSON(ctx context.Context, data []byte) (any, error) {
	data = bytes.TrimSpace(data)
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
	return &ParseError{What: what, Start: startOf(data), Err: err}
}

func startOf(data []byte) string {
	return strings.ToValidUTF8(string(data[:min(len(data), 4<<10)]), "\uFFFD")
}

func (e *ParseError) Error() string {
	if e.Start == "" {
		return e.What
	}
	return e.What + ", starts with " + quoteBriefly(e.Start)
}

// quoteBriefly quotes the start of s.
func quoteBriefly(s string) string {
	const most = 40
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "..."
	}
	return strconv.Quote(s)
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
