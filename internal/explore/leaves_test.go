package explore_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/explore"
	"github.com/tidewire/tidewire/internal/jq"
)

func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// parsed is the value of a text, if that is JSON.
func parsed(text string) (v any, ok bool) {
	ok = json.Unmarshal([]byte(text), &v) == nil
	return v, ok
}

// list is what people see of leaves.
func list(leaves []explore.Leaf) string {
	var b strings.Builder
	for _, l := range leaves {
		fmt.Fprintf(&b, "%s = %s (%s)\n", l.Path, l.Text(), l.Name(func(string) bool { return false }))
	}
	return b.String()
}

// Each leaf has the expression that gives it, by names where there are some.
func TestLeaves(t *testing.T) {
	for _, tt := range []struct {
		name, format, value, want string
		more                      int
	}{
		{"a number", "json", `5`, ". = 5 (value)\n", 0},
		{"keys", "json", `{"main": {"temp": 21.5, "two words": true}, "Name": null, "a-b": "x"}`, `.Name = null (name)
.["a-b"] = "x" (a_b)
.main.temp = 21.5 (temp)
.main["two words"] = true (two_words)
`, 0},
		{"a list", "json", `[1, 2, 3, 4, {"a": [5]}]`, ".[0] = 1 (value)\n.[1] = 2 (value)\n.[2] = 3 (value)\n", 2},
		{"named elements", "json", `{"devices": [{"id": "a", "t": 1}, {"id": "b\"", "t": 2}]}`, `.devices[] | select(.id == "a").id = "a" (id)
.devices[] | select(.id == "a").t = 1 (t)
.devices[] | select(.id == "b\"").id = "b\"" (id)
.devices[] | select(.id == "b\"").t = 2 (t)
`, 0},
		{"named elements at the top, nested", "json", `[{"name": "a", "in": [{"kind": "x", "v": 1}, {"kind": "y", "v": 2}]}, {"name": "b"}]`, `.[] | select(.name == "a").in[] | select(.kind == "x").kind = "x" (kind)
.[] | select(.name == "a").in[] | select(.kind == "x").v = 1 (v)
.[] | select(.name == "a").in[] | select(.kind == "y").kind = "y" (kind)
.[] | select(.name == "a").in[] | select(.kind == "y").v = 2 (v)
.[] | select(.name == "a").name = "a" (name)
.[] | select(.name == "b").name = "b" (name)
`, 0},
		{"elements with equal names", "json", `[{"name": "a"}, {"name": "a"}]`, ".[0].name = \"a\" (name)\n.[1].name = \"a\" (name)\n", 0},
		{"metrics", "prometheus", `{"load": [{"labels": {}, "value": 0.5}], "free": [{"labels": {"dev": "a", "fs": "x"}, "value": 1}, {"labels": {"dev": "b", "fs": "x"}, "value": null}]}`, `.free[] | select(.labels.dev == "a").labels.dev = "a" (dev)
.free[] | select(.labels.dev == "a").labels.fs = "x" (fs)
.free[] | select(.labels.dev == "a").value = 1 (a)
.free[] | select(.labels.dev == "b").labels.dev = "b" (dev)
.free[] | select(.labels.dev == "b").labels.fs = "x" (fs)
.free[] | select(.labels.dev == "b").value = null (b)
.load[0].value = 0.5 (load)
`, 0},
		{"rows", "csv", `[{"time": "1", "temp": "20,5"}, {"time": "2", "temp": "21,5"}]`, ".[-1].temp | sub(\",\"; \".\") | tonumber = 21.5 (temp)\n.[-1].time | tonumber = 2 (time)\n", 2},
		{"elements", "xml", `{"a": {"@id": "007", "#text": "5", "p": "21.5 °C"}}`, ".a[\"#text\"] | tonumber = 5 (a)\n.a[\"@id\"] = \"007\" (id)\n.a.p | split(\" \")[0] | tonumber = 21.5 (p)\n", 0},
		{"a text", "text", `"12"`, "tonumber = 12 (value)\n", 0},
		{"words", "text", `"0.5 0.25 1/200"`, ". = \"0.5 0.25 1/200\" (value)\n[splits(\"\\\\s+\")][0] | tonumber = 0.5 (value)\n[splits(\"\\\\s+\")][1] | tonumber = 0.25 (value)\n", 0},
		{"lines", "lines", `["Use%", "disk 71% /"]`, ".[0] = \"Use%\" (value)\n.[1] = \"disk 71% /\" (value)\n.[1] | [splits(\"\\\\s+\")][1] | rtrimstr(\"%\") | tonumber = 71 (disk)\n", 0},
		{"a table", "lines", `["Filesystem Used Use% Mounted on", "/dev/vda 7 23% /"]`, ".[0] = \"Filesystem Used Use% Mounted on\" (value)\n.[1] = \"/dev/vda 7 23% /\" (value)\n.[1] | [splits(\"\\\\s+\")][1] | tonumber = 7 (used)\n.[1] | [splits(\"\\\\s+\")][2] | rtrimstr(\"%\") | tonumber = 23 (use)\n", 0},
	} {
		value := decoded(t, tt.value)
		leaves, more := explore.Leaves(value, tt.format)
		if got := list(leaves); got != tt.want || more != tt.more {
			t.Errorf("%s: %d more than\n%s\nwant %d more than\n%s", tt.name, more, got, tt.more, tt.want)
		}
		lead(t, value, leaves)
	}
}

// lead fails unless the expressions of leaves give their values.
func lead(t *testing.T, value any, leaves []explore.Leaf) {
	t.Helper()
	for _, l := range leaves {
		p, err := jq.Compile(l.Path)
		if err != nil {
			t.Errorf("%s does not compile: %v", l.Path, err)
			continue
		}
		got, err := p.Run(t.Context(), value)
		if n, ok := got.(int); ok {
			got = float64(n)
		}
		if err != nil || !reflect.DeepEqual(got, l.Value) {
			t.Errorf("%s = %#v, %v, want %#v", l.Path, got, err, l.Value)
		}
	}
}

// Whatever answers: each expression gives its value, and no more leaves are listed than may be.
func FuzzLeaves(f *testing.F) {
	for _, s := range []string{`1`, `{"a":[{"id":"x","b":1},{"id":"y"}]}`, `[["1 kB","2,5"],{"":null,"\\(1)":" 3 "}]`, `[{"name":"\\(.)"},{"name":"$__loc__"}]`, `"1 2% -3e5"`, `{"and":1,"if":[1,2,3,4]}`} {
		for _, format := range []string{"json", "csv", "xml", "text"} {
			f.Add(s, format)
		}
	}
	f.Fuzz(func(t *testing.T, text, format string) {
		var v any
		if len(text) > 4096 || json.Unmarshal([]byte(text), &v) != nil {
			return
		}
		leaves, _ := explore.Leaves(v, format)
		if len(leaves) > explore.MaxLeaves {
			t.Errorf("%d leaves", len(leaves))
		}
		lead(t, v, leaves[:min(len(leaves), 20)])
		taken := map[string]bool{}
		for _, l := range leaves {
			name := l.Name(func(s string) bool { return taken[s] })
			if name == "" || taken[name] {
				t.Errorf("%s is named %q, which another one is", l.Path, name)
			}
			taken[name] = true
		}
	})
}

// What moved is what has another value at the same place.
func TestMoved(t *testing.T) {
	before, _ := explore.Leaves(decoded(t, `{"a": 1, "b": 2, "c": "x", "gone": 1, "l": [{"id": "p", "v": 1}, {"id": "q", "v": 2}]}`), "json")
	after, _ := explore.Leaves(decoded(t, `{"a": 1, "b": 3, "c": "y", "new": 1, "l": [{"id": "q", "v": 2}, {"id": "p", "v": 5}]}`), "json")
	got := explore.Moved(before, after)
	if len(got) != 3 || got[".b"].Value != 3.0 || got[".c"].Value != "y" || got[`.l[] | select(.id == "p").v`].Value != 5.0 {
		t.Errorf("%v moved, want b, c and the element p", got)
	}
}

func TestGuess(t *testing.T) {
	for body, want := range map[string]string{
		``:                                       "text",
		"42":                                     "json",
		`{"a": 1}`:                               "json",
		"\ufeff[1]\n":                            "json",
		"<!DOCTYPE html>\n<p>":                   "html",
		"<?xml version='1.0'?><html><p/></html>": "html",
		"<a><b/></a>":                            "xml",
		"# HELP up x\n# TYPE up gauge\nup 1\nup{job=\"a b\"} NaN 5\n": "prometheus",
		"# a\n":                                  "text",
		"time;temp\n12:00;\"a;\"":                "csv",
		"a,b\n1,2\n3,4\n":                        "csv",
		"a\tb\n1\t2":                             "csv",
		"a: 1\nb:\n  - c\n":                      "yaml",
		"MemTotal:  16384 kB\nMemFree:   1 kB\n": "yaml",
		"one line":                               "text",
		"two\nlines, of text":                    "lines",
		"at 12:00: fine\nwell then":              "lines",
	} {
		if got := explore.Guess(body); got[0] != want {
			t.Errorf("%q is taken for %v, want %s", body, got, want)
		}
	}
}
