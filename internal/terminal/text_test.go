package terminal_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/terminal"
)

func TestLine(t *testing.T) {
	for in, want := range map[string]string{
		"94 of 254":                           "94 of 254",
		"":                                    "",
		"21.5 °C":                             "21.5 °C",
		"a\nb\tc\r\nd":                        "a b c  d",
		"\x1b[31mred\x1b[0m":                  "red",
		"\x1b[2J\x1b[1;1Hgone":                "gone",
		"\x1b]0;title\x07x":                   "x",
		"\x1b]8;;http://evil\x1b\\link":       "link",
		"\x1b]52;c;aGk=":                      "",
		"\x1bPq\x1b\\sixel":                   "sixel",
		"\x1b(x":                              "␛(x",
		"\x1b":                                "␛",
		"a\x00b\x07c\x08d":                    "a␀b␇c␈d",
		"\u009b31m":                           "\ufffd31m",
		"\x7f":                                "\ufffd",
		"bad \xff utf-8":                      "bad \ufffd utf-8",
		"user\u202egnp.exe":                   "user\ufffdgnp.exe",
		"\u2066x\u2069":                       "\ufffdx\ufffd",
		"מים":                                 "מים",
		"\u200bx\ufeff":                       "x",
		"l\u2028m":                            "l m",
		"\x1b[\x1b[31m31mx":                   "␛[31mx",
		"\x1b]0;never ended\nnext":            " next",
		"水位":                                  "水位",
		"\U0001f468\u200d\U0001f469 a family": "\U0001f468\U0001f469 a family",
	} {
		if got := terminal.Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzLine(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b[31mred", "\u202e", "\xff", "水位\t", "\x1b\x1b[2J]0;x\x07", "\x1b]\x1b[2J"} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		line := terminal.Line(s)
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
