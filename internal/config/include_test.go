package config_test

import (
	"strings"
	"testing"
	"time"
)

// TestInclude: mappings are merged by key, in the order of the files' names;
// paths and places belong to the file in which they stand.
func TestInclude(t *testing.T) {
	dir := inDir(t, map[string]string{
		"t.yaml":               "version: 1\ninclude: 'conf.d/*.yaml'\ndefaults: {every: 7s}\nsources: {m: {exec: [m]}}\njobs:\n",
		"conf.d/b.yaml":        "version: 1\nsources: {b: {exec: [b], title: \"${file:title}\"}}\ndefaults: {timeout: 3s}\n",
		"conf.d/a.yaml":        "sources: {a: {http: {upstream: u}}}\njobs: {j: {exec: [j]}}\ninclude: more/one.yaml\n",
		"conf.d/more/one.yaml": "upstreams: {u: {http: http://h}}\nsources:\nlisten: 127.0.0.1:9000\n",
		"conf.d/ignored.yml":   "nonsense",
		"conf.d/title":         "B\n",
	})
	c, problems := loadFile(t, dir+"/t.yaml")
	if problems != nil {
		t.Fatal(problems)
	}
	var names []string
	for _, s := range c.Sources {
		names = append(names, s.Name)
		if s.Every != 7*time.Second || s.Timeout != 3*time.Second {
			t.Errorf("%v is polled every %v for %v, want 7s and 3s", s, s.Every, s.Timeout)
		}
	}
	if got := strings.Join(names, " "); got != "m a b" || c.Sources[2].Title != "B" || requestOf(c.Sources[1]).Fixed.URL.Host != "h" || len(c.Jobs) != 1 || c.Listen != "127.0.0.1:9000" {
		t.Errorf("sources are %s with B = %q, %d jobs, listen %s", got, c.Sources[2].Title, len(c.Jobs), c.Listen)
	}
}

func TestIncludeProblems(t *testing.T) {
	t.Setenv("DIR", "canary")
	for _, test := range []struct {
		files map[string]string // of which t.yaml is loaded
		want  string
	}{
		{map[string]string{"t.yaml": "version: 1\nsources:\n  x: {exec: [a]}\ninclude: '*/*.yaml'\nlisten: 127.0.0.1:1\ndefaults: {every: 1s}\n",
			"d/a.yaml": "sources:\n  y: {exec: [a]}\n  x: {exec: [a]}\n", "d/b.yaml": "listen: 127.0.0.1:2\nsources: {y: {evry: 1s}}\ndefaults: {every: 2s, timeout: 0s}\n"},
			"d/a.yaml:3:3: duplicate key \"x\" in sources, the first one is at t.yaml:3:3: remove or rename one of them\n" +
				"d/b.yaml:1:1: duplicate key \"listen\" in the file, the first one is at t.yaml:5:1: remove or rename one of them\n" +
				"d/b.yaml:2:11: duplicate key \"y\" in sources, the first one is at d/a.yaml:2:3: remove or rename one of them\n" +
				"d/b.yaml:3:12: duplicate key \"every\" in defaults, the first one is at t.yaml:6:12: remove or rename one of them\n" +
				"d/b.yaml:3:32: timeout: \"0s\" is too short, write a duration of at least 1ms"},
		{map[string]string{"t.yaml": "version: 1\ninclude: missing.yaml\n"},
			"t.yaml:2:10: include: \"missing.yaml\" cannot be read: no such file or directory, name files that this user can read, relative to the file that includes them"},
		{map[string]string{"t.yaml": "version: 1\ninclude: missing/*.yaml\n"},
			"t.yaml:2:10: include: there is no directory \"missing\", create it or correct its name; it is relative to this file"},
		{map[string]string{"t.yaml": "version: 1\ninclude: d/*.yaml\n", "d/readme": ""}, ""},
		{map[string]string{"t.yaml": "version: 1\ninclude: 'd/[.yaml'\n", "d/readme": ""},
			"t.yaml:2:10: include: \"d/[.yaml\" is not a pattern, write a file or a pattern such as conf.d/*.yaml"},
		{map[string]string{"t.yaml": "version: 1\ninclude: '*.yaml'\n"},
			"t.yaml:2:10: a file cannot include itself: t.yaml -> t.yaml, remove one of these includes, or name fewer files"},
		{map[string]string{"t.yaml": "version: 1\ninclude: a.yaml\n", "a.yaml": "include: d/b.yaml", "d/b.yaml": "include: ../a.yaml"},
			"d/b.yaml:1:10: a file cannot include itself: t.yaml -> a.yaml -> d/b.yaml -> a.yaml, remove one of these includes, or name fewer files"},
		{map[string]string{"t.yaml": "version: 1\ninclude: '[ab].yaml'\n", "a.yaml": "include: c.yaml", "b.yaml": "include: c.yaml", "c.yaml": "sources:"},
			"b.yaml:1:10: include: \"c.yaml\" is included twice, include each file once"},
		{map[string]string{"t.yaml": "version: 1\ninclude: a.yaml\n", "a.yaml": "sources: {x: {exec: [a]}}\nsources: {y: {exec: [a]}}\n"},
			"a.yaml:2:1: duplicate key \"sources\" in the file, the first one is at line 1, column 1: remove or rename one of them"},
		{map[string]string{"t.yaml": "version: 1\ninclude: '[a-d].yaml'\n", "a.yaml": "- x", "b.yaml": "# nothing", "c.yaml": "version: 2\nsourcs: y", "d.yaml": "sources:\n  a: 'x"},
			"a.yaml:1:1: the file is a list, write a mapping of \"key: value\"\n" +
				"b.yaml:1:1: the file is empty, write at least \"version: 1\" and a source\n" +
				"c.yaml:1:10: version: \"2\" is not a version of this format, write 1\n" +
				"c.yaml:2:1: unknown key \"sourcs\" in the file, did you mean \"sources\"?\n" +
				"d.yaml:2:6: this quoted text never ends, add the closing quote"},
		{map[string]string{"t.yaml": "version: 1\ninclude: a.yaml\n", "a.yaml": "sources: {x: {exec: [a], title: \"${file:none}\"}}"},
			"a.yaml:1:34: \"${file:none}\" cannot be read: no such file or directory, name a file that this user can read, relative to the configuration file"},
		{map[string]string{"t.yaml": "version: 1\ninclude: [a.yaml]\n"}, "t.yaml:2:10: include is a list, write a file or a pattern such as conf.d/*.yaml"},
		{map[string]string{"t.yaml": "version: 1\ninclude: '${env:DIR}/*.yaml'\n"}, "t.yaml:2:10: the value of \"${env:DIR}\" is not right here, write a file or a pattern such as conf.d/*.yaml"},
		{map[string]string{"t.yaml": "version: 1\ninclude: ''\n"}, "t.yaml:2:10: include is empty, write a file or a pattern such as conf.d/*.yaml"},
		{map[string]string{"t.yaml": "include: a.yaml\n", "a.yaml": "version: 1"}, "t.yaml:1:1: there is no version, write version: 1 at the top"},
	} {
		t.Chdir(inDir(t, test.files))
		_, problems := loadFile(t, "t.yaml")
		if got := problems.Error(); got != test.want {
			t.Errorf("%q: problems\n%s\nwant\n%s", test.files, got, test.want)
		}
		for _, p := range problems {
			if lines := strings.Split(test.files[p.File], "\n"); p.Line > len(lines) || len([]rune(p.Text)) != len([]rune(lines[p.Line-1])) {
				t.Errorf("%v has the text %q", p, p.Text)
			}
		}
	}
}

// TestIncludeBesidesAnyDirectory: a directory's name is no pattern.
func TestIncludeBesidesAnyDirectory(t *testing.T) {
	dir := inDir(t, map[string]string{"[x]*/tide.yaml": "version: 1\ninclude: '?.yaml'\n", "[x]*/a.yaml": "sources: {a: {exec: [a]}}", "xy/b.yaml": "nonsense"})
	c, problems := loadFile(t, dir+"/[x]*/tide.yaml")
	if problems != nil || len(c.Sources) != 1 {
		t.Errorf("problems %v, want none and a source", problems)
	}
}
