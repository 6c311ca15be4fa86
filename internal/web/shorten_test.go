package web_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/web"
)

func TestShorten(t *testing.T) {
	for in, want := range map[string]string{
		"// a\n\nf(); // b\n  /** c\n   * d */ g();\n/* e */\n  h(\"// i\");\n": "f(); // b\ng();\nh(\"// i\");\n",
		"x = `a\n  b ${c /* d */}`;\n":                                          "x = `a\nb ${c /* d */}`;\n",
	} {
		if got := string(web.Shorten("a.js", []byte(in))); got != want {
			t.Errorf("Shorten(%q) = %q, want %q", in, got, want)
		}
	}
	css := "/* a\nb */\n:root { --g: url(\"data:image/svg+xml,%3Csvg/%3E\"); } /* c */\n\n  a { b: c }\n"
	if got, want := string(web.Shorten("a.css", []byte(css))), ":root { --g: url(\"data:image/svg+xml,%3Csvg/%3E\"); }\na { b: c }\n"; got != want {
		t.Errorf("Shorten(%q) = %q, want %q", css, got, want)
	}
}

// Shortening sees lines. So no text of a module goes over several lines, except to be markup, whose indentation does not matter.
func TestNoTextOfAModuleGoesOverSeveralLines(t *testing.T) {
	files, _ := filepath.Glob("static/*.js")
	plain := regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|\\s//.*$")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(web.Shorten(file, text)), "\n") {
			if strings.Count(plain.ReplaceAllString(line, ""), "`")%2 != 0 {
				t.Errorf("%s, line %d without comments: %s begins or ends a text of several lines", file, i+1, line)
			}
		}
	}
}
