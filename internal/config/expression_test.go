package config_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
)

// TestPlaceInScalar: a wrong expression is reported at the word "nope" in it,
// in every style of scalar whose characters stand in the file as they are.
// Elsewhere it is reported where the scalar begins, marked by "@" here.
func TestPlaceInScalar(t *testing.T) {
	for name, scalar := range map[string]string{
		"plain":                        ".a | nope | .b",
		"plain, alone":                 "nope",
		"plain, characters":            `.a | "größe" | nope # comment`,
		"plain, over two lines":        "@.a\n      | nope",
		"single quotes":                "'.a | nope'",
		"single quotes, doubled":       "'.a | \"it''s ''\" | nope'",
		"single quotes, at the end":    "'nope'",
		"single quotes, over lines":    "@'.a\n      | nope'",
		"double quotes":                `".a | nope"`,
		"double quotes, escapes":       `".a\t|\x20\u0020\U00000020\"\\n\u00fc\" | nope"`,
		"double quotes, over lines":    "@\".a\n      | nope\"",
		"double quotes, joined lines":  "@\".a \\\n      | nope\"",
		"literal":                      "|\n      .a\n      | nope\n",
		"literal, deeper":              "|\n      .a\n\n          | \"größe\" | nope\n        | .c\n",
		"literal, indentation, strip":  "|2-\n        .a\n        | nope\n\n",
		"literal, keep":                "|+\n      nope\n\n\n",
		"literal, blank lines first":   "|\n\n      \n      .a | nope\n",
		"folded":                       "@>\n      .a\n      | nope\n",
		"folded, comment":              "@>- # the level of the tank\n      .a | nope\n",
		"literal, comment":             "| # the level\n      .a | nope\n",
		"literal, carriage returns":    "|\r\n      .a\r\n      | nope\r\n",
		"single quotes, then comments": "'.a | nope' # it's nope'",
	} {
		text := "version: 1\nsources:\n  a:\n    exec: [a]\n    pick: " + scalar
		before, _, marked := strings.Cut(text, "@")
		if marked {
			text = strings.Replace(text, "@", "", 1)
		} else {
			before, _, _ = strings.Cut(text, "nope")
		}
		line := 1 + strings.Count(before, "\n")
		column := 1 + utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:])
		_, problems := config.Load("f", []byte(text))
		if len(problems) != 1 || problems[0].Line != line || problems[0].Column != column || !strings.Contains(problems[0].What, "nope") {
			t.Errorf("%s: %v, want one about nope at %d:%d", name, problems, line, column)
		}
	}
}

// TestPlaceAtEnd: what is missing at the end of an expression is reported
// behind its last character.
func TestPlaceAtEnd(t *testing.T) {
	for name, scalar := range map[string]string{
		"plain":         ".a | (.b@",
		"single quotes": "'.a | (.b@'",
		"double quotes": `"\".ä\" | (.b@"`,
		"literal":       "|\n      .a\n      | (.ab@\n",
		"literal, keep": "|+\n      .a\n      | (.ab@\n\n\n",
	} {
		text := "version: 1\nsources:\n  a:\n    exec: [a]\n    pick: " + scalar
		before, after, _ := strings.Cut(text, "@")
		line := 1 + strings.Count(before, "\n")
		column := 1 + utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:])
		_, problems := config.Load("f", []byte(before+after))
		if len(problems) != 1 || problems[0].Line != line || problems[0].Column != column {
			t.Errorf("%s: %v, want one at %d:%d", name, problems, line, column)
		}
	}
}
