package jq_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/tidewire/tidewire/internal/jq"
)

// A path of names gives what the interpreter gives, which parentheses have it left to.
func TestPath(t *testing.T) {
	type named struct {
		Temp float64 `json:"temp"`
	}
	deep := any("x")
	for range jq.MaxDepth + 1 {
		deep = []any{deep}
	}
	values := []any{
		nil, true, 1, 1.5, "x", []any{1}, map[string]any{}, json.Number("12345678901234567890"),
		map[string]any{"main": map[string]any{"temp": 21.5, "key with blanks": 1}, "list": []any{1, 2}},
		map[string]any{"main": "x"}, map[string]any{"main": nil}, map[string]any{"main": []any{}},
		map[string]any{"main": named{3}}, map[string]any{"main": map[string]any{"temp": math.NaN()}},
		map[string]any{"main": map[string]any{"temp": deep}},
	}
	for _, src := range []string{".main", ".main.temp", ` .main .temp `, `."main"`, `.main["key with blanks"]`, ".main.temp.x", ".main?", ".main?.temp",
		".list[0]", ".list[]", ".main | .temp", ".main.temp // 1", "-.main.temp", ".", ".list[1:]", `.main."temp"`} {
		path, whole := compile(t, src), compile(t, "("+src+")")
		for _, v := range values {
			got, gotErr := path.Run(t.Context(), v)
			want, wantErr := whole.Run(t.Context(), v)
			if !reflect.DeepEqual(got, want) || (gotErr == nil) != (wantErr == nil) {
				t.Errorf("%s of %.60v = %v, %v, want %v, %v", src, v, got, gotErr, want, wantErr)
			}
		}
	}
}

func BenchmarkRun(b *testing.B) {
	v := map[string]any{"main": map[string]any{"temp": 21.5}}
	for _, src := range []string{".main.temp", ".main.temp | round"} {
		p := compile(b, src)
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Run(b.Context(), v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
