//go:build linux

package main

import (
	"strings"
	"testing"
)

// log is what a receiver was told, written as "a:F b:R": ids and states; F! is again, a number counts earlier ones.
func parseLog(t *testing.T, text string) (list []told) {
	t.Helper()
	for _, word := range strings.Fields(text) {
		id, what, ok := strings.Cut(word, ":")
		if !ok || what == "" {
			t.Fatalf("%q is no message", word)
		}
		m := told{id: id, state: map[byte]string{'F': "firing", 'R': "resolved"}[what[0]]}
		for _, c := range what[1:] {
			if c == '!' {
				m.again = "repeat"
			} else {
				m.earlier = int(c - '0')
			}
		}
		list = append(list, m)
	}
	return list
}

func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name, log string
		truth     account
		want      string // part of the only thing that is wrong; empty: nothing is
	}{
		{"nothing", "", account{0, 0, true}, ""},
		{"in turns", "a:F b:R c:F d:R", account{2, 2, true}, ""},
		{"the same message twice", "a:F a:F b:R b:R b:R", account{1, 1, true}, ""},
		{"it still fires", "a:F", account{1, 1, false}, ""},
		{"told again", "a:F b:F! c:F! d:R", account{1, 1, true}, ""},
		{"earlier ones are counted", "a:F1 b:R2 c:F d:R", account{5, 5, true}, ""},
		{"a message twice counts once", "a:F3 a:F3 b:R", account{4, 4, true}, ""},
		{"less is certain than was told", "a:F b:R", account{0, 1, true}, ""},

		{"firing twice", "a:F b:F c:R", account{1, 1, true}, "message 1 says firing for the second time"},
		{"resolved twice", "a:F b:R c:R", account{1, 1, true}, "message 2 says resolved for the second time"},
		{"resolved first", "a:R", account{0, 0, true}, "the first message says resolved"},
		{"out of order", "a:F b:R a:F c:F d:R", account{2, 2, true}, "message 2, firing, comes again after a newer one"},
		{"one id, two states", "a:F a:R", account{1, 1, true}, "message 1 says resolved under the id of one that said firing"},
		{"again what does not fire", "a:F b:R c:F! d:R", account{1, 1, true}, "message 2 says again"},
		{"lost", "a:F b:R", account{2, 2, true}, "fired 1 times, want 2 to 2"},
		{"made up", "a:F b:R c:F d:R", account{1, 1, true}, "fired 2 times, want 1 to 1"},
		{"never told", "", account{1, 1, false}, "fired 0 times, want 1 to 1"},
		{"the end is missing", "a:F b:R c:F", account{2, 2, true}, "the last message says firing"},
		{"without an id", ":F", account{1, 1, false}, "message 0 has no id"},
		{"another state", "a:X", account{0, 0, true}, `message 0 has the state ""`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := judge(parseLog(t, tt.log), tt.truth)
			if tt.want == "" && len(got) > 0 || tt.want != "" && (len(got) == 0 || !strings.Contains(got[0], tt.want)) {
				t.Errorf("judge(%s, %+v) = %q, want %q", tt.log, tt.truth, got, tt.want)
			}
		})
	}
}

func TestFires(t *testing.T) {
	for text, want := range map[string]int{"": 0, "--": 0, "x": 1, "-xx-x": 2, "xx": 1, "x-x-x-": 3} {
		var holds []bool
		for _, c := range text {
			holds = append(holds, c == 'x')
		}
		if got := fires(holds); got != want {
			t.Errorf("fires(%q) = %d, want %d", text, got, want)
		}
	}
}
