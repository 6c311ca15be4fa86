package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/tidewire/tidewire/internal/config"
)

// inDir writes files, by name, into a new directory and returns its path.
func inDir(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// loadFile loads a file by its path.
func loadFile(t *testing.T, name string) (*config.Config, config.Problems) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return config.Load(name, data)
}

func TestReferences(t *testing.T) {
	t.Setenv("SET", "a: [b] # ${env:OTHER}")
	t.Setenv("EMPTY", "")
	t.Setenv("OTHER", "other")
	absolute := inDir(t, map[string]string{"f": "absolute"}) + "/f"
	for _, test := range []struct{ title, want string }{
		{`"${env:SET}"`, "a: [b] # ${env:OTHER}"}, // neither syntax nor expanded again
		{`'<${env:OTHER}>'`, "<other>"},
		{`${env:OTHER}`, "other"},
		{"|-\n      ${env:OTHER}", "other"},
		{`"${env:OTHER}${env:OTHER}-${env:UNSET:-c}"`, "otherother-c"},
		{`"${env:EMPTY}."`, "."},
		{`"${env:EMPTY:-x}"`, "x"},
		{`"${env:UNSET:-}."`, "."},
		{`"${env:UNSET:-a:-b $x {y}"`, "a:-b $x {y"},
		{`"${file:one}"`, "one"},
		{`"${file:sub/two}"`, "two"},
		{`"${file:crlf}"`, "crlf"},
		{`"<${file:spaces}>"`, "< spaces  >"},
		{`"${file:` + absolute + `}"`, "absolute"},
		{`"$${env:OTHER} $$${env:OTHER}"`, "${env:OTHER} $${env:OTHER}"},
		{`"${OTHER} $OTHER ${a:-b} $$ ${envy:x}"`, "${OTHER} $OTHER ${a:-b} $$ ${envy:x}"},
	} {
		dir := inDir(t, map[string]string{"one": "one\n", "sub/two": "two", "crlf": "crlf\r\n", "spaces": " spaces  \n",
			"f.yaml": "# ${env:UNSET} in a comment\nversion: 1\nsources:\n  s: {exec: [a]}\n  t:\n    exec: [a]\n    title: " + test.title + "\n"})
		c, problems := loadFile(t, dir+"/f.yaml")
		if problems != nil {
			t.Errorf("title: %s: %v", test.title, problems)
		} else if got := c.Sources[1].Title; got != test.want {
			t.Errorf("title: %s is %q, want %q", test.title, got, test.want)
		}
	}
}

// TestReferencesOfAnyType: a number or truth value may come from elsewhere,
// whatever quotes stand around the reference.
func TestReferencesOfAnyType(t *testing.T) {
	t.Setenv("N", "7")
	t.Setenv("B", "true")
	t.Setenv("D", "7s")
	c := load(t, `
version: "${env:UNSET:-1}"
defaults: {every: "${env:D}"}
sources: {s: {exec: ["${env:UNSET:-a}"], show: {min: '${env:UNSET:--1}', max: '${env:N}', decimals: "${env:N}"}}}
jobs: {j: {exec: [a, "{n}{b}"], args: {n: {type: int, default: "${env:N}", max: "${env:N}"}, b: {type: bool, default: "${env:B}"}}}}
`)
	s, args := c.Sources[0], c.Jobs[0].Args
	if s.Every.String() != "7s" || *s.Show.Min != -1 || *s.Show.Max != 7 || *s.Show.Decimals != 7 || programOf(s).Argv[0] != "a" {
		t.Errorf("source = every %v, exec %v, show %+v", s.Every, programOf(s).Argv, s.Show)
	}
	if args[0].Default != int64(7) || *args[0].Max != 7 || args[1].Default != true {
		t.Errorf("args = %+v", args)
	}
}

// TestDefaultsAreNotShown: what stands beside a reference, or as its default, may
// be a credential.
func TestDefaultsAreNotShown(t *testing.T) {
	_, problems := config.Load("f", []byte(`version: 1
upstreams:
  u: {http: http://h, bearer: "hunter2 ${env:UNSET:-hunter2}${env:UNSET:-}"}
  v: {http: http://h, bearer: "hunter2 ${env:UN SET:-hunter2} ${file:}"}
`))
	want := []string{`the value of "${env:UNSET}" and "${env:UNSET}" is not right here`, `"${env:UN SET}" does not name an environment variable`, `"${file:}" does not name a file`}
	for i, p := range problems {
		if i >= len(want) || p.What != want[i] || strings.Contains(p.String()+p.Text, "hunter2") {
			t.Errorf("%v\n%s\nwant %s", p, p.Excerpt(), want[min(i, len(want)-1)])
		}
	}
	if len(problems) != len(want) {
		t.Errorf("%d problems, want %d", len(problems), len(want))
	}
}

// What is wrong with an address of a service is said also if the address comes from elsewhere, for none of it is in that.
func TestWhatIsWrongWithAnAddressFromElsewhereIsSaid(t *testing.T) {
	for address, want := range map[string]string{
		"slack://T/B/hunter2\n": "the address has a line break or another control character; write slack://",
		"ntfy://h/hunter2#x":    "the address has a #, which begins a fragment: %23 stands for it; write ntfy://",
		"ntfy://h:hunter2/x":    "this is not an address of ntfy; write ntfy://",
		"ntfy://h/x?p=hunter2":  "the address of ntfy has a parameter that there is not; the parameters are priority",
	} {
		t.Setenv("CHAT", address)
		_, problems := config.Load("f", []byte(`{version: 1, notify: {a: "${env:CHAT}"}, sources: {s: {exec: [a]}}}`))
		if len(problems) != 1 || problems[0].What != `the value of "${env:CHAT}" is not right here` ||
			!strings.HasPrefix(problems[0].Want, want) || strings.Contains(fmt.Sprint(problems, problems[0].Excerpt()), "hunter2") {
			t.Errorf("%q: %v, want %s", address, problems, want)
		}
	}
}

// TestReferenceIsNoPlaceholder: braces in a value from elsewhere are no
// argument of a job.
func TestReferenceIsNoPlaceholder(t *testing.T) {
	t.Setenv("TOKEN", "a{b}c")
	c := load(t, `{version: 1, jobs: {j: {exec: [a, "${env:TOKEN} {x}"], args: {x: }}}}`)
	if got := c.Jobs[0].Argv(map[string]any{"x": "y"}); got[1] != "a{b}c y" {
		t.Errorf("Argv = %q, want a{b}c y", got)
	}
	c = load(t, `{version: 1, upstreams: {u: {http: http://h}}, jobs: {j: {http: {upstream: u, headers: {Content-Type: text/plain}, body: "${env:TOKEN} {x}"}, args: {x: }}}}`)
	if got := c.Jobs[0].HTTP.Body; got != "a{b}c {x}" {
		t.Errorf("Body = %q, want a{b}c {x}", got)
	}
	t.Setenv("TOKEN", "rm {x}")
	_, problems := config.Load("f", []byte(`{version: 1, jobs: {j: {exec: [sh, -c, "${env:TOKEN}", "{x}"], args: {x: }}}}`))
	if len(problems) != 2 || problems[0].Column != 40 || problems[1].Column != 57 {
		t.Errorf("an argument in a shell's text that comes from elsewhere: %v, want a problem there", problems)
	}
}

// TestDaysOfAReference: what days are in hours is not told of a secret.
func TestDaysOfAReference(t *testing.T) {
	t.Setenv("EVERY", "77d")
	_, problems := config.Load("f", []byte(`{version: 1, defaults: {every: "${env:EVERY}"}}`))
	if len(problems) != 1 || strings.Contains(problems[0].String(), "1848h") {
		t.Errorf("every of 77d from elsewhere: %v, want a problem that does not tell it", problems)
	}
}

func TestUnreadableReferences(t *testing.T) {
	t.Setenv("LATIN", "\xe9")
	dir := inDir(t, map[string]string{"large": strings.Repeat("x", 65537), "latin": "\xe9", "most": strings.Repeat("x", 65536)})
	for ref, want := range map[string]string{
		"${file:large}":     "cannot be read: it has more than 65536 bytes",
		"${file:latin}":     "is not UTF-8 text",
		"${env:LATIN}":      "is not UTF-8 text",
		"${file:/dev/zero}": "cannot be read: it is not a regular file",
	} {
		_, problems := config.Load(dir+"/f.yaml", []byte("{version: 1, sources: {s: {exec: [a, \""+ref+"\"]}}}"))
		if len(problems) != 1 || problems[0].Line != 1 || problems[0].Column != 39 || problems[0].What != fmt.Sprintf("%q %s", ref, want) {
			t.Errorf("%s: %v, want %s at 1:39", ref, problems, want)
		}
	}
	if _, problems := config.Load(dir+"/f.yaml", []byte("{version: 1, sources: {s: {exec: [a, \"${file:most}\"]}}}")); problems != nil {
		t.Errorf("64 KiB: %.200v, want no problem", problems)
	}
}

// canaries are values that are wrong in as many ways as the loader knows. Each
// has "canary" or 77773 in it.
var canaries = []string{"canary", "77773", "-77773", "77773.5", "0.777735", "77773h", "0.77773ms", "77773%", "77773 polls", "77773/d", "canary: [", "\tcanary\n",
	".canary | (", "canary/0", "(?P<canary77773", "canary)(", "{canary}", "{x} canary", "-canary", "ftp://canary", "https://u:canary@h", "https://u:canary@[", "https://h:77773", "https://canary.example/?q", "/canary?", "/canary/../x",
	"/canary%zz", "canary:80", "127.0.0.1:77773", "10.77.77.73:80#canary", "77773.1.1.1/24", "0.0.0.0:7777", strings.Repeat("canary", 400), `canary"%=+<é/`}

// TestNothingShowsAReference puts each canary for each value of a file that has
// every key: for every second value at once, and for all. No problem shows it,
// nor does a configuration that it leaves valid, however it is printed.
func TestNothingShowsAReference(t *testing.T) {
	data, err := os.ReadFile("testdata/every-key.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root yaml.Node
	if err := yaml.Load(data, &root); err != nil {
		t.Fatal(err)
	}
	var scalars []*yaml.Node
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				walk(c)
			} else if (n.Kind != yaml.MappingNode || i%2 == 1) && c.Tag != "!!null" {
				scalars = append(scalars, c)
			}
		}
	}
	walk(root.Content[0])
	if len(scalars) < 190 {
		t.Fatalf("%d scalars, want at least 190", len(scalars))
	}
	found, valid := 0, 0
	check := func(canary string, nodes ...*yaml.Node) {
		t.Setenv("CANARY", canary)
		before := map[*yaml.Node]yaml.Node{}
		for _, n := range nodes {
			before[n] = *n
			n.SetString("${env:CANARY}")
		}
		text, err := yaml.Dump(&root)
		if err != nil {
			t.Fatal(err)
		}
		for n, b := range before {
			*n = b
		}
		c, problems := config.Load("testdata/f.yaml", text)
		for _, p := range problems {
			found++
			if all := p.What + p.Want + p.Text; strings.Contains(all, "canary") || strings.Contains(all, "7777") {
				t.Errorf("%q for line %d: %v", canary, nodes[0].Line, p)
			}
		}
		if c == nil {
			return
		}
		valid++
		asJSON, err := json.Marshal(c)
		if all := fmt.Sprintf("%v %+v %s %v %v %v %v %v %v", c, c, asJSON, c.Sources, c.Jobs, c.Notify, c.Access, c.Sources[0].Spec, c.Jobs[3].HTTP); err != nil || strings.Contains(all, canary) {
			t.Errorf("%q for line %d: the configuration prints as %s, %v", canary, nodes[0].Line, all, err)
		}
	}
	for _, n := range scalars {
		if n.ShortTag() == "!!str" { // others cannot be it
			check("canary", n)
		}
	}
	const stride = 2
	for _, canary := range canaries {
		for i := range stride {
			var nodes []*yaml.Node
			for j := i; j < len(scalars); j += stride {
				nodes = append(nodes, scalars[j])
			}
			check(canary, nodes...)
		}
		check(canary, scalars...)
	}
	if found < 2000 || valid < 40 {
		t.Errorf("%d problems and %d times a valid configuration, want at least 2000 and 40", found, valid)
	}
}
