package value_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/value"
)

func lines(t *testing.T, s string) []any {
	v, err := value.Parse(t.Context(), value.Lines, []byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return v.([]any)
}

func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "\n", "a\nb", " a \r\n\n", "\xff\n", "\u2028x", "a\rb\r", "\r0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, mark := range []string{"\xef\xbb\xbf", "\xfe\xff", "\xff\xfe"} {
			if strings.HasPrefix(s, mark) {
				t.Skip("a byte order mark says that the rest is in another charset, or is none of the lines")
			}
		}
		got := lines(t, s)
		if !strings.Contains(s, "\n") { // then a carriage return alone ends a line
			s = strings.ReplaceAll(s, "\r", "\n")
		}
		want := strings.Count(s, "\n")
		if s != "" && !strings.HasSuffix(s, "\n") {
			want++
		}
		if len(got) != want {
			t.Errorf("Lines(%q) = %q, want %d lines", s, got, want)
		}
		for _, l := range got {
			if l := l.(string); l != strings.TrimSpace(l) || strings.Contains(l, "\n") {
				t.Errorf("Lines(%q) has %q, want it trimmed", s, l)
			}
		}
	})
}

// What encoding/json reads, the source reads, and the other way round, within the depth.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5,"b",null]}`, "1 2", "[", `"\ud800"`, "9007199254740993", "1e400", "-0", "", `{"a":1}x`, `"\"[{"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := value.Parse(t.Context(), value.JSON, []byte(s))
		if valid := json.Valid([]byte(strings.TrimPrefix(s, "\uFEFF"))); valid != (err == nil) && strings.Count(s, "[")+strings.Count(s, "{") <= value.MaxDepth {
			// White space that is not JSON's own is trimmed too.
			if strings.TrimSpace(s) == strings.Trim(s, " \t\r\n") {
				t.Errorf("JSON(%q) = %v, valid JSON: %t", s, err, valid)
			}
		}
		if err == nil {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("JSON(%q) = %#v, which does not encode: %v", s, v, err)
			}
			// A long number elsewhere changes nothing.
			text := "[" + strings.TrimSpace(strings.TrimPrefix(s, "\uFEFF")) + ",1234567890123456789]"
			if beside, err := value.Parse(t.Context(), value.JSON, []byte(text)); err == nil && !reflect.DeepEqual(beside.([]any)[0], v) {
				t.Errorf("JSON(%q) = %#v, and beside a long number %#v", s, v, beside.([]any)[0])
			}
		}
	})
}
