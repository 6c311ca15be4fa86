package grammar_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/grammar"
	"github.com/tidewire/tidewire/internal/jq"
)

// everything has a key of each type.
type everything struct {
	text, line, word, path, token string
	boolean                       bool
	number                        *float64
	count, integer                int
	duration, per                 time.Duration
	percentage                    float64
	size                          int64
	expression                    *jq.Program
	pattern                       *regexp.Regexp
}

func (e *everything) keys() grammar.Keys {
	words := []grammar.Word{{Word: "fast", Doc: "at once"}, {Word: "thorough", Doc: "in a while"}}
	return grammar.Keys{
		grammar.Text("text", "a text", &e.text),
		grammar.Line("line", "a line", &e.line).Need("x"),
		grammar.OneOf("word", "a word", &e.word, words).Also("term"),
		grammar.Boolean("boolean", "a truth", &e.boolean),
		grammar.Number("number", "a number", &e.number),
		grammar.Integer("integer", "a whole number", &e.integer, -3, 7),
		grammar.Duration("duration", "a duration", &e.duration),
		grammar.Percentage("percentage", "a share", &e.percentage),
		grammar.Size("size", "a size", &e.size, 5e3, 2e9),
		grammar.Rate("rate", "a rate", &e.count, &e.per),
		grammar.JQ("expression", "an expression", &e.expression),
		grammar.Regexp("pattern", "a pattern", &e.pattern),
		grammar.Path("path", "a directory", &e.path, grammar.Directory),
		grammar.Line("token", "a credential", &e.token).Secret(),
		grammar.Section("section", "a section", "section", grammar.Keys{
			grammar.Duration("every", "a pause", &e.duration),
			grammar.Later("sql", "use another"),
		}).Short("every"),
	}
}

// FuzzRead: a file that has no problem gives values that are in bounds. Every problem of any other is one line at a
// place in the file, in the file's order, and has an excerpt of its line.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"", "{", "line: x\n", "line: x\nword: fast\nboolean: true\nnumber: 1.5\ninteger: 7\nduration: 3s\npercentage: 10%\n",
		"line: x\nrate: 5/m\nexpression: .a\npattern: a+\npath: /\ntoken: s3cr3t\nsection: 3s\n", "line: x\nsection: {every: 0, sql: 1}\n",
		"term: a\nlin: \"x\n\n y\\\n", "? a\n: |1\n  x\n", "- - a\n-", "\r\n\r", "a: &a [*a]", "expression: \"(\n\n\"\n", "pattern: '\\n('",
		"line: ${env:NO_SUCH:-x}\ntoken: ${env:NO_SUCH:-y", "<<: {a: 1}\nline: !x y\n", "line: x\nsize: 2GB\n", "size: 4kB\n", "size: 99999999999999999999MB\n", "line: x\ninteger: 1e3\nduration: 2d\n",
	} {
		f.Add(s)
	}
	lineEnd := regexp.MustCompile("\r\n|\r|\n")
	f.Fuzz(func(t *testing.T, text string) {
		var e everything
		read := func(root *grammar.Node) { root.Read("the file", e.keys()) }
		problems := grammar.Read("f.yaml", []byte(text), grammar.Options{}, read).Problems(1000)
		if problems == nil && (e.line == "" || e.integer < -3 || e.integer > 7 || e.duration < 0 || e.percentage < 0 ||
			e.percentage >= 1 || e.size != 0 && (e.size < 5e3 || e.size > 2e9) || e.word != "" && e.word != "fast" && e.word != "thorough") {
			t.Errorf("no problem, and %+v", e)
		}
		lines := lineEnd.Split(strings.TrimPrefix(text, "\ufeff"), -1)
		for i, p := range problems {
			if p.Line < 1 || p.Line > len(lines) || p.Column < 1 || p.Column > utf8.RuneCountInString(lines[p.Line-1])+1 {
				t.Fatalf("%v is not in the file", p)
			}
			if i > 0 && (p.Line < problems[i-1].Line || p.Line == problems[i-1].Line && p.Column < problems[i-1].Column) {
				t.Errorf("%v comes after %v", p, problems[i-1])
			}
			if p.What == "" || p.Want == "" || strings.ContainsAny(p.String(), "\n\r") {
				t.Errorf("%q is not one line of what is wrong and what is right", p.String())
			}
			if excerpt := p.Excerpt(); strings.Count(excerpt, "\n") != 1 {
				t.Errorf("%q is not the place of %v", excerpt, p)
			}
		}
	})
}
