package command_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/command"
)

func TestReportsOfProgress(t *testing.T) {
	for _, c := range []struct {
		text string
		want string
	}{
		{"\x1b]9;4;1;42\a", "42"},
		{"\x1b]9;4;1;42\x1b\\", "42"},
		{"50%\r\x1b]9;4;1;50\a51%\r\n\x1b]9;4;1;51\a", "50 51"},
		{"\x1b]9;4;3\a\x1b]9;4;3;0\a\x1b]9;4;0;\x1b\\", "- - -"},
		{"\x1b]9;4;2;60\a\x1b]9;4;4;61\a", "60 61"},
		{"\x1b]9;4;1;250\a", "100"},
		{"\x1b]9;4\n;1\r;7\a", "7"}, // a terminal passes over line ends in it
		{"\x1b\x1b]9;4;1;8\a", "8"},
		{"\x1b]9;4;1;8\x1b]9;4;1;9\a", "9"},
		{"\x1b]9;4;1;8\x18\a\x1b]9;4;1;-8\a\x1b]9;4;1\a\x1b]9;4;5;8\a\x1b]9;4;1;x\a", ""},
		{"\x1b]0;title\a\x1b[32m\x1b]9;1;msg\a]9;4;1;8\a", ""},
		{"\x1b]9;4;1;" + strings.Repeat("0", 100) + "8\a", ""},
	} {
		for size := 1; size <= len(c.text); size++ {
			if got := strings.Join(command.Reports(slices.Collect(slices.Chunk([]byte(c.text), size))), " "); got != c.want {
				t.Errorf("%q in pieces of %d reports %q, want %q", c.text, size, got, c.want)
			}
		}
	}
}

func TestPlain(t *testing.T) {
	for s, want := range map[string]string{
		"plain, ünïcode\tand tab":         "plain, ünïcode\tand tab",
		"\x1b[1;32mok\x1b[0m done":        "ok done",
		"\x1b[2K\x1b[1Gredrawn\a\b\x7f":   "redrawn",
		"\x1b]9;4;1;42\a42 %":             "42 %",
		"\x1b]8;;http://x\x1b\\link\x1b]": "link",
		"\x1b(Bcharset \x1b7saved\x1b":    "charset saved",
		"\x1b[31":                         "",
		"\x1b[3\x1b[31mred":               "red",
		"c1 \u009b31m":                    "c1 31m",
	} {
		if got := command.Plain(s); got != want {
			t.Errorf("Plain(%q) = %q, want %q", s, got, want)
		}
	}
}

// Nothing that a terminal acts upon is left, nothing of plain text is lost, and pieces do not matter.
func FuzzTerminal(f *testing.F) {
	f.Add("\x1b]9;4;1;42\a 42\r\n", 3)
	f.Add("\x1b[1mbold\x1b[0m\x1b]8;;x\x1b\\", 1)
	f.Fuzz(func(t *testing.T, s string, size int) {
		plain := command.Plain(s)
		if i := strings.IndexFunc(plain, func(r rune) bool { return r < ' ' && r != '\t' || 0x7f <= r && r < 0xa0 }); i >= 0 {
			t.Errorf("Plain(%q) = %q has a control character", s, plain)
		}
		if again := command.Plain(plain); again != plain {
			t.Errorf("Plain(Plain(%q)) = %q, want %q", s, again, plain)
		}
		if s == "" {
			return
		}
		size = max(1, size%len(s))
		whole := command.Reports([][]byte{[]byte(s)})
		if got := command.Reports(slices.Collect(slices.Chunk([]byte(s), size))); !slices.Equal(got, whole) {
			t.Errorf("%q in pieces of %d reports %v, want %v", s, size, got, whole)
		}
		if got := command.Reports([][]byte{[]byte(s), []byte("\x18\x1b]9;4;1;77\a")}); fmt.Sprint(append(whole, "77")) != fmt.Sprint(got) {
			t.Errorf("after %q a report is read as %v, want %v and 77", s, got, whole)
		}
	})
}
