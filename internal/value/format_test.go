package value_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/andybalholm/cascadia"
	html5 "golang.org/x/net/html"

	"github.com/tidewire/tidewire/internal/value"
)

func selector(t testing.TB, source string) *value.Selector {
	s, err := value.NewSelector(source)
	if err != nil {
		t.Fatalf("NewSelector(%q): %v", source, err)
	}
	return s
}

// page is what a device shows: a value, a link, a table and data for its own script.
const page = `<!doctype html><html><head><title>Boiler <b>1</b></title><style>p{}</style></head><body>
<h1>Boiler&nbsp;&amp;  Co</h1><p id=temp>  21.5<br>°C</p><a class="next" href=" /2 ">more</a>
<table><tr><th>Name<th>rpm</tr><tr><td>P<i>1</i><td>900</tr><tr><td>P2<td></tr></table>
<script id=data>{"a":  1}</script>`

func selection(t testing.TB) *value.Selection {
	rows := value.Selection{Each: selector(t, "tr:has(td)"), Fields: []value.Field{
		{"name", value.Selection{Find: selector(t, "td:nth-child(1)")}},
		{"rpm", value.Selection{Find: selector(t, "td:nth-child(2)")}},
		{"all", value.Selection{Find: selector(t, ".")}},
	}}
	return &value.Selection{Fields: []value.Field{
		{"title", value.Selection{Find: selector(t, "h1")}},
		{"temp", value.Selection{Find: selector(t, "#temp")}},
		{"next", value.Selection{Find: selector(t, "a.next@href")}},
		{"none", value.Selection{Find: selector(t, ".none")}},
		{"no", value.Selection{Find: selector(t, "h1@id")}},
		{"data", value.Selection{Find: selector(t, "script")}},
		{"names", value.Selection{Each: selector(t, "td:first-child")}},
		{"rows", rows},
	}}
}

func TestFormats(t *testing.T) {
	h := value.Format{Name: "html", Select: selection(t)}
	for _, tt := range []struct {
		format value.Format
		data   string
		want   string // as JSON
	}{
		{value.CSV, "time,temp\r\n12:00,21.5\r\n\r\n12:01,\r\n", `[{"temp":"21.5","time":"12:00"},{"temp":"","time":"12:01"}]`},
		{value.CSV, "\ufefftime;temp\n\"a;\"\"b\nc\";3,5", `[{"temp":"3,5","time":"a;\"b\nc"}]`},
		{value.CSV, "a\tb\tb,c\n1\t2\t3", `[{"a":"1","b":"2","b,c":"3"}]`},
		{value.CSV, "a,,b\n1,2,3,\n4", `[{"2":"2","a":"1","b":"3"},{"a":"4"}]`},
		{value.CSV, "a", `[]`},
		{value.Format{Name: "csv", Delimiter: '|', Columns: []string{"x", "y"}}, "a,b|c\n", `[{"x":"a,b","y":"c"}]`},
		{value.Format{Name: "csv", Columns: []string{"x"}}, "", `[]`},
		{value.CSV, "a,b\r1,2\r3,4", `[{"a":"1","b":"2"},{"a":"3","b":"4"}]`},
		{value.CSV, "sep=;\r\na,x;b\r\n1,5;2\r\n", `[{"a,x":"1,5","b":"2"}]`},
		{value.Format{Name: "csv", Columns: []string{"x"}}, "\"SEP=|\"\n1\n", `[{"x":"1"}]`},
		{value.Format{Name: "csv", Delimiter: '|', Columns: []string{"x"}}, "sep=|\n", `[{"x":"sep="}]`},
		{value.CSV, "sep=\n1\n", `[{"sep=":"1"}]`},
		{value.Lines, "a\rb\r", `["a","b"]`},
		{value.Lines, "a\rb\n", `["a\rb"]`},
		{value.CSV.In("windows-1252"), "t\n\x80", `[{"t":"€"}]`},
		{value.Format{Name: "csv", Charset: "latin1"}.In("utf-8"), "t\n\xe4", `[{"t":"ä"}]`},
		{value.Text, "\xff\xfe\x41\x00\xe4\x00", `"Aä"`},
		{value.Lines, "\xfe\xff\x00A\x00\n\x00B", `["A","B"]`},
		{value.JSON, "\xff\xfe1\x00", `1`},

		{value.XML, `<a/>`, `{"a":""}`},
		{value.XML, `<?xml version="1.0"?><!DOCTYPE a SYSTEM "http://127.0.0.1/x"><!-- c --><a> x<!-- c --> y </a>`, `{"a":"x y"}`},
		{value.XML, `<a id="7"><b>1</b> t <b u="V">2</b><b/><c>&amp;&#65;</c></a>`, `{"a":{"#text":"t","@id":"7","b":["1",{"#text":"2","@u":"V"},""],"c":"\u0026A"}}`},
		{value.XML, `<s:E xmlns:s="urn:s" xmlns="urn:d" s:k="1"><s:B><V xmlns="">3</V></s:B></s:E>`, `{"E":{"@k":"1","B":{"V":"3"}}}`},
		{value.XML, "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>", `{"a":"ä"}`},
		{value.XML, "<?xml version='1.0' encoding='gbk'?><a>\xc4\xa3\xca\xbd</a>", `{"a":"模式"}`},
		{value.XML, "<?xml version='1.0' encoding='utf-16'?><a>ä</a>", `{"a":"ä"}`},
		{value.XML.In("utf-8"), "<?xml version='1.0' encoding='ISO-8859-1'?><a>ä</a>", `{"a":"ä"}`},
		{value.XML, `<a><![CDATA[<b>]]></a>`, `{"a":"\u003cb\u003e"}`},

		{value.YAML, "a: [1, 2.5, yes, no, null, ~, x, .nan, .inf, 0x10]\n2: {b: \"text\\n\"}", `{"2":{"b":"text\n"},"a":[1,2.5,"yes","no",null,null,"x",null,null,16]}`},
		{value.YAML, "- 9007199254740991\n- 9007199254740993\n- 18446744073709551615\n", `[9007199254740991,9007199254740993,18446744073709551615]`},
		{value.YAML, "a: 2026-11-29\nb: 2026-11-29T12:00:00Z\ntrue: x", `{"a":"2026-11-29","b":"2026-11-29T12:00:00Z","true":"x"}`},
		{value.YAML, "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}", `{"a":{"x":1},"b":{"x":1},"c":{"x":1,"y":2}}`},
		{value.YAML, "--- 1\n...", `1`},

		{value.Prometheus, "# HELP up x\n# TYPE up gauge\nup{job=\"a\"} 1\nup{job=\"b\"} NaN 123\nold 2.5e3", `{"old":[{"labels":{},"value":2500}],"up":[{"labels":{"job":"a"},"value":1},{"labels":{"job":"b"},"value":null}]}`},
		{value.Prometheus, "# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 4.5\nh_count 3\n", `{"h_bucket":[{"labels":{"le":"0.1"},"value":1},{"labels":{"le":"+Inf"},"value":3}],"h_count":[{"labels":{},"value":3}],"h_sum":[{"labels":{},"value":4.5}]}`},
		{value.Prometheus, "# TYPE s summary\ns{quantile=\"0.5\",a=\"b\"} 7\ns_count{a=\"b\"} 2\n", `{"s":[{"labels":{"a":"b","quantile":"0.5"},"value":7}],"s_count":[{"labels":{"a":"b"},"value":2}]}`},
		{value.Prometheus, "# nothing\n", `{}`},

		{h, page, `{"data":"{\"a\":  1}","names":["P1","P2"],"next":"/2","no":null,"none":null,"rows":[{"all":"P1 900","name":"P1","rpm":"900"},{"all":"P2","name":"P2","rpm":""}],"temp":"21.5 °C","title":"Boiler \u0026 Co"}`},
		{value.Format{Name: "html", Select: &value.Selection{Find: selector(t, "p")}}, "<meta charset=windows-1252><p>\x80</p>", `"€"`},
		{value.Format{Name: "html", Select: &value.Selection{Find: selector(t, "p")}}, strings.Repeat(" ", 2000) + "<p>ä</p>", `"ä"`},
		{value.Format{Name: "html", Select: &value.Selection{Find: selector(t, "p")}}, "<p>\x80</p>", `"€"`},
		{value.Format{Name: "html", Select: &value.Selection{Each: selector(t, "a@href")}}, "<a href=1></a><a></a><a href=2></a>", `["1",null,"2"]`},
		{value.Format{Name: "html", Select: &value.Selection{Find: selector(t, "title")}}, page, `"Boiler \u003cb\u003e1\u003c/b\u003e"`},
	} {
		v, err := value.Parse(t.Context(), tt.format, []byte(tt.data))
		got, _ := json.Marshal(v)
		if err != nil || string(got) != tt.want {
			t.Errorf("%q as %s = %s, %v\nwant %s", tt.data, tt.format.Name, got, err, tt.want)
		}
	}
}

func TestFormatErrors(t *testing.T) {
	var deep, wide strings.Builder
	for range 101 {
		deep.WriteString("<a>")
	}
	fmt.Fprint(&wide, "a: &a [x, x, x, x, x, x, x, x, x]\n")
	for c := 'b'; c < 'j'; c++ {
		fmt.Fprintf(&wide, "%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	h := value.Format{Name: "html", Select: &value.Selection{Find: selector(t, "p")}}
	for _, tt := range []struct {
		format value.Format
		data   string
		want   string
	}{
		{value.CSV, "", `empty, want CSV with a line of names`},
		{value.CSV, "a,b\n1,2\n1,2,3\n", `line 3 of the CSV has 3 fields, and there are 2 columns, starts with "a,b\n1,2\n1,2,3\n"`},
		{value.CSV, "a,b,a", `two columns of the CSV have the name "a", starts with "a,b,a"`},
		{value.CSV, "a\n\"b", `not CSV (line 2: extraneous or missing " in quoted-field), starts with "a\n\"b"`},
		{value.CSV, "a\n5\" pipe", `not CSV (line 2: bare " in non-quoted-field), starts with "a\n5\" pipe"`},
		{value.XML, "", `empty, want XML`},
		{value.XML, "<a>", `not XML (line 1: unexpected EOF), starts with "<a>"`},
		{value.XML, "<a></b>", `not XML (line 1: element <a> closed by </b>), starts with "<a></b>"`},
		{value.XML, "<a/><b/>", `more than one root element, want one XML document, starts with "<a/><b/>"`},
		{value.XML, "x", `not XML (text outside of the root element), starts with "x"`},
		{value.XML, deep.String(), `XML nests deeper than 100 levels, starts with "<a><a><a><a><a><a><a><a><a><a><a><a><a><..."`},
		{value.XML, `<!DOCTYPE l [<!ENTITY l "lol">]><l>&l;</l>`, `not XML (line 1: invalid character entity &l;), starts with "<!DOCTYPE l [<!ENTITY l \"lol\">]><l>&l;</..."`},
		{value.YAML, " \n", `empty, want YAML`},
		{value.YAML, "a: 1\n---\nb: 2", `not YAML (a second document begins in line 2), starts with "a: 1\n---\nb: 2"`},
		{value.YAML, "a: [", `not YAML (`},
		{value.YAML, "a: 1\na: 2", `not YAML (`},
		{value.YAML, wide.String(), `not YAML (`},
		{value.YAML, strings.Repeat("[", 200) + strings.Repeat("]", 200), `not YAML (it nests too deep), starts with "[[`},
		{value.YAML, strings.Repeat("x", 1<<20+1), `the YAML is larger than 1 MiB, starts with "xxx`},
		{value.Prometheus, "", `empty, want the text format of Prometheus`},
		{value.Prometheus, "<html>", `not the text format of Prometheus (line 1: `},
		{h, strings.Repeat("<b>", 600), `not HTML (open stack of elements exceeds 512 nodes), starts with "<b><b>`},
		{value.XML, "<a>" + strings.Repeat("<b/>", 1e6) + "</a>", "too many elements and members: they would take more than 32 MiB of memory"},
		{value.XML.In("klingon"), "<a>\xff</a>", `the answer's charset, "klingon", is not known: want utf-8 or another name of the WHATWG's Encoding standard`},
	} {
		v, err := value.Parse(t.Context(), tt.format, []byte(tt.data))
		if e := new(value.ParseError); !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.60q as %s = %v, %v\nwant %s", tt.data, tt.format.Name, v, err, tt.want)
		}
	}
}

func TestSelectors(t *testing.T) {
	for _, source := range []string{"", " ", "a[", "@", "p::before", "td:nth-child(", "p:nosuch"} {
		if s, err := value.NewSelector(source); err == nil {
			t.Errorf("NewSelector(%q) = %v, want an error", source, s)
		}
	}
	for _, source := range []string{".", "@href", "a@href", `a[href$="@x.com"]`, "h1, h2", "a @data-x"} {
		if s, err := value.NewSelector(source); err != nil || s.String() != source {
			t.Errorf("NewSelector(%q) = %v, %v", source, s, err)
		}
	}
}

// Formats that make different values are different texts.
func TestFormatString(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range []value.Format{
		value.JSON, value.CSV,
		{Name: "csv", Charset: "latin1"}, {Name: "csv", Delimiter: ';'}, {Name: "csv", Columns: []string{"a", "b"}}, {Name: "csv", Columns: []string{"a, b"}},
		{Name: "html", Select: selection(t)}, {Name: "html", Select: &value.Selection{Find: selector(t, "a")}}, {Name: "html", Select: &value.Selection{Each: selector(t, "a")}},
	} {
		if s := f.String(); seen[s] || s != f.In("utf-8").String() {
			t.Errorf("%+v = %s, as another one", f, s)
		} else {
			seen[s] = true
		}
	}
}

// A document that would take minutes ends with its poll.
func TestParsingEnds(t *testing.T) {
	each := selector(t, "i")
	slow := &value.Selection{Each: each, Fields: []value.Field{{"a", value.Selection{Each: each, Fields: []value.Field{{"b", value.Selection{Each: each}}}}}}}
	data := strings.Repeat("<i></i>", 20000)
	for range 3 {
		data = "<i>" + data + "</i>"
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := value.Parse(ctx, value.Format{Name: "html", Select: slow}, []byte(data))
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("parsing ended after %v with %v, want an error soon", took, err)
	}
}

func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "a;b\n\"x;\"\"\";\n", "a\tb\n1\n", "\ufeffa\n1,2", ",\n,", "a\r\n\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := value.Parse(t.Context(), value.CSV, []byte(s))
		if err != nil {
			return
		}
		// What was read is read again from CSV that is written another way.
		names := map[string]bool{}
		rows := v.([]any)
		for _, row := range rows {
			for name := range row.(map[string]any) {
				names[name] = true
			}
		}
		if len(names) == 0 {
			return
		}
		columns := slices.Sorted(maps.Keys(names))
		var text strings.Builder
		for _, row := range rows {
			for i, name := range columns {
				if i > 0 {
					text.WriteByte('|')
				}
				field, _ := row.(map[string]any)[name].(string)
				text.WriteString(`"` + strings.ReplaceAll(field, `"`, `""`) + `"`)
			}
			text.WriteByte('\n')
		}
		again, err := value.Parse(t.Context(), value.Format{Name: "csv", Delimiter: '|', Columns: columns, Charset: "utf-8"}, []byte(text.String()))
		if err != nil || len(again.([]any)) != len(rows) {
			t.Fatalf("%q = %v, and as %q %v, %v", s, v, text.String(), again, err)
		}
		for i, row := range rows {
			for name, field := range row.(map[string]any) {
				if got := again.([]any)[i].(map[string]any)[name]; got != field {
					t.Errorf("%q = %v, and as %q row %d has %q", s, v, text.String(), i, got)
				}
			}
		}
	})
}

// writeXML writes what parseXML reads.
func writeXML(to *strings.Builder, name string, v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			writeXML(to, name, e)
		}
	case string:
		to.WriteString("<" + name + ">" + html.EscapeString(v) + "</" + name + ">")
	case map[string]any:
		to.WriteString("<" + name)
		for k, a := range v {
			if strings.HasPrefix(k, "@") {
				fmt.Fprintf(to, " %s=\"%s\"", k[1:], strings.NewReplacer("\n", "&#10;", "\t", "&#9;", "\r", "&#13;").Replace(html.EscapeString(a.(string))))
			}
		}
		to.WriteString(">")
		for k, e := range v {
			if k == "#text" {
				to.WriteString(html.EscapeString(e.(string)))
			} else if !strings.HasPrefix(k, "@") {
				writeXML(to, k, e)
			}
		}
		to.WriteString("</" + name + ">")
	}
}

func FuzzXML(f *testing.F) {
	for _, s := range []string{"<a/>", `<a b="1" c="2"><d>x</d><d/>t</a>`, `<s:a xmlns:s="u"><!-- --></s:a>`, "<?xml version='1.0' encoding='latin1'?><a>\xe4</a>", "<a>&lt;]]></a>", `<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := value.Parse(t.Context(), value.XML, []byte(s))
		if err != nil {
			return
		}
		var text strings.Builder
		for name, root := range v.(map[string]any) {
			writeXML(&text, name, root)
		}
		again, err := value.Parse(t.Context(), value.XML, []byte(text.String()))
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%q = %#v, and as %q %#v, %v", s, v, text.String(), again, err)
		}
	})
}

// JSON is YAML, so what was read is read again from its JSON.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{"a: 1", "- x\n- {b: [c]}", "&a [*a]", "a: &a {b: c}\nd: *a", "? [a]\n: b", "!!binary aGk=", "2026-11-29", "{<<: {a: b}}", "!!set {a}", "!!timestamp 2026-11-29 12:00:00 +1", "-0", "1_000", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := value.Parse(t.Context(), value.YAML, []byte(s))
		if err != nil {
			return
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatalf("%q = %#v, which does not encode: %v", s, v, err)
		}
		if strings.ContainsFunc(string(text), func(c rune) bool { return c >= 0x7f && c < 0xa0 || c >= 0xfeff }) || len(text) > 500 {
			return // YAML allows not every character, and no long key
		}
		again, err := value.Parse(t.Context(), value.YAML, text)
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%q = %#v, and as %s %#v, %v", s, v, text, again, err)
		}
	})
}

func FuzzPrometheus(f *testing.F) {
	for _, s := range []string{"a 1\n", "a{b=\"c\\n\\\"\"} -Inf 7\n", "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n", "# TYPE s summary\ns{quantile=\"0.5\"} 1\n", "# HELP a \\\\\n# EOF", "{\"a b\",c=\"d\"} 1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := value.Parse(t.Context(), value.Prometheus, []byte(s))
		if err != nil {
			return
		}
		var text strings.Builder
		for name, list := range v.(map[string]any) {
			for _, e := range list.([]any) {
				sample := e.(map[string]any)
				fmt.Fprintf(&text, "{%s", quoted(name))
				for k, label := range sample["labels"].(map[string]any) {
					fmt.Fprintf(&text, ",%s=%s", quoted(k), quoted(label.(string)))
				}
				if number, ok := sample["value"].(float64); ok {
					fmt.Fprintf(&text, "} %v\n", number)
				} else {
					text.WriteString("} NaN\n")
				}
			}
		}
		again, err := value.Parse(t.Context(), value.Prometheus, []byte(text.String()))
		if text.Len() == 0 {
			return
		}
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Errorf("%q = %v, and as %q %v, %v", s, v, text.String(), again, err)
		}
	})
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`).Replace(s) + `"`
}

// A text is the one that is in the page, in one line, whatever surrounds it.
func FuzzHTML(f *testing.F) {
	for _, s := range []string{"a", " a\n b ", "<b>&amp;", "</p>", "\x00", "é\xff"} {
		f.Add("", s)
	}
	f.Add(page, "x")
	format := value.Format{Name: "html", Charset: "utf-8", Select: &value.Selection{Find: selector(f, "b#tw")}}
	all := value.Format{Name: "html", Select: selection(f)}
	f.Fuzz(func(t *testing.T, before, s string) {
		if v, err := value.Parse(t.Context(), all, []byte(before+s)); err == nil {
			if _, err := json.Marshal(v); err != nil {
				t.Errorf("%q = %#v, which does not encode: %v", before+s, v, err)
			}
		}
		if strings.ContainsAny(before, "<&") || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\r") {
			return
		}
		text := before + `<b id="tw">` + html.EscapeString(s) + `</b>`
		v, err := value.Parse(t.Context(), format, []byte(text))
		if want := strings.Join(strings.Fields(s), " "); err != nil || v != want {
			t.Errorf("%q = %q, %v, want %q", text, v, err, want)
		}
	})
}

// Half a MiB of each format as it comes: what a poll of a large answer costs.
func BenchmarkFormats(b *testing.B) {
	repeat := func(head, row, tail string) []byte {
		return []byte(head + strings.Repeat(row, (512<<10)/len(row)) + tail)
	}
	for _, tt := range []struct {
		format value.Format
		data   []byte
	}{
		{value.JSON, repeat(`[`, `{"time":"12:00:00","temp":"21.5","wind":"3"},`, `{}]`)},
		{value.CSV, repeat("time;temp;wind\n", "12:00:00;21.5;3\n", "")},
		{value.XML, repeat("<log>", `<row at="12:00:00"><temp>21.5</temp><wind>3</wind></row>`, "</log>")},
		{value.YAML, repeat("", "- {time: '12:00:00', temp: 21.5, wind: 3}\n", "")},
		{value.Format{Name: "html", Select: &value.Selection{Each: selector(b, "tr"), Fields: []value.Field{{"t", value.Selection{Find: selector(b, "td:nth-child(2)")}}}}},
			repeat("<table>", "<tr><td>12:00:00</td><td>21.5</td><td>3</td></tr>\n", "</table>")},
		{value.Prometheus, repeat("# TYPE node_cpu_seconds_total counter\n", "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 1234567.89\n", "")},
	} {
		b.Run(tt.format.Name, func(b *testing.B) {
			b.SetBytes(int64(len(tt.data)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := value.Parse(b.Context(), tt.format, tt.data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A selector that takes long for one element ends with the time of the poll.
func TestSelectingEndsWithTheTime(t *testing.T) {
	siblings := strings.Repeat("<p></p>", 20000) + strings.Repeat("<b></b>", 600)
	nested := strings.Repeat("<p><i></i>", 20000)
	for css, data := range map[string]string{
		"i ~ p ~ b": siblings, "i ~ p ~ p ~ p ~ p ~ b": siblings, "i p + p ~ p ~ p ~ p ~ b": siblings, "b:not(i ~ p ~ p ~ p ~ b)": siblings,
		"div:has(i ~ p ~ p ~ p ~ b)": "<div>" + siblings + siblings, "p:has(:has(:has(b)))": nested, "b p p p p p p p p i": nested,
		"b > p p > p p p p p p p i": nested, "p:not(:has(p:not(:has(p:not(:has(b))))))": nested, "p:has(p:contains('x'))": nested,
	} {
		ctx, done := context.WithTimeout(t.Context(), 20*time.Millisecond)
		began := time.Now()
		format := value.Format{Name: "html", Select: &value.Selection{Each: selector(t, css)}}
		v, err := value.Parse(ctx, format, []byte(data))
		done()
		if took := time.Since(began); err != nil && !errors.Is(err, context.DeadlineExceeded) || took > 3*time.Second {
			t.Errorf("%s: after %v: %v, %v, want %v or a list", css, took, v, err, context.DeadlineExceeded)
		}
	}
}

// FuzzSelector compares what a selector finds with what the library finds by it.
func FuzzSelector(f *testing.F) {
	const doc = `<!doctype html><div class="a b" id="x"><!-- c --><p>one</p> text <p class=a>two <b>x</b></p><i></i><p class="a c" title="a > b, c">x</p>` +
		`<ul><li class=a><b>1</b></li><li><b class=a>2</b><i>3</i></li><li class=b><ul><li><p>x</p></li></ul></li></ul></div><div><p>x</p><div><p class=b><i>y</i></p></div></div>`
	for _, css := range []string{"p", "*", "*.a", "p.a", "div p", "div > p", "p + p", "p ~ p", "p ~ i + p", ".a ~ p ~ i ~ p", "div > ul > li b", "li:has(p)", "*:has(i ~ p)",
		"li:not(.a)", "div:not(:has(ul))", "p, li.b ,b", "[title='a > b, c']", "p[title*=\"> b\"] ~ ul li", ":contains('x') ~ p", "p:matches(^[a-z]+(x|y)?$)",
		"li:nth-child(2n + 1) > b", "div:haschild(p + i)", "#x > .a", "ul li ul li p", "div div p i", "li/**/b", "p\\.a, p", "DIV:NOT(.a) P", "ul ~ p, div > div > p > i",
		"li:not(:contains(\"1\"), .b) ~ li", ":root > body > div + div p", "b:not(li > b)", "div p:first-child + *", "p:not(div > p ~ p)"} {
		f.Add(css)
	}
	root, err := html5.Parse(strings.NewReader(doc))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, css string) {
		css = strings.TrimSpace(css)
		s, err := value.NewSelector(css)
		library, err2 := cascadia.ParseGroup(css)
		if err != nil || err2 != nil || strings.Contains(css, "@") {
			return
		}
		want := []string{}
		for n := range root.Descendants() {
			if n.Type == html5.ElementNode && library.Match(n) {
				want = append(want, fmt.Sprintf("%p", n))
			}
		}
		if got := s.Found(root); !slices.Equal(got, want) {
			t.Errorf("%q finds %d elements, those of the library are %d", css, len(got), len(want))
		}
	})
}
