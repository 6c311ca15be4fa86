package text_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/text"
)

var styled = []struct{ in, want string }{
	{"plain", ""},
	{"\x1b[31mred\x1b[0m rest", "0-3 red"},
	{"\x1b[31mred\x1b[m rest", "0-3 red"},
	{"\x1b[1;32mok\x1b[22m done\x1b[39m.", "0-2 green bold|2-7 green"},
	{"a\x1b[3;4;7;2mb\x1b[23;24;27;22mc", "1-2 dim italic underline inverse"},
	{"\x1b[4:3mcurly\x1b[4:0m no", "0-5 underline"},
	{"\x1b[21mtwice", "0-5 underline"},
	{"\x1b[94mblue\x1b[97;44mwhite", "0-4 bright-blue|4-9 bright-white"},
	{"\x1b[38;5;208morange\x1b[38;5;9mred\x1b[38;5;244mgrey", "0-6 yellow|6-9 bright-red|9-13 bright-black"},
	{"\x1b[38;2;250;10;10mtrue\x1b[38:2::0:200:0mgreen\x1b[38:5:4mblue", "0-4 bright-red|4-9 green|9-13 blue"},
	{"\x1b[48;5;31;1mground\x1b[48;2;1;2;3;22;58;5;4mno", "0-6 bold"},
	{"\x1b[38;5mno\x1b[38;2;1;2;999mno\x1b[38mno\x1b[99999999999999999999mno\x1b[38;5;256mno", ""},
	{"\x1b[?31mno\x1b[31 mno\x1b[31Jno\x1b]31m\ano\x1b[31", ""},
	{"\x1b[31m\x1b[32m\x1b[31mwa\x1b[2Kter\x1b[31m 水\x1b[0m", "0-9 red"},
	{"\xe6\x1b[31m\xb0\xb4x", "3-4 red"}, // an escape within a character
	{"\x1b[31m\x00\x07\x1b[0m", ""},
	{strings.Repeat("\x1b[31ma\x1b[0mb", 100), strings.TrimSuffix(func() (s string) {
		for i := range text.MaxSpans {
			s += fmt.Sprintf("%d-%d red|", 2*i, 2*i+1)
		}
		return s
	}(), "|")},
}

func TestStyled(t *testing.T) {
	for _, c := range styled {
		plain, spans := text.Styled(c.in)
		var got []string
		for _, s := range spans {
			got = append(got, fmt.Sprintf("%d-%d %s", s.Begin, s.End, strings.Join(s.Style.Words(), " ")))
		}
		if got := strings.Join(got, "|"); got != c.want || plain != text.Plain(c.in) {
			t.Errorf("Styled(%q) = %q, %s, want %q, %s", c.in, plain, got, text.Plain(c.in), c.want)
		}
	}
}

// The text is the one without escapes, and its spans are in order, apart, within it, between characters, bounded, and of styles whose
// words and whose parameters mean the same.
func FuzzStyled(f *testing.F) {
	for _, c := range styled {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, s string) {
		plain, spans := text.Styled(s)
		if want := text.Plain(s); plain != want {
			t.Fatalf("Styled(%q) = %q, want %q", s, plain, want)
		}
		if len(spans) > text.MaxSpans {
			t.Fatalf("%q has %d spans", s, len(spans))
		}
		again, end := "", 0
		for _, span := range spans {
			if span.Begin < end || span.End <= span.Begin || span.End > len(plain) || span.Style == 0 ||
				!utf8.ValidString(plain[:span.Begin]) || !utf8.ValidString(plain[:span.End]) {
				t.Fatalf("the spans of %q are %v", s, spans)
			}
			if text.StyleOf(span.Style.Words()) != span.Style {
				t.Fatalf("the words of %d are %v", span.Style, span.Style.Words())
			}
			again += plain[end:span.Begin] + "\x1b[" + span.Style.SGR() + "m" + plain[span.Begin:span.End] + "\x1b[0m"
			end = span.End
		}
		if p, same := text.Styled(again + plain[end:]); p != plain || !slices.Equal(same, spans) {
			t.Fatalf("%q: painted again: %q, %v, want %q, %v", s, p, same, plain, spans)
		}
	})
}
