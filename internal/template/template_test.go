package template_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"mime"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/internal/template"
)

func known(name string) bool { return name == "a" || name == "n" }

var values = map[string]any{"a": `"<&'>` + "\n", "n": 3.5}

func TestAValueIsEscapedForItsPlace(t *testing.T) {
	for _, c := range []struct {
		language template.Language
		in, want string
	}{
		{template.Text, "{a}{n} {x}", "\"<&'>\n3.5 {x}"},
		{template.JSON, `{"k": "is {a}", "{n}": {a}, "l": [{n}]}`, `{"k": "is \"\u003c\u0026'\u003e\n", "3.5": "\"\u003c\u0026'\u003e\n", "l": [3.5]}`},
		{template.JSON, `{"k": "\\{n}"}`, `{"k": "\\3.5"}`},
		{template.XML, `<r k='{n}'>is {a}</r>`, `<r k='3.5'>is &#34;&lt;&amp;&#39;&gt;&#xA;</r>`},
		{template.Form, "k={a}&l={n}", "k=%22%3C%26%27%3E%0A&l=3.5"},
		{template.Path, "/x/{a}/{n}", "/x/%22%3C&%27%3E%0A/3.5"},
		{template.Header, "is {a} or {n}", `is "<&'>  or 3.5`},
		{template.Header, `attachment; filename="{a}"; n="{n}"`, `attachment; filename="\"<&'> "; n="3.5"`},
		{template.Header, `a="\"{a}"`, `a="\"\"<&'> "`},
		{template.Header, `5" of {a}`, `5" of "<&'> `},
		{template.Cookie, "lang={a}; n={n}", "lang=%22%3C&%27%3E%0A; n=3.5"},
	} {
		parsed, wrong := template.Parse(c.in, c.language, known)
		if wrong != nil {
			t.Errorf("Parse(%s) = %v", c.in, wrong)
			continue
		}
		if got, err := parsed.Render(func(name string) any { return values[name] }); err != nil || got != c.want {
			t.Errorf("%s = %s, %v, want %s", c.in, got, err, c.want)
		}
	}
}

func TestAPlaceThatIsNotSafeIsRefused(t *testing.T) {
	for _, c := range []struct {
		language template.Language
		in       string
		at       int
	}{
		{template.JSON, `{"k": 1{n}}`, 7},
		{template.JSON, `{"k": {a}{n}}`, 9},
		{template.JSON, `{{a}: 1}`, 1},
		{template.JSON, `n={n}`, 2},
		{template.JSON, `{"k": "\{a}"}`, 8},
		{template.JSON, `{"k": "\u00{n}"}`, 11},
		{template.Header, `attachment; filename={a}`, 21},
		{template.Header, `x; n="{n}"; m = {a}`, 16},
		{template.Header, `x; n="\{n}"`, 7},
		{template.XML, `<{a}/>`, 1},
		{template.XML, `<r {a}="x"/>`, 3},
		{template.XML, `<r><!-- {a} --></r>`, 8},
		{template.XML, `<r><![CDATA[{a}]]></r>`, 12},
		{template.XML, `<r>{n}</r><?x {a}?>`, 14},
		{template.XML, `<r xmlns="{a}"/>`, 10},
		{template.XML, `<r>{n}`, 3},
		{template.XML, `<r>&{n};</r>`, 4},
		{template.Form, `k=%{n}`, 3},
		{template.Path, `/%4{n}`, 3},
	} {
		if _, wrong := template.Parse(c.in, c.language, known); wrong == nil || wrong.At != c.at {
			t.Errorf("Parse(%s) = %+v, want an error at %d", c.in, wrong, c.at)
		}
	}
}

func TestAValueDoesNotLeaveItsSegment(t *testing.T) {
	parsed, _ := template.Parse("/x/{a}/y", template.Path, known)
	for _, v := range []string{"", ".", ".."} {
		got, err := parsed.Render(func(string) any { return v })
		var wrong *template.SegmentError
		if !errors.As(err, &wrong) || wrong.Name != "a" {
			t.Errorf("Render(%q) = %s, %v, want an error about a", v, got, err)
		}
	}
}

func TestValuesThatJSONDoesNotHave(t *testing.T) {
	parsed, _ := template.Parse("[{a}]", template.JSON, known)
	for _, c := range []struct {
		value any
		want  string
	}{{nil, "[null]"}, {math.NaN(), "[null]"}, {true, "[true]"}, {json.RawMessage(`{"x":1}`), `[{"x":1}]`}} {
		if got, err := parsed.Render(func(string) any { return c.value }); err != nil || got != c.want {
			t.Errorf("Render(%v) = %s, %v, want %s", c.value, got, err, c.want)
		}
	}
}

func TestOf(t *testing.T) {
	for kind, want := range map[string]template.Language{
		"application/json; charset=utf-8": template.JSON, "application/problem+json": template.JSON,
		"text/xml": template.XML, "application/soap+xml": template.XML,
		"application/x-www-form-urlencoded": template.Form, "text/plain; charset=utf-8": template.Text,
	} {
		if got, ok := template.Of(kind); !ok || got != want {
			t.Errorf("Of(%q) = %v, %v, want %v", kind, got, ok, want)
		}
	}
	for _, kind := range []string{"", "text/html", "application/yaml", "text/csv"} {
		if _, ok := template.Of(kind); ok {
			t.Errorf("Of(%q) is known, want that it is not", kind)
		}
	}
}

// shape is the structure of a document without its texts.
func shape(language template.Language, s string) (any, error) {
	switch language {
	case template.JSON:
		var all []string
		for decoder := json.NewDecoder(strings.NewReader(s)); ; {
			token, err := decoder.Token()
			if err == io.EOF {
				return all, nil
			}
			if err != nil {
				return nil, err
			}
			if delim, ok := token.(json.Delim); ok {
				all = append(all, delim.String())
			} else {
				all = append(all, fmt.Sprintf("%T", token))
			}
		}
	case template.XML:
		var all []string
		for decoder := xml.NewDecoder(strings.NewReader(s)); ; {
			token, err := decoder.Token()
			if err == io.EOF {
				return all, nil
			}
			if err != nil {
				return nil, err
			}
			switch token := token.(type) {
			case xml.StartElement:
				all = append(all, token.Name.Local)
				for _, a := range token.Attr {
					all = append(all, a.Name.Local+"=")
				}
			case xml.CharData:
			default:
				all = append(all, fmt.Sprintf("%T", token))
			}
		}
	case template.Form:
		return strings.Count(s, "&")*1000 + strings.Count(s, "="), nil
	case template.Path:
		u, err := url.Parse("http://host" + s)
		if err != nil {
			return nil, err
		}
		return fmt.Sprint(u.Host, strings.Count(u.EscapedPath(), "/"), u.RawQuery, u.Fragment), nil
	case template.Header:
		return strings.ContainsAny(s, "\r\n\x00"), nil
	case template.Cookie:
		return strings.Count(s, ";")*1000 + strings.Count(s, ","), nil
	}
	return nil, nil
}

func TestAValueStaysInItsParameter(t *testing.T) {
	parsed, wrong := template.Parse(`form-data; a="{a}"; b="x{n}\"y"; c=z`, template.Header, known)
	if wrong != nil {
		t.Fatal(wrong)
	}
	for _, v := range []string{`x`, `"; admin="1`, `\`, `\"; d=e`, `;`, `,`, `a\\`, "é", `""`} {
		filled, err := parsed.Render(func(string) any { return v })
		_, got, wrong := mime.ParseMediaType(filled)
		if want := map[string]string{"a": v, "b": "x" + v + `"y`, "c": "z"}; err != nil || wrong != nil || !maps.Equal(got, want) {
			t.Errorf("%q: %s has the parameters %q, %v, %v, want %q", v, filled, got, err, wrong, want)
		}
	}
}

// Whatever the values are, a template that Parse accepts has the same structure.
func FuzzTemplate(f *testing.F) {
	for language, all := range [][]string{
		template.Text:   {"{a}"},
		template.JSON:   {`{"a": "{a}", "n": {n}}`, `["\\{a}"]`, `[{a}, [{n}]]`},
		template.XML:    {`<a b="{a}">{n}</a>`, `<a><![CDATA[{a}]]></a>`},
		template.Form:   {"a={a}&{n}=x"},
		template.Path:   {"/x/{a}.{n}"},
		template.Header: {"{a} is {n}", `form-data; a="{a}"; n="x{n}"`},
		template.Cookie: {"a={a}; b={n}"},
	} {
		for _, s := range all {
			for _, v := range []string{"x", `"}`, "<b/>", "]]>", "a&b=c", "../..", "\r\nX: y", "\xff", `\`, "--"} {
				f.Add(language, s, v)
			}
		}
	}
	f.Fuzz(func(t *testing.T, n int, s, v string) {
		language := template.Language(n)
		if language < template.Text || language > template.Cookie {
			return
		}
		parsed, wrong := template.Parse(s, language, known)
		if wrong != nil || language == template.Path && (!strings.HasPrefix(s, "/") || strings.ContainsAny(s, "?#")) {
			return
		}
		plain, err := parsed.Render(func(string) any { return "x" })
		if err != nil {
			return
		}
		want, err := shape(language, plain)
		if err != nil || len(template.Find(s)) == 0 {
			return
		}
		got, err := parsed.Render(func(string) any { return v })
		if err != nil {
			return
		}
		if has, err := shape(language, got); err != nil || !reflect.DeepEqual(has, want) {
			t.Errorf("%d: %q with %q = %q, %v: the structure is %v, want %v", language, s, v, got, err, has, want)
		}
	})
}

// Other placeholders are what the caller says: their text may have anything in it, also what would be a placeholder.
func TestComputedPlaceholders(t *testing.T) {
	const one, two = "${jq: {a}}", `${jq: "/"}`
	values := map[string]any{one: "x/y \"", two: []any{1.0, nil}, "a": "A"}
	for _, tt := range []struct {
		language   template.Language
		text, want string
	}{
		{template.Text, "{a} " + one + " {a}" + two, `A x/y " A[1,null]`},
		{template.Path, "/" + one + "/" + two + "/{a}", "/x%2Fy%20%22/%5B1%2Cnull%5D/A"},
		{template.JSON, `{"a": ` + two + `, "b": "` + one + `", "c": "` + two + `"}`, `{"a": [1,null], "b": "x/y \"", "c": "[1,null]"}`},
		{template.Header, one + `; b="` + one + `"`, `x/y "; b="x/y \""`},
	} {
		parsed, wrong := template.Parse(tt.text, tt.language, func(name string) bool { return name == "a" }, two, one)
		if wrong != nil {
			t.Errorf("Parse(%s) = %v", tt.text, wrong)
			continue
		}
		if got, err := parsed.Render(func(name string) any { return values[name] }); err != nil || got != tt.want {
			t.Errorf("Render of %s = %s, %v, want %s", tt.text, got, err, tt.want)
		}
	}
	if _, wrong := template.Parse(`{"a": 1`+one+`}`, template.JSON, func(string) bool { return false }, one); wrong == nil || wrong.What != "the text is not JSON around "+one {
		t.Errorf("next to a number it is %v", wrong)
	}
}
