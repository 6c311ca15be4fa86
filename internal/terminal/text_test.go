package terminal_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/terminal"
	"github.com/tidewire/tidewire/internal/text"
)

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[31mred", "\u202e", "\xff", "水位\t", "\x1b\x1b[2J]0;x\x07", "\x1b]\x1b[2J"} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		line := text.Line(s)
		for _, r := range line {
			if unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("Line(%q) = %q, which has %U in it", s, line, r)
			}
		}
		if !utf8.ValidString(line) {
			t.Errorf("Line(%q) = %q, which is no UTF-8", s, line)
		}
		n &= 63
		cut := terminal.Cut(line, n)
		if w := terminal.Width(cut); w > n {
			t.Errorf("Cut(%q, %d) = %q, which is %d wide", line, n, cut, w)
		}
		if w := terminal.Width(terminal.Pad(cut, n)); w != n {
			t.Errorf("Pad(%q, %d) is %d wide", cut, n, w)
		}
	})
}

func TestWidthAndCut(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "°C": 2, "水位": 4, "e\u0301": 1, "─█✔": 3, "\U0001f30a": 2} {
		if got := terminal.Width(s); got != want {
			t.Errorf("Width(%q) = %d, want %d", s, got, want)
		}
	}
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"tank", 4, "tank"}, {"tanks", 4, "tan…"}, {"水位計", 5, "水位…"}, {"水位計", 4, "水…"}, {"x", 0, ""}, {"xy", 1, "…"}, {"", 0, ""},
		{"e\u0301e\u0301e\u0301", 2, "e\u0301…"}, {"abc", -1, ""},
	} {
		if got := terminal.Cut(c.s, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.s, c.n, got, c.want)
		}
	}
	if got, want := terminal.Pad("水", 4)+"|", "水  |"; got != want {
		t.Errorf("Pad = %q, want %q", got, want)
	}
	if long := strings.Repeat("x", 10); terminal.Pad(long, 4) != long {
		t.Error("Pad cuts")
	}
}
