package figures_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/bench/figures"
)

func TestFormat(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{figures.Duration(0), "0"},
		{figures.Duration(1), "1 ns"},
		{figures.Duration(999.7), "1 µs"},
		{figures.Milliseconds(12.34), "12.3 ms"},
		{figures.Seconds(61), "61 s"},
		{figures.Count(91_499), "91,500"},
		{figures.Count(1_234_567), "1,230,000"},
		{figures.Kilobytes(0), "0 KB"},
		{figures.Megabytes(-0.5), "−0.5 MB"},
		{figures.Shown(math.NaN(), figures.Percent), "–"},
		{figures.Shown(99.94, figures.Percent), "100 %"},
	} {
		if test.got != test.want {
			t.Errorf("formatted as %q, want %q", test.got, test.want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		bar  figures.Bar
		want string
	}{
		{figures.AtMost("a", 2, figures.Times, 2), "met"},
		{figures.AtMost("a", 2, figures.Times, 2.01), "missed"},
		{figures.AtMost("a", 2, figures.Times, math.NaN()), "missed"},
		{figures.AtLeast("a", 2, figures.Times, 2), "met"},
		{figures.AtLeast("a", 2, figures.Times, 1.99), "missed"},
		{figures.AtLeast("a", 2, figures.Times, math.NaN()), "missed"},
	} {
		if got := test.bar.Mark(); got != test.want {
			t.Errorf("%+v is %s, want %s", test.bar, got, test.want)
		}
	}
}

func TestTables(t *testing.T) {
	for got, want := range map[string]string{
		figures.Table([][]string{{"", "a", "b"}, {"one", "1", "2"}}): "|  | a | b |\n|---|--:|--:|\n| one | 1 | 2 |",
		figures.BarTable([]figures.Bar{figures.AtMost("a", 2, figures.Times, 1), figures.AtMost("b", 2, figures.Times, 3)}): "| | bar | measured | |\n|---|---|---|---|\n" +
			"| a | at most 2× | 1× | met |\n| b | at most 2× | 3× | **missed** |",
	} {
		if got != want {
			t.Errorf("the table is\n%s\nwant\n%s", got, want)
		}
	}
}

// Pictures are well-formed, and nothing is drawn outside of them.
func TestSVG(t *testing.T) {
	lines := []figures.Line{
		{Name: "a & b", Colour: figures.Palette[0], Bold: true, Points: []figures.Point{{X: 1, Y: 0.5}, {X: 10, Y: 0.4}, {X: 30, Y: 0.5}}},
		{Name: "c", Colour: figures.Palette[1], Points: []figures.Point{{X: 1, Y: 1}, {X: 10, Y: 9}, {X: 30, Y: 26}}},
		{Name: "nothing", Colour: figures.Palette[2]},
	}
	for name, svg := range map[string][]byte{
		"linear": figures.Chart{Title: "t", X: figures.Axis{Label: "x", Linear: true, Format: figures.Count},
			Y: figures.Axis{Label: "y", Linear: true, Format: figures.Seconds}, Lines: lines}.SVG(),
		"logarithmic": figures.Chart{Title: "t", X: figures.Axis{Label: "x", Format: figures.Count},
			Y: figures.Axis{Label: "y", Format: figures.Seconds}, Lines: lines}.SVG(),
		"bars": figures.BarChart{Title: "t <", Format: figures.Kilobytes, Values: []figures.Value{{Name: "a", Colour: "#000", V: 3}, {Name: "b", Colour: "#000"}}}.SVG(),
	} {
		text := string(svg)
		for _, bad := range []string{"NaN", "Inf", `="-`} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: the picture contains %s:\n%s", name, bad, text)
			}
		}
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			_, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}
