package archive_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/tidewire/tidewire/internal/archive"
)

// The mean of what is too far apart for a difference is between the two, and otherwise what it always was.
func TestMean(t *testing.T) {
	const most = math.MaxFloat64
	for _, c := range []struct{ old, newer, share, want float64 }{
		{1, 4, 1. / 3, 2}, {5, 5, 0.5, 5}, {-most, most, 0.5, 0}, {most, -most, 1, -most}, {-most, most, 1, most},
		{most, -most, 0.25, most / 2}, {most, most, 0.5, most},
	} {
		if got := archive.Mean(c.old, c.newer, c.share); math.Abs(got-c.want) > math.Abs(c.want)*1e-12 {
			t.Errorf("Mean(%g, %g, %g) = %g, want %g", c.old, c.newer, c.share, got, c.want)
		}
	}
}

// Of an object with more numbers than are kept, the one that is shown is among those that are.
func TestFew(t *testing.T) {
	many := object{"shown": 7.0, "zone": "a text"}
	for i := range 100 {
		many[fmt.Sprintf("f%03d", i)] = float64(i)
	}
	few := archive.Few(many, "shown").(object)
	if len(few) != archive.MaxFields || few["shown"] != 7.0 || few["f000"] != 0.0 || few["f030"] != 30.0 {
		t.Errorf("Few = %v, want %d numbers, shown among them", few, archive.MaxFields)
	}
	if few := archive.Few(many, "zone").(object); len(few) != archive.MaxFields || few["zone"] != nil {
		t.Errorf("Few = %v, want %d numbers and no text", few, archive.MaxFields)
	}
	for _, same := range []any{nil, 1.0, object{"a": "x", "b": 1.0}} {
		if got := archive.Few(same, "a"); fmt.Sprint(got) != fmt.Sprint(same) {
			t.Errorf("Few(%v) = %v", same, got)
		}
	}
}
