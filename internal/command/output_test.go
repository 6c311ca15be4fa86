package command_test

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/command"
)

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	euros := strings.Repeat("€", 30000) // 3 bytes each, 64 KiB is not a multiple
	tests := []struct {
		in   string
		want []string
		tail string
	}{
		{"", nil, ""},
		{"a", []string{"a"}, "a\n"},
		{"a\nb\n", []string{"a", "b"}, "a\nb\n"},
		{"a\n\nb", []string{"a", "", "b"}, "a\n\nb\n"},
		{"a\r\nb\r\n\r\nc", []string{"a", "b", "", "c"}, "a\nb\n\nc\n"},
		{"10%\r20%\r30%\ndone\n", []string{"10%", "20%", "30%", "done"}, "30%\ndone\n"},
		{"\r10%\r20%\r\rend", []string{"10%", "20%", "end"}, "end\n"},
		{"10%\r20%\r", []string{"10%", "20%"}, "20%\n"},
		{"a\xff\xfeb\n", []string{"a\uFFFDb"}, "a\uFFFDb\n"},
		{long + "\nb", []string{long[:64<<10] + " [cut]", "b"}, "b\n"},
		{euros + "\n", []string{euros[:64<<10/3*3] + " [cut]"}, ""},
	}
	for _, tt := range tests {
		got, tail := command.SplitLines(0, []byte(tt.in))
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("lines of %.40q = %.40q, want %.40q", tt.in, got, tt.want)
		}
		if len(tt.in) < 1000 && tail != tt.tail {
			t.Errorf("tail of %.40q = %.40q, want %.40q", tt.in, tail, tt.tail)
		}
	}
}

func TestTailIsWholeLines(t *testing.T) {
	tests := []struct{ in, want string }{
		{"1234\n5678\n", "1234\n5678\n"},
		{"1234\n5678\n9\n", "5678\n9\n"},
		{"123456789012345\n", "123456789\n"},
		{"12345678é\n", "12345678\n"},
		{"a\n123456789012345\n", "123456789\n"},
	}
	for _, tt := range tests {
		if _, got := command.SplitLines(10, []byte(tt.in)); got != tt.want {
			t.Errorf("tail of %q in 10 bytes = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// However an output is cut into chunks, the lines are the same, valid and
// without line ends; so is the tail, which is bounded.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"a\nb", "a\r\n\r\nb", "1%\r2%\r", "\xe2\x82", "é\r", "\r\n\r\r\n", "x\x00y"} {
		f.Add([]byte(s), uint8(1), uint8(9))
	}
	f.Fuzz(func(t *testing.T, in []byte, size, max uint8) {
		want, wantTail := command.SplitLines(int(max), in)
		var chunks [][]byte
		for rest, n := in, int(size)%7+1; len(rest) > 0; {
			n = min(n, len(rest))
			chunks = append(chunks, rest[:n])
			rest = rest[n:]
		}
		got, tail := command.SplitLines(int(max), chunks...)
		if !reflect.DeepEqual(got, want) || tail != wantTail {
			t.Errorf("%q in chunks = %q, %q, want %q, %q as in one", in, got, tail, want, wantTail)
		}
		for _, l := range got {
			if strings.ContainsAny(l, "\r\n") || !utf8.ValidString(l) {
				t.Errorf("%q has the line %q, want valid UTF-8 without a line end", in, l)
			}
		}
		if max > 0 && len(tail) > int(max) || !utf8.ValidString(tail) || tail != "" && tail[len(tail)-1] != '\n' {
			t.Errorf("%q has the tail %q, want valid whole lines, at most %d bytes", in, tail, max)
		}
	})
}
