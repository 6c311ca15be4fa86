package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/text"
)

var samples = []struct{ in, plain, line string }{
	{"plain, ünïcode\tand tab", "plain, ünïcode\tand tab", "plain, ünïcode and tab"},
	{"\x1b[1;32mok\x1b[0m done", "ok done", "ok done"},
	{"\x1b[2K\x1b[1Gredrawn\a\b\x7f", "redrawn", "redrawn"},
	{"\x1b]9;4;1;42\a42 %", "42 %", "42 %"},
	{"\x1b]8;;http://x\x1b\\link\x1b]", "link", "link"},
	{"\x1b]52;c;aGk=", "", ""},
	{"\x1bPq\x1b\\sixel", "sixel", "sixel"},
	{"\x1b(Bcharset \x1b7saved\x1b", "charset saved", "charset saved"},
	{"\x1b[31", "", ""},
	{"\x1b[3\x1b[31mred", "red", "red"},
	{"c1 \u009b31m", "c1 31m", "c1 31m"},
	{"\x1b]0;never ended\nnext", "\nnext", "next"},
	{"a\nb\tc\r\nd\u2028e", "a\nb\tc\nd\u2028e", "a b c d e"},
	{"a\x00b\x07c\x08d", "abcd", "abcd"},
	{"bad \xff utf-8", "bad \ufffd utf-8", "bad \ufffd utf-8"},
	{"user\u202egnp.exe", "user\ufffdgnp.exe", "user\ufffdgnp.exe"},
	{"\u2066x\u2069", "\ufffdx\ufffd", "\ufffdx\ufffd"},
	{"\u200bx\ufeff", "\u200bx\ufeff", "x"},
	{"  two  words ", "  two  words ", "two words"},
	{"21.5 °C 水位 מים", "21.5 °C 水位 מים", "21.5 °C 水位 מים"},
}

func TestPlainAndLine(t *testing.T) {
	for _, s := range samples {
		if got := text.Plain(s.in); got != s.plain {
			t.Errorf("Plain(%q) = %q, want %q", s.in, got, s.plain)
		}
		if got := text.Words(s.in); got != s.line {
			t.Errorf("Words(%q) = %q, want %q", s.in, got, s.line)
		}
	}
}

func TestLineKeepsItsSpaces(t *testing.T) {
	for in, want := range map[string]string{"  a\tb  c\r\n": "  a b  c ", "a\n\u2028b": "a  b", "\x1b[1m  x\u200b": "  x"} {
		if got := text.Line(in); got != want {
			t.Errorf("Line(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"", 0, ""}, {"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöüß", 4, "äöüß"}, {"äöüßx", 4, "äöü…"}, {"ab", 1, "…"}, {"ab", 0, ""}, {"ab", -1, ""}} {
		if got := text.Cut(c.in, c.n); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

// Nothing that a terminal acts upon is left, a second cleaning changes nothing, and what is
// cut is the beginning.
func Fuzz(f *testing.F) {
	for _, s := range samples {
		f.Add(s.in, 3)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		plain, line := text.Plain(s), text.Line(s)
		for name, got := range map[string]string{"Plain": plain, "Line": line, "Words": text.Words(s)} {
			for _, r := range got {
				if name == "Plain" && (r == '\t' || r == '\n') {
					continue
				}
				if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || name != "Plain" && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
					t.Errorf("%s(%q) = %q, which has %U", name, s, got, r)
				}
			}
			if !utf8.ValidString(got) {
				t.Errorf("%s(%q) = %q, which is not UTF-8", name, s, got)
			}
		}
		if again := text.Plain(plain); again != plain {
			t.Errorf("Plain(Plain(%q)) = %q, want %q", s, again, plain)
		}
		if again := text.Line(line); again != line {
			t.Errorf("Line(Line(%q)) = %q, want %q", s, again, line)
		}
		n &= 31
		cut := text.Cut(line, n)
		if utf8.RuneCountInString(cut) > n || !strings.HasPrefix(line, strings.TrimSuffix(cut, "…")) {
			t.Errorf("Cut(%q, %d) = %q", line, n, cut)
		}
	})
}
