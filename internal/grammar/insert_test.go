package grammar_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
)

var tank = grammar.Mapping{
	{Key: "http", Value: grammar.Mapping{{Key: "upstream", Value: "plant"}, {Key: "path", Value: "/tank"}}},
	{Key: "every", Value: "10s"},
}

const (
	tankLines = "  tank:\n    http: {upstream: plant, path: /tank}\n    every: 10s\n"
	tankFlow  = "tank: {http: {upstream: plant, path: /tank}, every: 10s}"
)

// An entry is added at the end of its section, and everything else stays as it is.
func TestInsert(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "version: 1\n\nsources:\n" + tankLines},
		{"comments alone", "# mine\n", "# mine\nversion: 1\n\nsources:\n" + tankLines},
		{"no section", "version: 1 # the one\n", "version: 1 # the one\n\nsources:\n" + tankLines},
		{"no end of the line", "version: 1", "version: 1\n\nsources:\n" + tankLines},
		{
			"others, with comments",
			"version: 1\nsources:\n  # the first\n  a: {exec: [a]} # so\n\n# about jobs\njobs: {}\n",
			"version: 1\nsources:\n  # the first\n  a: {exec: [a]} # so\n" + tankLines + "\n# about jobs\njobs: {}\n",
		},
		{
			"the last section, with what is commented out",
			"version: 1\nsources:\n  a: {exec: [a]}\n#  b: {exec: [b]}\n",
			"version: 1\nsources:\n  a: {exec: [a]}\n" + tankLines + "#  b: {exec: [b]}\n",
		},
		{
			"a text with what looks like a comment",
			"sources:\n  a:\n    combine: |\n      .a\n      # within\n\nversion: 1\n",
			"sources:\n  a:\n    combine: |\n      .a\n      # within\n" + tankLines + "\nversion: 1\n",
		},
		{"nothing in it", "sources:\nversion: 1\n", "sources:\n" + tankLines + "version: 1\n"},
		{"nothing in it, at the end", "version: 1\nsources:", "version: 1\nsources:\n" + tankLines},
		{"in one line", "version: 1\nsources: {a: {exec: [a]}}\n", "version: 1\nsources: {" + tankFlow + ", a: {exec: [a]}}\n"},
		{"in one line, empty", "version: 1\nsources: {} # none\n", "version: 1\nsources: {" + tankFlow + "} # none\n"},
		{"all in one line", "{version: 1}\n", "{sources: {" + tankFlow + "}, version: 1}\n"},
		{"wide", "version: 1\nsources:\n    a: {exec: [a]}\n", "version: 1\nsources:\n    a: {exec: [a]}\n" + "    tank:\n      http: {upstream: plant, path: /tank}\n      every: 10s\n"},
		{"of Windows", "version: 1\r\nsources:\r\n  a: {exec: [a]}\r\n", "version: 1\r\nsources:\r\n  a: {exec: [a]}\r\n" + strings.ReplaceAll(tankLines, "\n", "\r\n")},
		{"with an end", "version: 1\nsources:\n  a: {exec: [a]}\n...\n", "version: 1\nsources:\n  a: {exec: [a]}\n" + tankLines + "...\n"},
		{"umlauts", "version: 1\nsources: {ä: {title: Öl, exec: [a]}}\n", "version: 1\nsources: {" + tankFlow + ", ä: {title: Öl, exec: [a]}}\n"},
	} {
		got, err := grammar.Insert([]byte(tt.text), "sources", "tank", tank)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.name, err, got, tt.want)
		}
	}
	for text, want := range map[string]string{
		"version: 1\nsources: {tank: {exec: [a]}}\n": `sources already has "tank"`,
		"- a\n":                      "not a mapping",
		"sources: [":                 "",
		"version: 1\n---\na: 1\n":    "more than one",
		"sources: ~\n":               grammar.ErrCannotInsert.Error(),
		"sources: text\n":            grammar.ErrCannotInsert.Error(),
		"version: 1\n...\n":          grammar.ErrCannotInsert.Error(),
		strings.Repeat("#\n", 1<<20): "more than",
	} {
		if got, err := grammar.Insert([]byte(text), "sources", "tank", tank); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q\n%s", text, err, want, got)
		}
	}
}

// A short entry without mappings in it takes a line, a long one a line for each key.
func TestInsertIsReadable(t *testing.T) {
	long := strings.Repeat("x", 60)
	got, err := grammar.Insert(nil, "upstreams", "a", grammar.Mapping{{Key: "http", Value: "http://10.0.0.9:8080/x"}, {Key: "max_inflight", Value: 1}, {Key: "keep_alive", Value: false}})
	if err == nil {
		got, err = grammar.Insert(got, "sources", "b", grammar.Mapping{
			{Key: "exec", Value: []string{"df", "-P", "/", "5"}},
			{Key: "pick", Value: grammar.Mapping{{Key: "a b", Value: `.["a b"] | tonumber`}, {Key: "c", Value: "." + long}}},
		})
	}
	want := `version: 1

upstreams:
  a: {http: http://10.0.0.9:8080/x, max_inflight: 1, keep_alive: false}

sources:
  b:
    exec: [df, "-P", /, "5"]
    pick:
      a b: '.["a b"] | tonumber'
      c: .` + long + "\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}

// Whatever is inserted into whatever is read again as what it is, beside what was there; or it is refused.
func FuzzInsert(f *testing.F) {
	for _, text := range []string{"", "version: 1\n", "sources:\n  a: {b: c}\n\n# x\njobs: {}\n", "{sources: {}}", "sources:\r\n  a: |+\r\n    x\r\n\r\n", "? sources\n: a: b\n", "sources: &a {b: c}\nx: *a\n", "\ufeffsources:\n  é: \"\n  x\"\n"} {
		f.Add(text, "tank", ".a", "°C")
		f.Add(text, "true", "12", ": #")
		f.Add(text, "a: b", "it's \"\\", "\u2028\x00")
		f.Add(text, "-", "http://x:1/y", "a, b")
	}
	f.Fuzz(func(t *testing.T, text, name, a, b string) {
		if !utf8.ValidString(name) || !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		value := grammar.Mapping{{Key: "text", Value: a}, {Key: "list", Value: []string{a, b}}, {Key: "in", Value: grammar.Mapping{{Key: "b", Value: b}}}}
		got, err := grammar.Insert([]byte(text), "sources", name, value)
		if err != nil {
			if got != nil {
				t.Errorf("an error and\n%s", got)
			}
			return
		}
		var again grammar.Mapping
		r := grammar.Read("t.yaml", got, grammar.Options{}, func(root *grammar.Node) {
			n := root.Get("sources").Get(name)
			if n == nil {
				return
			}
			again = grammar.Mapping{{Key: "text", Value: n.Get("text").Value()}, {Key: "b", Value: n.Get("in").Get("b").Value()}}
		})
		if r.Problems(1) == nil && !strings.Contains(name+a+b, "${") && (len(again) != 2 || again[0].Value != a || again[1].Value != b) {
			t.Errorf("%q with %q, %q came to %v in\n%s", text, a, b, again, got)
		}
		if _, err := grammar.Insert(got, "sources", name, value); err == nil || errors.Is(err, grammar.ErrCannotInsert) {
			t.Errorf("inserted twice: %v", err)
		}
	})
}
