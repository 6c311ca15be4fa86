package config_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/internal/config"
)

// TestBind gives values to one argument x of each type.
func TestBind(t *testing.T) {
	const required = "x: this has no value, give it one"
	long := strings.Repeat("x", 1024)
	for _, test := range []struct {
		arg   string
		given any
		want  any // an error's text begins with "x: "
	}{
		{"type: string", "a b;$(c)", "a b;$(c)"},
		{"type: string", 5., "5"},
		{"type: string", long, long},
		{"type: string", long + "x", "x: the text has 1025 bytes, write at most 1024"},
		{"type: string", "-rf", `x: "-rf" begins with a dash, write a text that cannot be taken for an option`},
		{"type: string", "a\nb", "x: the text contains a line break or another control character, write one line"},
		{"type: string", "a\x00b", "x: the text contains a line break or another control character, write one line"},
		{"type: string", "a\xff", "x: the text is not valid UTF-8, write it in UTF-8"},
		{"type: string", "", required},
		{"type: string", nil, required},
		{`type: string, default: ""`, "", ""},
		{`type: string, default: ""`, nil, ""},
		{`type: string, default: "", pattern: "x?"`, nil, ""},
		{"type: string, default: abc", "", "abc"},
		{"type: string, pattern: 'a|b+'", "bb", "bb"},
		{"type: string, pattern: 'a|b+'", "ab", "x: \"ab\" does not match a|b+, write one that does"},
		{"type: string", []any{"a"}, "x: this is not a single value, write a text, a number, true or false"},
		{"type: string", map[string]any{}, "x: this is not a single value, write a text, a number, true or false"},
		{"type: int", 5., int64(5)},
		{"type: int", "-5", int64(-5)},
		{"type: int", json.Number("5"), int64(5)},
		{"type: int", 5.5, `x: "5.5" is not a whole number, write one such as 5`},
		{"type: int", 1e300, "x: "},
		{"type: int", "0x10", `x: "0x10" is not a whole number, write one such as 5`},
		{"type: int", true, `x: "true" is not a whole number, write one such as 5`},
		{"type: int, min: 1, max: 3", 0., "x: 0 is too small, write at least 1"},
		{"type: int, min: 1, max: 3", 4., "x: 4 is too large, write at most 3"},
		{"type: int, min: 1, max: 3", 3., int64(3)},
		{"type: int, default: 0", nil, int64(0)},
		{"type: number", "0.5", 0.5},
		{"type: number, min: 0.6", 0.5, "x: 0.5 is too small, write at least 0.6"},
		{"type: number", "NaN", `x: "NaN" is not a number, write one such as 0.5`},
		{"type: number", "1e999", `x: "1e999" is not a number, write one such as 0.5`},
		{"type: bool", true, true},
		{"type: bool", "false", false},
		{"type: bool", "yes", `x: "yes" is neither true nor false, write true or false`},
		{"type: bool, default: false", nil, false},
		{"type: enum, values: [slow, fast]", "fast", "fast"},
		{"type: enum, values: [slow, fast]", "fats", `x: "fats" is not a choice, did you mean "fast"?`},
		{"type: enum, values: [slow, fast]", "medium", `x: "medium" is not a choice, the choices are slow and fast`},
		{"type: host", "plc-1.example.com.", "plc-1.example.com."},
		{"type: host", "10.0.4.9", "10.0.4.9"},
		{"type: host", "fe80::1", "fe80::1"},
		{"type: host", "-oProxyCommand=x", "x: "},
		{"type: host", "a..b", "x: "},
		{"type: host", strings.Repeat("a.", 127) + "a", "x: "},
		{"type: cidr", "10.0.4.7/24", "10.0.4.0/24"},
		{"type: cidr", "10.0.4.7/33", `x: "10.0.4.7/33" is not a subnet, write one such as 10.0.4.0/24`},
		{"type: string, allow_dash: true", "-rf", "-rf"},
		{"type: string, secret: true, pattern: 'a+'", "hunter2", "x: this does not match a+, write one that does"},
		{"type: string, secret: true", "-hunter2", "x: this begins with a dash, write a text that cannot be taken for an option"},
		{"type: url", "https://example.com:8443/a?b=%20#c", "https://example.com:8443/a?b=%20#c"},
		{"type: url", "HTTPS://example.com", "HTTPS://example.com"},
		{"type: url", "http://example.com", `x: "http://example.com" is not an https address, write one such as https://example.com/x`},
		{"type: url", "file:///etc/passwd", `x: "file:///etc/passwd" is not an https address`},
		{"type: url", "https:example.com", `x: "https:example.com" is not an https address`},
		{"type: url", "https:///x", `x: "https:///x" is not an https address`},
		{"type: url", `https://example.com\@evil.example`, "x: "},
		{"type: url", "-https://example.com", "x: "},
		{"type: url", "https://a:b@example.com", "x: the address contains a user name or password, write it without"},
		{"type: url", "https://example.com:0", `x: "https://example.com:0" has a bad port`},
		{"type: url", "https://example.com/a b", "x: "},
		{"type: url, secret: true", "http://hunter2", "x: this is not an https address"},
		{"type: url", "https://" + long, "x: the text has 1032 bytes"},
	} {
		c := load(t, fmt.Sprintf("{version: 1, jobs: {j: {exec: [a, --, '{x}'], args: {x: {%s}}}}}", test.arg))
		values, errs := c.Jobs[0].Bind(map[string]any{"x": test.given})
		if want, _ := test.want.(string); strings.HasPrefix(want, "x: ") {
			if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), want) {
				t.Errorf("{%s}: Bind(%.40v) = %v, want %s", test.arg, test.given, errs, want)
			}
		} else if len(errs) != 0 || values["x"] != test.want {
			t.Errorf("{%s}: Bind(%.40v) = %#v, %v, want %#v", test.arg, test.given, values["x"], errs, test.want)
		}
	}
}

// TestPath: an argument of the type path names what is below a directory, whatever
// it looks like, and the program gets its whole name.
func TestPath(t *testing.T) {
	dir := inDir(t, map[string]string{"in/a.txt": "", "in/sub/b.txt": "", "in/-rf": "", "out.txt": ""})
	for link, to := range map[string]string{"in/good": "sub/b.txt", "in/bad": "../out.txt", "in/away": "/etc", "in/loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(filepath.Join(dir, "t.yaml"), []byte("{version: 1, jobs: {j: {exec: [cat, '{x}', '--in={x}'], args: {x: {type: path, under: in}}}}}"))
	if problems != nil {
		t.Fatal(problems)
	}
	j := c.Jobs[0]
	for _, test := range []struct{ given, want string }{ // an error's text begins with "x: "
		{"a.txt", "a.txt"},
		{"./sub//b.txt", "sub/b.txt"},
		{"sub", "sub"},
		{".", "."},
		{"sub/../a.txt", "a.txt"},
		{"-rf", "-rf"},
		{"good", "good"},
		{"bad", `x: "bad" leads out of the directory, or cannot be read`},
		{"away/passwd", `x: "away/passwd" leads out of the directory, or cannot be read`},
		{"loop", `x: "loop" leads out of the directory, or cannot be read`},
		{"../out.txt", `x: "../out.txt" is not a path inside of the directory`},
		{"sub/../../out.txt", `x: "sub/../../out.txt" is not a path inside of the directory`},
		{"/etc/passwd", `x: "/etc/passwd" is not a path inside of the directory`},
		{filepath.Join(dir, "in/a.txt"), "x: "},
		{"none", `x: there is no "none", name one that is there`},
		{"a.txt\x00", "x: the text contains a line break or another control character"},
		{strings.Repeat("a/", 600), "x: the text has 1200 bytes"},
	} {
		values, errs := j.Bind(map[string]any{"x": test.given})
		if strings.HasPrefix(test.want, "x: ") {
			if len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), test.want) {
				t.Errorf("Bind(%.40q) = %v, want %s", test.given, errs, test.want)
			}
			continue
		}
		whole := filepath.Join(dir, "in", test.want)
		if want := []string{"cat", whole, "--in=" + whole}; errs != nil || values["x"] != test.want || !slices.Equal(j.Argv(values), want) {
			t.Errorf("Bind(%q) = %v, %v and %q, want %q and %q", test.given, values, errs, j.Argv(values), test.want, want)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "in")); err != nil {
		t.Fatal(err)
	}
	if _, errs := j.Bind(map[string]any{"x": "a.txt"}); len(errs) != 1 || errs[0].What != "the directory cannot be opened" {
		t.Errorf("Bind without the directory: %v", errs)
	}
}

func TestBindAll(t *testing.T) {
	c := load(t, `{version: 1, jobs: {j: {exec: [a, "{b}{c}{d}"], args: {d: {type: int}, c: {default: x}, b: }}}}`)
	j := c.Jobs[0]
	_, errs := j.Bind(map[string]any{"d": "x", "cc": 1., "e": nil})
	var got []string
	for _, e := range errs {
		got = append(got, e.Error())
	}
	want := []string{
		"b: this has no value, give it one",
		`cc: there is no such argument, did you mean "c"?`,
		`d: "x" is not a whole number, write one such as 5`,
		`e: there is no such argument, the arguments are d, c and b`,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Bind: errors\n%q\nwant\n%q", got, want)
	}
	values, errs := j.Bind(map[string]any{"d": 5., "b": "y"})
	if want := (map[string]any{"b": "y", "c": "x", "d": int64(5)}); errs != nil || !maps.Equal(values, want) {
		t.Errorf("Bind = %v, %v, want %v", values, errs, want)
	}
}

func TestArgv(t *testing.T) {
	c := load(t, `
version: 1
jobs:
  j:
    exec: [scan, --to=, "--n={n}", "{s}-{s}-{r}", "{}", "{ s }", "{b}", -c, "echo ${home} {print}"]
    args: {n: {type: int}, r: {type: number}, s: {}, b: {type: bool}}
`)
	j := c.Jobs[0]
	got := j.Argv(map[string]any{"n": int64(1_000_000), "r": 1e21, "s": "{n} $(x)//y", "b": true})
	want := []string{"scan", "--to=", "--n=1000000", "{n} $(x)//y-{n} $(x)//y-1000000000000000000000", "{}", "{ s }", "true", "-c", "echo ${home} {print}"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Argv = %q, want %q", got, want)
	}
	if !strings.Contains(j.Exec[2], "{n}") {
		t.Errorf("Argv changed Exec to %q", j.Exec)
	}
}

// FuzzArgv: whatever an argument's value is, argv has the elements of exec,
// and each is what stands in exec with the value in its place.
func FuzzArgv(f *testing.F) {
	for _, s := range []string{"a", "{x}", "{y}", "a b", "$(x)", "-c", "' \"", "\x00", "ü", "--", strings.Repeat("x", 2000)} {
		f.Add(s)
	}
	c, problems := config.Load("f", []byte(`{version: 1, jobs: {j: {exec: [a, "{x}", "--x={x}{y}"], args: {x: , y: {default: y}}}, k: {exec: [a, --, "{x}"], args: {x: {allow_dash: true}}}}}`))
	if problems != nil {
		f.Fatal(problems)
	}
	j := c.Jobs[0]
	f.Fuzz(func(t *testing.T, s string) {
		values, errs := j.Bind(map[string]any{"x": s})
		if dash, _ := c.Jobs[1].Bind(map[string]any{"x": s}); dash["x"] == s {
			if got, want := c.Jobs[1].Argv(dash), []string{"a", "--", s}; !slices.Equal(got, want) {
				t.Errorf("Argv for %q = %q, want %q", s, got, want)
			}
		}
		if errs != nil {
			return
		}
		got, want := j.Argv(values), []string{"a", s, "--x=" + s + "y"}
		if !slices.Equal(got, want) || strings.HasPrefix(got[1], "-") {
			t.Errorf("Argv for %q = %q, want %q", s, got, want)
		}
	})
}

// How many runs are kept depends on where they are, wherever in the file that is said.
func TestRunsInMemoryAreFew(t *testing.T) {
	dir := t.TempDir()
	for store, want := range map[string]string{
		"": "keep.runs is 1001, and runs are kept in memory", "store: memory\n": "keep.runs is 1001", "store: {dir: " + dir + "}\n": "",
	} {
		const job = "jobs: {j: {exec: [x], keep: {runs: 1001}}}\n"
		for _, text := range []string{store + job, job + store} {
			_, problems := config.Load("t.yaml", []byte("version: 1\n"+text))
			switch {
			case want == "" && problems != nil:
				t.Errorf("with a directory: %v", problems)
			case want != "" && (len(problems) != 1 || !strings.HasPrefix(problems[0].What, want) || !strings.Contains(problems[0].Want, "write at most 1000, or store: {dir: data}")):
				t.Errorf("%s: %v, want %q", text, problems, want)
			}
		}
	}
}

// How long the past is kept may be said in days and years, as for a history.
func TestKeepInDaysAndYears(t *testing.T) {
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute, "30d": 720 * time.Hour, "5y": 5 * 8760 * time.Hour, "6y": 0, "50000h": 0, "1w": 0} {
		c, problems := config.Load("t.yaml", []byte("version: 1\nstore: {dir: "+t.TempDir()+", keep: "+text+"}\njobs: {j: {exec: [true], keep: {for: "+text+"}}}\n"))
		if want == 0 {
			if len(problems) != 2 {
				t.Errorf("keep %s: %v, want a problem in the store and one in the job", text, problems)
			}
			continue
		}
		if problems != nil {
			t.Errorf("keep %s: %v", text, problems)
		} else if c.Store.Keep != want || c.Jobs[0].Keep.For != want {
			t.Errorf("keep %s = %v and %v, want %v", text, c.Store.Keep, c.Jobs[0].Keep.For, want)
		}
	}
}
