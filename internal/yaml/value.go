package yaml

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrEmpty is the error of a text without a document.
var ErrEmpty = errors.New("it is empty")

// Value returns the one document in data as a value of the types that encoding/json decodes into, with at most depth levels
// of lists and mappings. Keys become texts; dates and times stay texts; NaN and infinite numbers become null; whole numbers
// that a float64 does not hold exactly are [json.Number]. The error is one line that names the place.
func Value(data []byte, depth int) (any, error) {
	loader := NewLoader(data)
	var v any
	switch err := loader.Load(&v); {
	case err == io.EOF:
		return nil, ErrEmpty
	case err != nil:
		return nil, oneLine(err)
	}
	var second Node
	switch err := loader.Load(&second); {
	case err == nil:
		return nil, fmt.Errorf("a second document begins in line %d", second.Line)
	case err != io.EOF:
		return nil, oneLine(err)
	}
	return plain(v, depth)
}

// oneLine is what the library says, in one line.
func oneLine(err error) error {
	if e, ok := errors.AsType[*LoadError](err); ok && e.Mark.Line > 0 {
		return fmt.Errorf("line %d, column %d: %s", e.Mark.Line, e.Mark.Column, e.Message)
	}
	return errors.New(strings.TrimPrefix(strings.Join(strings.Fields(err.Error()), " "), "yaml: "))
}

// plain makes of what the library decoded into what encoding/json would have.
func plain(v any, depth int) (any, error) {
	if depth < 0 {
		return nil, errors.New("it nests too deep")
	}
	switch v := v.(type) {
	case nil, bool, string:
		return v, nil
	case int:
		return whole(int64(v)), nil
	case int64:
		return whole(v), nil
	case uint64:
		return json.Number(strconv.FormatUint(v, 10)), nil // it is larger than an int64
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, nil
		}
		return v, nil
	case time.Time:
		return timeText(v), nil
	case []any:
		for i, e := range v {
			made, err := plain(e, depth-1)
			if err != nil {
				return nil, err
			}
			v[i] = made
		}
		return v, nil
	case map[string]any:
		made := make(map[string]any, len(v))
		for k, e := range v {
			if err := put(made, k, e, depth); err != nil {
				return nil, err
			}
		}
		return made, nil
	case map[any]any:
		made := make(map[string]any, len(v))
		for k, e := range v {
			if err := put(made, k, e, depth); err != nil {
				return nil, err
			}
		}
		return made, nil
	}
	return fmt.Sprint(v), nil
}

// put adds an entry of a mapping to an object.
func put(to map[string]any, key, v any, depth int) error {
	name, err := plain(key, 0)
	if err != nil {
		return err
	}
	switch k := name.(type) {
	case nil:
		name = "null"
	case float64:
		name = strconv.FormatFloat(k, 'f', -1, 64)
	default:
		name = fmt.Sprint(k)
	}
	text := name.(string)
	if _, twice := to[text]; twice {
		return fmt.Errorf("a mapping has the key %s twice", strconv.Quote(text))
	}
	to[text], err = plain(v, depth-1)
	return err
}

// whole is a whole number, as a float64 if that holds it exactly.
func whole(n int64) any {
	const exact = 1 << 53
	if n >= exact || n <= -exact {
		return json.Number(strconv.FormatInt(n, 10))
	}
	return float64(n)
}

// timeText is a time as YAML writes it: a date alone if it has no other part.
func timeText(t time.Time) string {
	if t.Equal(t.Truncate(24*time.Hour)) && t.Location() == time.UTC {
		return t.Format(time.DateOnly)
	}
	return t.Format(time.RFC3339Nano)
}
