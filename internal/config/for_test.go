package config_test

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
	"github.com/tidewire/tidewire/internal/kind/from"
)

// names returns the names of the upstreams, sources and jobs of a configuration.
func names(c *config.Config) (all []string) {
	for _, u := range c.Upstreams {
		all = append(all, u.String())
	}
	for _, s := range c.Sources {
		all = append(all, s.String())
	}
	for _, j := range c.Jobs {
		all = append(all, j.String())
	}
	return all
}

// An entry with rows becomes what one gets who writes each of them, but for its name.
func TestForIsWhatOneWouldWrite(t *testing.T) {
	t.Setenv("B_TOKEN", "s3cr3t-b")
	const template = `
version: 1
upstreams:
  plc: {%s http: "http://{each.host}:{each.port}/{each}", bearer: "{each.token}", burst: "{each.burst}", limit: 5/s, headers: {X-Row: "{each}"}}
sources:
  pump:
    %s
    title: "Pump {each}, {each.hall}"
    section: "{each.hall}/{each}"
    http: {upstream: "plc%s", path: "/p/{each.n}", query: {id: ["{each}", "{each.n}"], n: "{each.n}"}}
    every: "{each.every}"
    pick: {"flow": '.flow["{each}"] * {each.n}'}
    show: {value: flow, min: "{each.n}", unit: "{each.unit}", decimals: "{each.n}"}
jobs:
  stop:
    %s
    exec: [stop, "{each}", "{each.unit}", "{why}", "x{each.n}"]
    args: {why: {default: "{each.hall}", title: Why}}
    confirm: "Stop {each}?"
    timeout: "{each.every}"
`
	rows := []map[string]string{
		{"": "a", "host": "10.0.0.5", "port": "80", "token": "s3cr3t-a", "burst": "3", "hall": "Hall 1", "n": "1", "every": "5s", "unit": "l/s"},
		{"": "b", "host": "10.0.0.6", "port": "81", "token": "${env:B_TOKEN}", "burst": "4", "hall": "Hall 2", "n": "2", "every": "6s", "unit": ""},
	}
	list, table := "", "id;name;host;port;token;burst;hall;n;every;unit;\n\n"
	for _, row := range rows {
		list += fmt.Sprintf(`{id: x, name: %q, host: %q, port: %s, token: %q, burst: %s, hall: %q, n: %s, every: %q, unit: %q}, `,
			row[""], row["host"], row["port"], row["token"], row["burst"], row["hall"], row["n"], row["every"], row["unit"])
		table += strings.Join([]string{"x", row[""], row["host"], row["port"], `"` + row["token"] + `"`, row["burst"], row["hall"], row["n"], row["every"], row["unit"], ""}, "; ") + "\r\n;;;;;;;;;;\r\n"
	}
	dir := inDir(t, map[string]string{"rows.csv": "\ufeff" + table, "sub/rows.yaml": "# rows\n[" + list + "]\n"})
	var want *config.Config
	for _, row := range rows {
		text := template
		for field, value := range row {
			placeholder := "{each." + field + "}"
			if field == "" {
				placeholder = "{each}"
			}
			if value == "" {
				for _, whole := range []string{`, "` + placeholder + `"`, `, unit: "` + placeholder + `"`} {
					text = strings.ReplaceAll(text, whole, "")
				}
				text = strings.ReplaceAll(text, ` unit: "`+placeholder+`",`, "")
			}
			text = strings.ReplaceAll(text, placeholder, value)
		}
		text = strings.ReplaceAll(text, `"`+row["n"]+`"`, row["n"])
		text = strings.ReplaceAll(text, `burst: "`+row["burst"]+`"`, "burst: "+row["burst"])
		c := load(t, fmt.Sprintf(text, "", "", "", ""))
		c.Jobs[0].Title = "stop/" + row[""]
		c.Upstreams[0].Name, c.Sources[0].Name, c.Jobs[0].Name = "plc/"+row[""], "pump/"+row[""], "stop/"+row[""]
		if want == nil {
			want = c
			continue
		}
		want.Upstreams, want.Sources, want.Jobs = append(want.Upstreams, c.Upstreams...), append(want.Sources, c.Sources...), append(want.Jobs, c.Jobs...)
	}
	for _, rows := range []string{"[" + strings.TrimSuffix(list, ", ") + "]", "rows.csv", "sub/rows.yaml"} {
		text := fmt.Sprintf(template, "for: "+rows+",", "for: "+rows, "/{each}", "for: "+rows)
		if err := os.WriteFile(dir+"/f.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, problems := loadFile(t, dir+"/f.yaml")
		if problems != nil {
			t.Errorf("for: %s: %v", rows, problems)
			continue
		}
		for i := range got.Upstreams { // its Spec has the name, too
			if fmt.Sprint(got.Upstreams[i].Spec) != fmt.Sprintf("upstream %q", got.Upstreams[i].Name) {
				t.Errorf("upstream %v is %v for its kind", got.Upstreams[i], got.Upstreams[i].Spec)
			}
			serverOf(want.Upstreams[i]).Name = want.Upstreams[i].Name
		}
		if !slices.Equal(names(got), names(want)) || len(names(got)) != 6 {
			t.Fatalf("for: %s gives %v, want %v", rows, names(got), names(want))
		}
		for i := range 2 {
			if !config.Same(got.Upstreams[i], want.Upstreams[i]) {
				t.Errorf("for: %s gives the upstream\n%#v\nwant\n%#v", rows, serverOf(got.Upstreams[i]), serverOf(want.Upstreams[i]))
			}
			if !config.Same(got.Sources[i], want.Sources[i]) {
				t.Errorf("for: %s gives the source\n%#v\nwant\n%#v", rows, got.Sources[i], want.Sources[i])
			}
			got.Jobs[i].Given, want.Jobs[i].Given = nil, nil
			if !config.Same(got.Jobs[i], want.Jobs[i]) {
				t.Errorf("for: %s gives the job\n%#v\nwant\n%#v", rows, got.Jobs[i], want.Jobs[i])
			}
		}
	}
}

// NAME/* stands for all that for has made of NAME, where others are listed.
func TestAStarStandsForAllRows(t *testing.T) {
	c := load(t, `
version: 1
access: {tokens: {ci: {sha256: 9F86D081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, role: operator, jobs: stop/*, push: told/*}}}
sources:
  a: {for: [x, y], exec: [a]}
  ax: {exec: [a]}
  all: {from: [ax, a/*]}
  told: {for: [x, y], push: {}}
jobs:
  stop: {for: [x, y], exec: [a], then: {refresh: [a/*, ax], run: [log/*], on_failure: {run: [log/y]}}}
  log: {for: [x, y], exec: [a]}
quiet: [{at: "@daily", for: 1h, of: [source/a/*, job/stop/x]}, {at: "@daily", for: 1h, of: job/stop/*}]
`)
	if got := c.Sources[3].Spec.(*from.Source).From; !slices.Equal(got, []string{"ax", "a/x", "a/y"}) {
		t.Errorf("from = %v", got)
	}
	if got := c.Jobs[1].Then.Refresh; !slices.Equal(got, []string{"a/x", "a/y", "ax"}) {
		t.Errorf("refresh = %v", got)
	}
	if then, failed := c.Jobs[1].Then.Names(), c.Jobs[1].OnFailure.Names(); !slices.Equal(then, []string{"log/x", "log/y"}) || !slices.Equal(failed, []string{"log/y"}) {
		t.Errorf("run = %v, on_failure %v", then, failed)
	}
	if got := c.Access.Tokens[0].Jobs; !slices.Equal(got, []string{"stop/x", "stop/y"}) {
		t.Errorf("jobs = %v", got)
	}
	if got := c.Access.Tokens[0].Push; !slices.Equal(got, []string{"told/x", "told/y"}) {
		t.Errorf("push = %v", got)
	}
	if got := [][]string{c.Quiet[0].Of, c.Quiet[1].Of}; !reflect.DeepEqual(got, [][]string{{"source/a/x", "source/a/y", "job/stop/x"}, {"job/stop/x", "job/stop/y"}}) {
		t.Errorf("of = %v", got)
	}
}

// A problem of a row shows its line, without what may be a credential; one of all rows shows the entry, once.
func TestAProblemOfARowIsAtTheRow(t *testing.T) {
	dir := inDir(t, map[string]string{"rows.csv": "name,every,token,host\na,5s,canary1,h\nb,5,canary2,\"h h\"\nc,7s,canary3,h\n"})
	text := `version: 1
upstreams:
  u: {for: rows.csv, http: "http://{each.host}", bearer: "{each.token}"}
sources:
  s:
    for: rows.csv
    http: {upstream: "u/{each}", pth: /x}
    every: "{each.every}"
  t:
    for: [{name: a, n: 5}, {name: b, n: 6}]
    exec: [a]
    timeout: "{each.n}"
`
	_, problems := config.Load(dir+"/f.yaml", []byte(text))
	var got string
	for _, p := range problems {
		got += strings.ReplaceAll(p.String()+"\n"+p.Excerpt()+"\n", dir+"/", "")
	}
	const want = `f.yaml:7:34: unknown key "pth" in http of source "s/a", did you mean "path"?
        http: {upstream: "u/{each}", pth: /x}
                                     ^
f.yaml:12:14: timeout: "5" has no unit, and so with every other row, write a duration with a unit such as 30s
        timeout: "{each.n}"
                 ^
rows.csv:3:3: every: "5" has no unit (in "s/b", as written at f.yaml:8:12), write a duration with a unit such as 30s
    b,5,*******,"h h"
      ^
rows.csv:3:13: http: "http://h h" …
`
	gotLines, wantLines := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i, w := range wantLines {
		if w == "" {
			continue
		}
		begin, open := strings.CutSuffix(w, "…")
		if i >= len(gotLines) || gotLines[i] != w && !(open && strings.HasPrefix(gotLines[i], begin)) {
			t.Fatalf("the problems are\n%s\nwant\n%s", got, want)
		}
	}
	if strings.Contains(got, "canary") {
		t.Errorf("the problems show a token:\n%s", got)
	}
}

// A row that is not valid CSV shows nothing, also where what stands before it may be shown: nobody knows what is a token in it.
func TestARowThatIsNoCSVShowsNothing(t *testing.T) {
	for _, broken := range []string{`b,canary2,"c`, `b,canary2,x "quoted" x`, "b,\"canary2\ncanary3\",x \"y\n", `b,canary2,"x"y`} {
		dir := inDir(t, map[string]string{"rows.csv": "name,token,title\na,canary1,A\n" + broken + "\nc,canary4,C\n"})
		_, problems := config.Load(dir+"/f.yaml", []byte(`version: 1
upstreams: {u: {for: rows.csv, http: "http://{each}", bearer: "{each.token}"}}
sources: {s: {for: rows.csv, http: {upstream: "u/{each}"}, title: "{each.title}"}}
`))
		if len(problems) == 0 {
			t.Errorf("%q is valid", broken)
		}
		for _, p := range problems {
			if text := p.String() + p.Excerpt(); strings.Contains(text, "canary") {
				t.Errorf("%q: the problem shows a token:\n%s", broken, text)
			}
		}
	}
}

// What rows can make is bounded.
func TestRowsAreBounded(t *testing.T) {
	var rows strings.Builder
	for i := range 1001 {
		fmt.Fprintf(&rows, "r%d,%s\n", i, strings.Repeat("x", 500))
	}
	dir := inDir(t, map[string]string{"many.csv": "name,text\n" + rows.String(), "most.csv": "name,text\n" + strings.TrimSuffix(rows.String(), rows.String()[strings.LastIndex(strings.TrimSuffix(rows.String(), "\n"), "\n")+1:])})
	if _, problems := config.Load(dir+"/f.yaml", []byte(`{version: 1, sources: {s: {for: many.csv, exec: [a]}}}`)); len(problems) != 1 ||
		problems[0].File != dir+"/many.csv" || problems[0].Line != 1002 || problems[0].What != "there are more than 1000 rows" {
		t.Errorf("1001 rows: %.300v", problems)
	}
	c, problems := config.Load(dir+"/f.yaml", []byte(`{version: 1, sources: {s: {for: most.csv, exec: [a, "{each.text}"]}}}`))
	if problems != nil || len(c.Sources) != 1000 || c.Sources[999].Name != "s/r999" {
		t.Fatalf("1000 rows: %.300v", problems)
	}
	for _, text := range []string{
		`{version: 1, sources: {s: {for: most.csv, exec: [a, ` + strings.Repeat(`"{each.text}", `, 100) + `]}}}`,
		`{version: 1, sources: {s: {for: most.csv, exec: [a, "` + strings.Repeat(`{each.text}`, 100) + `"]}}}`,
		`{version: 1, sources: {s: {for: most.csv, exec: [a, ` + strings.Repeat(`b, `, 1000) + `]}}}`,
	} {
		if _, problems := config.Load(dir+"/f.yaml", []byte(text)); len(problems) == 0 || problems[0].What != "for makes the configuration too long" {
			t.Errorf("%.100s: %.300v", text, problems)
		}
	}
}

// A file of rows is read again when it changes, and an empty one makes nothing.
func TestAFileOfRowsIsPartOfTheConfiguration(t *testing.T) {
	dir := inDir(t, map[string]string{"f.yaml": `{version: 1, upstreams: {u: {for: rows.csv, http: "http://{each}"}}, sources: {s: {for: rows.csv, exec: [a]}}}`, "rows.csv": "name\n"})
	c, files, err := config.Open(dir + "/f.yaml")
	if err != nil || len(names(c)) != 0 || len(c.Warnings) != 2 || !slices.Contains(files.Names(), dir+"/rows.csv") {
		t.Fatalf("no rows: %v, %v, %v of %v", c, err, c.Warnings, files.Names())
	}
	if _, changed := files.Look(); changed {
		t.Error("the files have changed by themselves")
	}
	if err := os.WriteFile(dir+"/rows.csv", []byte("name\na\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, changed := files.Look(); !changed {
		t.Error("the files have not changed with the rows")
	}
	if c, _, err = config.Open(dir + "/f.yaml"); err != nil || !slices.Equal(names(c), []string{`upstream "u/a"`, `source "s/a"`}) {
		t.Errorf("one row: %v, %v", names(c), err)
	}
}

// Explain tells what a row has become, and where each value comes from.
func TestExplainARow(t *testing.T) {
	dir := inDir(t, map[string]string{"rows.csv": "name,every\na,5s\nb,6s\n"})
	text := []byte("version: 1\nupstreams: {u: {for: rows.csv, http: 'http://{each}'}}\nsources:\n  s:\n    for: rows.csv\n    http: {upstream: 'u/{each}'}\n    every: '{each.every}'\n")
	settings, err := config.Explain(dir+"/f.yaml", text, "s/b")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range settings {
		got = append(got, strings.ReplaceAll(s.Key+" "+s.Value+" "+s.From, dir+"/", ""))
	}
	for _, want := range []string{"http.upstream u/b f.yaml:6 with rows.csv:3", "every.normal 6s f.yaml:7 with rows.csv:3", "upstreams.u/b.http http://b f.yaml:2 with rows.csv:3", "title s/b built in"} {
		if !slices.Contains(got, want) {
			t.Errorf("explain says\n%s\nwant %s", strings.Join(got, "\n"), want)
		}
	}
	if _, err := config.Explain(dir+"/f.yaml", text, "s"); err == nil || !strings.Contains(err.Error(), `it is several: write one of them such as "s/a"`) {
		t.Errorf("explain of an entry that is several: %v", err)
	}
}

// FuzzRows: whatever a file of rows has, reading it gives a configuration with at most one source for each of its lines, or
// problems, each of them at a place in one of the files.
func FuzzRows(f *testing.F) {
	for _, text := range []string{
		"name,host\na,h\n", "a;b\n1;\"x\"\"y\"\n;\n", "name\ta\nx\t\ny\t1", "\ufeffname\r\na\rb\n", "\"a\nb\",c\nd,e\n", "name\n\"a\n", "name,name\na,b\n", ",\n,\n", "a\n${env:NO_SUCH:-x}\n",
		"- a\n- {name: b, host: h}\n", "[a, b]", "{a: b}", "- {x: [1]}\n- {x: }\n- {}\n- ~\n", "- &a b\n- *a\n",
	} {
		f.Add(text, true)
		f.Add(text, false)
	}
	f.Fuzz(func(t *testing.T, text string, isCSV bool) {
		name := "rows.yaml"
		if isCSV {
			name = "rows.csv"
		}
		config.ShowAllProblems(t)
		yaml := "version: 1\nsources:\n  s: {for: " + name + ", exec: [a, '{each}', '{each.host}'], title: 'x{each.name}'}\n"
		dir := inDir(t, map[string]string{name: text})
		c, problems := config.Load(dir+"/f.yaml", []byte(yaml))
		lines := map[string][]string{dir + "/f.yaml": strings.Split(yaml, "\n"), dir + "/" + name: splitLines(text)}
		if c != nil && (problems != nil || len(c.Sources) > strings.Count(text, "\n")+strings.Count(text, "\r")+strings.Count(text, ",")+1) {
			t.Errorf("%q gives %d sources and %v", text, len(c.Sources), problems)
		}
		seen := map[string]bool{}
		for _, s := range names(orNone(c)) {
			if seen[s] {
				t.Errorf("%q gives %s twice", text, s)
			}
			seen[s] = true
		}
		for _, p := range problems {
			if at := lines[p.File]; p.Line < 1 || p.Line > len(at) || p.Column < 1 || p.Column > utf8.RuneCountInString(at[p.Line-1])+1 || strings.ContainsAny(p.String(), "\r\n") {
				t.Errorf("%q: %v is not in %q", text, p, at)
			}
		}
	})
}

func orNone(c *config.Config) *config.Config {
	if c == nil {
		return &config.Config{}
	}
	return c
}

// splitLines returns the lines of a text as an editor counts them.
func splitLines(text string) []string {
	text = strings.TrimPrefix(text, "\ufeff")
	return strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")
}
