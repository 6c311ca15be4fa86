package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
)

// argTypes has an argument of every type, in each way in which types differ in what they accept.
var argTypes = []string{
	"type: string", "type: string, secret: true", "type: string, pattern: '(?s).*'", "type: string, allow_dash: true",
	"type: int", "type: number", "type: bool", "type: enum, values: [fast, slow]",
	"type: host", "type: cidr", "type: url", "type: url, secret: true", "type: path, under: in",
}

// hostileTexts are what no type accepts.
func hostileTexts() []string {
	texts := []string{
		"::1%\n--evil", "fe80::1%\x1b]0;x\x07", "fe80::1%\x00", "fe80::1%" + strings.Repeat("a", 60_000),
		"fe80::1%;id `id`", "fe80::1%$(id)", "fe80::1%a b", "fe80::1%", "fe80::1%é", "fe80::1%-x/64", "::1%eth0/64",
		"https://[fe80::1%25;id]/", "https://[fe80::1%25%0a]/", "https://a\u2028b/", "https://example.com/\u0085",
		"-rf", "--help", "-", "-oProxyCommand=x", "-1e999", "--1",
		"NaN", "-Inf", "0x10", "1_000", "5 ", " 5", "+", "1e999", "٥", "TRUE", "1,5",
		strings.Repeat("9", 60_000), "0." + strings.Repeat("0", 60_000) + "1",
	}
	for _, good := range []string{"abc", "5", "true", "fast", "::1", "10.0.0.0/8", "https://example.com/", "a.txt"} {
		for _, bad := range []string{"\x00", "\x1b[31m", "\n--evil", "\r", "\t", "\x7f", "\u0085", "\u2028", "\u2029", "\xff", "\u009b31m", "\u202e", "\u2066"} {
			texts = append(texts, good+bad, bad+good)
		}
		texts = append(texts, good+strings.Repeat(" ", 60_000), good+strings.Repeat("a", 60_000), "-"+good)
	}
	return texts
}

func argJob(t testing.TB, arg string) *config.Job {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "in"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.txt", "-rf"} {
		if err := os.WriteFile(filepath.Join(dir, "in", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(filepath.Join(dir, "t.yaml"), fmt.Appendf(nil, "{version: 1, jobs: {j: {exec: [a, --, '{x}'], args: {x: {%s}}}}}", arg))
	if problems != nil {
		t.Fatal(problems)
	}
	return c.Jobs[0]
}

// harmlessArg is the law of what a program is given: a bounded text of one line that cannot be taken for an
// option, unless it is a number or the argument allows it.
func harmlessArg(a config.Arg, text string) string {
	mostBytes := 1024
	if a.Type == config.ArgPath {
		mostBytes += len(a.Under) + 1
	}
	switch {
	case len(text) > mostBytes:
		return fmt.Sprintf("has %d bytes", len(text))
	case !utf8.ValidString(text):
		return "is not valid UTF-8"
	case strings.ContainsFunc(text, func(c rune) bool {
		return c < ' ' || 0x7f <= c && c < 0xa0 || c == '\u2028' || c == '\u2029'
	}):
		return "has a control character"
	case strings.ContainsAny(text, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"):
		return "turns the direction of writing"
	case strings.HasPrefix(text, "-") && !a.AllowDash && a.Type != config.ArgInt && a.Type != config.ArgNumber:
		return "begins with a dash"
	}
	return ""
}

// TestNoTypeLetsAHostileTextThrough gives every type what no program should be given.
func TestNoTypeLetsAHostileTextThrough(t *testing.T) {
	for _, arg := range argTypes {
		j := argJob(t, arg)
		for _, text := range hostileTexts() {
			for _, given := range []any{text, json.Number(text)} {
				values, errs := j.Bind(map[string]any{"x": given})
				if len(errs) != 0 {
					if len(errs[0].Error()) > 500 {
						t.Errorf("{%s}: the error of %.30q has %d bytes", arg, text, len(errs[0].Error()))
					}
					continue
				}
				if what := harmlessArg(j.Args[0], j.Argv(values)[2]); what != "" {
					t.Errorf("{%s}: %.40q is accepted, and %s", arg, j.Argv(values)[2], what)
				}
			}
		}
	}
}

// TestHostsHaveOrdinaryZones: a zone is the name of an interface.
func TestHostsHaveOrdinaryZones(t *testing.T) {
	j := argJob(t, "type: host")
	for text, good := range map[string]bool{
		"fe80::1%eth0": true, "fe80::1%Wi-Fi_2.10": true, "fe80::1%abcdefghijklmno": true,
		"fe80::1%abcdefghijklmnop": false, "fe80::1%;id `id`": false, "fe80::1%a%b": false, "fe80::1%": false, "::ffff:10.0.0.1%eth0": true,
	} {
		if _, errs := j.Bind(map[string]any{"x": text}); (errs == nil) != good {
			t.Errorf("host %q: %v, want accepted: %v", text, errs, good)
		}
	}
}

// TestNumbersArriveAsTheyWereGiven: what a float64 cannot hold is no int, and there is one zero.
func TestNumbersArriveAsTheyWereGiven(t *testing.T) {
	for _, test := range []struct {
		arg   string
		given any
		want  string // the element of argv; "": refused
	}{
		{"type: int", "9007199254740991", "9007199254740991"},
		{"type: int", "9007199254740993", ""},
		{"type: int", float64(1 << 53), ""},
		{"type: int", "-9007199254740993", ""},
		{"type: int", "-0", "0"},
		{"type: int", "1e2", "100"},
		{"type: int", 5.0, "5"},
		{"type: number", "-0", "0"},
		{"type: number", "-0.0", "0"},
		{"type: number", "-1e-999", "0"},
		{"type: number", json.Number("1E2"), "100"},
		{"type: number, min: 0", "-0", "0"},
	} {
		j := argJob(t, test.arg)
		values, errs := j.Bind(map[string]any{"x": test.given})
		switch {
		case errs != nil && test.want != "":
			t.Errorf("{%s}: %v is refused: %v", test.arg, test.given, errs)
		case errs == nil && j.Argv(values)[2] != test.want:
			t.Errorf("{%s}: %v becomes %q, want %q", test.arg, test.given, j.Argv(values)[2], test.want)
		}
	}
}

// TestADefaultPathIsLookedAtWhenARunStarts: what was inside of the directory when the configuration was read may lead
// out of it now.
func TestADefaultPathIsLookedAtWhenARunStarts(t *testing.T) {
	j := argJob(t, "type: path, under: in, default: a.txt")
	if _, errs := j.Bind(nil); errs != nil {
		t.Fatal(errs)
	}
	name := filepath.Join(j.Args[0].Under, "a.txt")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", name); err != nil {
		t.Fatal(err)
	}
	for _, given := range []map[string]any{nil, {"x": ""}, {"x": "a.txt"}} {
		if values, errs := j.Bind(given); errs == nil {
			t.Errorf("Bind(%v) = %v, want that it leads out of the directory", given, values)
		}
	}
}

// TestChoicesCanBeChosen: a choice that no start could name is reported when the configuration is read.
func TestChoicesCanBeChosen(t *testing.T) {
	for _, choice := range []string{strings.Repeat("a", 1025), `"a\u2028b"`} {
		_, problems := config.Load("t.yaml", fmt.Appendf(nil, "{version: 1, jobs: {j: {exec: [a, '{x}'], args: {x: {type: enum, values: [%s]}}}}}", choice))
		if len(problems) != 1 {
			t.Errorf("the choice %.20s gives %v, want one problem", choice, problems)
		}
	}
}

// FuzzArgument: whatever a type accepts obeys [harmlessArg], and is accepted again, as the same, when it is given again.
func FuzzArgument(f *testing.F) {
	for i := range argTypes {
		for _, text := range hostileTexts() {
			if len(text) < 100 {
				f.Add(i, text)
			}
		}
	}
	jobs := make([]*config.Job, len(argTypes))
	for i, arg := range argTypes {
		jobs[i] = argJob(f, arg)
	}
	f.Fuzz(func(t *testing.T, which int, text string) {
		j := jobs[uint(which)%uint(len(jobs))]
		values, errs := j.Bind(map[string]any{"x": text})
		if errs != nil {
			return
		}
		given := j.Argv(values)[2]
		if what := harmlessArg(j.Args[0], given); what != "" {
			t.Errorf("%s: %q becomes %q, which %s", j.Args[0].Type, text, given, what)
		}
		if again, errs := j.Bind(map[string]any{"x": fmt.Sprint(values["x"])}); errs != nil || again["x"] != values["x"] {
			t.Errorf("%s: %q becomes %v, and that %v, %v", j.Args[0].Type, text, values["x"], again["x"], errs)
		}
	})
}
