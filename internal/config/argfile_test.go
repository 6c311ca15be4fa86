package config_test

import (
	"encoding/base64"
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidewire/tidewire/internal/config"
)

func TestFileArguments(t *testing.T) {
	c := load(t, `version: 1
upstreams: {u: {http: "http://127.0.0.1:1"}}
jobs:
  j:
    exec: [x, "{f}", "{o?}--o={o}"]
    args: {f: {type: file, max_size: 1kB, accept: [.CSV, image/*, text/plain]}, o: {type: file, default: ""}}
  h: {http: {upstream: u, body: "{f}"}, args: {f: {type: file, default: ""}}}
`)
	j := c.Jobs[0]
	given := func(name, media, data string) map[string]any {
		return map[string]any{"name": name, "type": media, "data": base64.StdEncoding.EncodeToString([]byte(data))}
	}
	for _, tt := range []struct {
		v    any
		want string // what is wrong; empty: nothing
	}{
		{given("a.csv", "", "x"), ""},
		{given("../A.Csv", "application/octet-stream", "x"), ""},
		{given("a", "image/png", ""), ""},
		{given("a", "text/plain; charset=utf-8", "x"), ""},
		{config.NewFile("a.csv", "", []byte("x")), ""},
		{given("a.exe", "", "x"), `"a.exe" is application/octet-stream, give one of .csv, image/* or text/plain`},
		{given("a.csv", "", strings.Repeat("x", 1001)), "the file has 1001 bytes, give one of at most 1000"},
		{"a.csv", `this is not a file, write {"name": "a.csv", "data": "BASE64"}, or send a form of multipart/form-data`},
		{7.0, "this is not a file, "},
		{"", "this has no value, give it one"},
		{map[string]any{"name": "a.csv"}, "the content of the file is missing, "},
		{map[string]any{"name": "a.csv", "data": "?"}, "the data of the file is not base64, "},
		{map[string]any{"name": "a.csv", "data": "", "path": "/etc"}, `a file has no "path", `},
	} {
		args, wrong := j.Bind(map[string]any{"f": tt.v})
		switch {
		case tt.want == "" && wrong != nil, tt.want != "" && (len(wrong) != 1 || !strings.HasPrefix(wrong[0].Error(), "f: "+tt.want)):
			t.Errorf("Bind(%v) = %v, %v, want %q", tt.v, args, wrong, tt.want)
		case tt.want == "":
			f := args["f"].(*config.File)
			again, wrong := j.Bind(config.Given(args))
			if wrong != nil || !reflect.DeepEqual(again["f"], f) || args["o"] != "" {
				t.Errorf("Bind(%v) = %v, and as it would be given %v, %v", tt.v, args, again, wrong)
			}
			text, _ := json.Marshal(f)
			if len(f.Data) > 0 && strings.Contains(string(text), base64.StdEncoding.EncodeToString(f.Data)) {
				t.Errorf("as JSON the file is %s, want it without its content", text)
			}
		}
	}
	if argv := j.Argv(map[string]any{"f": "/tmp/a", "o": ""}); strings.Join(argv, " ") != "x /tmp/a" {
		t.Errorf("argv = %q, want the path of the file and nothing of the one that there is not", argv)
	}

	for _, tt := range []struct {
		v           any
		body, media string
	}{{given("a.bin", "", "\x00\xff{f}"), "\x00\xff{f}", "application/octet-stream"}, {given("a", "text/plain", "x"), "x", "text/plain"}, {nil, "", ""}} {
		args, wrong := c.Jobs[1].Bind(map[string]any{"f": tt.v})
		if wrong != nil {
			t.Fatal(wrong)
		}
		r, err := c.Jobs[1].Request(t.Context(), args)
		if err != nil || string(r.Body) != tt.body || r.Header.Get("Content-Type") != tt.media {
			t.Errorf("the request with %v = %q of %v, %v, want %q of %s", tt.v, r.Body, r.Header, err, tt.body, tt.media)
		}
	}
}

// What somebody calls a file is safe as a name in a directory, and stays as it is if it was.
func FuzzFileName(f *testing.F) {
	for _, s := range []string{"", "a.csv", "../../etc/passwd", `C:\x\y.txt`, ".", "..", "-rf", "a\nb", "\xff", strings.Repeat("ä", 200) + ".pdf", "x." + strings.Repeat("y", 300), "  ", " .000", "a\u202eb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := config.FileName(s)
		dir := t.TempDir()
		switch {
		case got == "" || len(got) > 100 || !utf8.ValidString(got):
			t.Errorf("FileName(%q) = %q, want 1 to 100 bytes of UTF-8", s, got)
		case strings.HasPrefix(got, ".") || strings.HasPrefix(got, "-") || strings.ContainsAny(got, "/\\\x00\n\"%;"):
			t.Errorf("FileName(%q) = %q, which is not safe", s, got)
		case filepath.Dir(filepath.Join(dir, got)) != dir:
			t.Errorf("FileName(%q) = %q, which leaves a directory", s, got)
		case config.FileName(got) != got:
			t.Errorf("FileName(%q) = %q, and of that %q", s, got, config.FileName(got))
		}
	})
}
