package wire_test

import (
	"reflect"
	"testing"

	"github.com/tidewire/tidewire/internal/wire"
)

func TestPartsOfALine(t *testing.T) {
	red, bold := []string{"red"}, []string{"bold"}
	for _, c := range []struct {
		line wire.Line
		want []wire.LinePart
	}{
		{wire.Line{Text: "plain"}, []wire.LinePart{{Text: "plain"}}},
		{wire.Line{Text: "a 💧b", Styles: []wire.Style{{2, 3, red}}}, []wire.LinePart{{Text: "a "}, {"💧", red}, {Text: "b"}}},
		{wire.Line{Text: "ab", Styles: []wire.Style{{0, 1, red}, {1, 2, bold}}}, []wire.LinePart{{"a", red}, {"b", bold}}},
		{wire.Line{Text: "ab", Styles: []wire.Style{{1, 9, red}, {0, 5, bold}, {-3, -1, red}}}, []wire.LinePart{{Text: "a"}, {"b", red}}}, // of no gateway
	} {
		if got := c.line.Parts(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("the parts of %v are %v, want %v", c.line, got, c.want)
		}
	}
}
