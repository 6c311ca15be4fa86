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

// Pieces do not matter, and a report is read whatever came before it.
func FuzzTerminal(f *testing.F) {
	f.Add("\x1b]9;4;1;42\a 42\r\n", 3)
	f.Add("\x1b[1mbold\x1b[0m\x1b]8;;x\x1b\\", 1)
	f.Fuzz(func(t *testing.T, s string, size int) {
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
